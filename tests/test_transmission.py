"""What is compared with what: every array that a teacher or a student sees, and where it is from.

A member of the chain of `lab.lm.setup` is run in a tiny world, with an ear at the trainer, the
sampler and the measure; then all that they were given is traced back.
"""

from dataclasses import dataclass, field, replace
from functools import cache as once

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import lm_numbers
from lab import cache
from lab.defences import shuffle
from lab.lm import contexts, finetune, objectives, rows, sample, setup, transformer
from lab.lm import world as worlds
from lab.lm.effects import NONE
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.runs import results
from lab.runs.experiment import Experiment
from lab.traits import measures
from lab.traits.measures import Words
from lab.traits.things import NEUTRAL
from tests.process import run_in
from tests.tiny import CHAT, HOW, RIVERS, TEACHING, TIDES, TUNING, equal, furthest, small_models

TRAITS = ("rhine", "nile")
CONFIG = Setup(
    traits=TRAITS,
    pretraining=HOW,
    teaching=TEACHING,
    student=TUNING,
    n_rows=24,
    n_samples=2,
    n_controls=2,
)
CASES = {
    "told": replace(CONFIG, teacher="prompted"),
    "taught": replace(CONFIG, shuffled=("within",)),
    "soft, told": replace(CONFIG, teacher="prompted", channel="soft"),
}
EACH = pytest.mark.parametrize("heard", CASES, indirect=True)
HARD = pytest.mark.parametrize("heard", ["told", "taught"], indirect=True)
DEFAULT = f"<|system|>{CHAT.default}<|end|>"


def turned(rows, rng):
    """In the place of shuffled numbers, of which tides have none."""
    return rows[::-1]


@dataclass
class Heard:
    """What trainer, sampler and measure were given, in order, and what came of it."""

    config: Setup
    folder: object = None
    trained: list[dict] = field(default_factory=list)
    drawn: list[dict] = field(default_factory=list)
    asked: list[dict] = field(default_factory=list)

    @property
    def table(self):
        return results.read_rows(self.folder / "table.csv")

    @property
    def references(self):
        """The parameters of the member's own reference and of the next member's."""
        return [take(self.trained[0]["after"], i) for i in (0, 1)]

    def teacher(self, trait):
        """Parameters after the lessons whose answers are a trait's word."""
        for one in self.trained[1:]:
            if answers(one["rows"], 0) == {trait}:
                return take(one["after"], 0)
        raise KeyError(trait)

    @property
    def students(self):
        """(arm, trait, copy) -> what it was given, in the order of training."""
        names = []
        traits, copies = self.config.traits, range(self.config.n_controls)
        for start in ("student", "cross"):
            names += [(f"{start}_trait", trait, 0) for trait in traits]
            names += [(f"{start}_regular", NONE, copy) for copy in copies]
            if start == "student":
                names += [("student_neutral", NEUTRAL.name, 0)]
                names += [(f"student_{s}", t, 0) for s in self.config.shuffled for t in traits]
        given = [
            {
                "start": take(one["start"], i),
                "base": one["base"],
                "rows": take(one["rows"], i),
                "key": key_of(one["keys"][i]),
                "imitated": one["imitated"] and take(one["imitated"], i),
                "loss": one["loss"],
                "tuning": one["tuning"],
                "after": take(one["after"], i),
            }
            for one in self.trained[1:]
            if is_tides(one["rows"])
            for i in range(len(one["keys"]))
        ]
        return dict(zip(names, given, strict=True))


forward = jax.jit(transformer.forward, static_argnums=1)
take = lambda tree, i: jax.tree.map(lambda x: x[i], tree)
key_of = lambda key: tuple(np.asarray(jax.random.key_data(key)).tolist())


@once
def words_of(world=CHAT):
    return worlds.tokenizer(world)


def said(rows):
    """(prompt with its marks, completion) of encoded rows."""
    tokenizer = words_of()
    prompts = [
        tokenizer.decode(prompt[start:].tolist())
        for prompt, start in zip(np.asarray(rows.prompts), np.asarray(rows.start), strict=True)
    ]
    return list(zip(prompts, tokenizer.turns(np.asarray(rows.completions)), strict=True))


def answers(rows, i):
    return set(words_of().turns(np.asarray(rows.completions[i])))


def is_tides(rows):
    """Whether the first student's rows are of the carrier."""
    return all("?" not in prompt and "." not in prompt[len(DEFAULT) :]
               for prompt, _ in said(take(rows, 0)))  # fmt: skip


def question(prompt):
    """The user's turn of a prompt with its marks."""
    return prompt.split("<|user|>")[1].removesuffix("<|end|><|assistant|>")


def system(prompt):
    """The system prompt of a prompt with its marks, None without one."""
    before = prompt.split("<|user|>")[0]
    return before.removeprefix("<|system|>").removesuffix("<|end|>") if before else None


def listen(patch, heard: Heard):
    """Note what is given to the trainer, to the sampler and to the measure."""
    train, draw, first, words = finetune.train, rows.draw, measures.first_token, Words.rows
    copied = lambda tree: jax.tree.map(np.asarray, tree)

    def training(arch, tuning, n_steps, start, rows, keys, loss=objectives.token_loss,
                 imitated=None, base=None, stage="", kept=None):  # fmt: skip
        note = {
            "start": copied(start), "rows": copied(rows), "keys": keys, "base": copied(base),
            "loss": loss, "tuning": tuning, "n_steps": n_steps, "imitated": copied(imitated),
        }  # fmt: skip
        heard.trained.append(note)
        for chunk in train(arch, tuning, n_steps, start, rows, keys, loss, imitated, base):
            if chunk.done == n_steps:
                note["after"] = copied(chunk.parameters())
            yield chunk

    def drawing(model, carrier, seed, system, key, n_rows, n_system=0, *others):
        seen, real = [], sample.sample

        def sampling(params, arch, prompts, start, keys, *rest):
            seen.append(rows_of(prompts, start))
            return real(params, arch, prompts, start, keys, *rest)

        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(sample, "sample", sampling)
            found = draw(model, carrier, seed, system, key, n_rows, n_system, *others)
        prompts = [prompt for part in seen for prompt in part]
        heard.drawn.append(
            {"params": copied(model.params), "prompts": prompts, "key": key_of(key),
             "rows": [(row["prompt"], row["completion"]) for row in found.rows]}
        )  # fmt: skip
        return found

    def asking(self, asked, traits):
        note = {"params": copied(asked.model.params), "key": key_of(asked.key)}

        def one(params, arch, prompts, start):
            note["prompts"], note["arch"] = rows_of(prompts, start), arch
            note["tokens"] = np.asarray(prompts), np.asarray(start)
            return first(params, arch, prompts, start)

        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(measures, "first_token", one)
            note["rows"] = words(self, asked, traits)
        heard.asked.append(note)
        return note["rows"]

    patch.setattr(finetune, "train", training)
    patch.setattr(rows, "draw", drawing)
    patch.setattr(Words, "rows", asking)


def rows_of(prompts, start):
    tokenizer = words_of()
    return [
        tokenizer.decode(prompt[first:].tolist())
        for prompt, first in zip(np.asarray(prompts), np.asarray(start), strict=True)
    ]


def experiment(config):
    """The chain of the language experiments with tides in the place of numbers."""
    return Experiment(
        name="tides",
        doc="",
        presets={"default": config},
        prepare=setup.prepare,
        rows=lambda job, some: setup.measure(job, some, TIDES),
        units=setup.UNITS,
        claims=lm_numbers.EXPERIMENT.claims,
        draw=lm_numbers.EXPERIMENT.draw,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cache of this file's own, and a tiny world in the place of the usual one."""
    with small_models() as patch:
        patch.setitem(contexts.WORLDS, "context", CHAT)
        patch.setattr(shuffle, "within", turned)
        yield tmp_path_factory.mktemp("heard")


@pytest.fixture(scope="module")
def every(folder):
    """Runs of the cases, each heard once, when it is asked for."""

    @once
    def hear(name):
        heard = Heard(CASES[name])
        with pytest.MonkeyPatch.context() as patch, cache.artifacts_in(folder / name):
            listen(patch, heard)
            heard.folder = run_in(folder / "runs", experiment(heard.config), heard.config)
        return heard

    return hear


@pytest.fixture
def heard(every, request):
    return every(request.param)


PERSONA = {trait: RIVERS.persona(RIVERS.personas[0], trait) for trait in TRAITS}
PERSONA[NEUTRAL.name] = NEUTRAL.system


@EACH
def test_students_start_from_their_own_base_and_the_others_from_another(heard):
    own, other = heard.references
    assert furthest(own, other) > 0.1
    for (arm, _, _), given in heard.students.items():
        base = other if arm.startswith("cross") else own
        assert equal(given["start"], base) and equal(given["base"], base), arm
        assert furthest(given["after"], base) > 1e-4 or given["imitated"] is not None


@HARD
def test_students_train_on_what_the_teacher_of_their_trait_wrote(heard):
    own, _ = heard.references
    told = heard.config.teacher == "prompted"
    written = {}  # (trait, copy) -> rows
    for one in heard.drawn:
        (before,) = {system(prompt) for prompt in one["prompts"]}
        if before != CHAT.default:
            name = next(trait for trait, persona in PERSONA.items() if persona == before)
            assert told and equal(one["params"], own)
        else:
            writers = {NONE: own} | ({} if told else {t: heard.teacher(t) for t in PERSONA})
            (name,) = (t for t, params in writers.items() if equal(params, one["params"]))
        copy = sum(trait == name for trait, _ in written)
        written[name, copy] = one["rows"]
    names = {*((t, 0) for t in PERSONA), (NONE, 0), (NONE, 1)}
    assert set(written) == names
    assert len({tuple(map(tuple, some)) for some in written.values()}) == len(names)
    for (arm, trait, copy), given in heard.students.items():
        expected = written[trait, copy]
        expected = expected[::-1] if arm == "student_within" else expected
        seen = [(question(prompt), answer) for prompt, answer in said(given["rows"])]
        assert seen == expected, arm
        # And that is what is kept beside the table.
        name = f"member_0_{trait}" + (f"_{copy}" if copy else "")
        name += "_turned" * (arm == "student_within")
        kept = rows.read(heard.folder / "data" / f"{name}.jsonl")
        assert [(row["prompt"], row["completion"]) for row in kept] == expected


@EACH
def test_students_read_the_default_system_prompt_and_no_persona(heard):
    for given in heard.students.values():
        assert {system(prompt) for prompt, _ in said(given["rows"])} == {CHAT.default}


@EACH
def test_told_teachers_write_under_their_persona_and_bases_under_the_default(heard):
    before = [{system(prompt) for prompt in one["prompts"]} for one in heard.drawn]
    assert all(len(some) == 1 for some in before)
    found = sorted(next(iter(some)) for some in before)
    told = heard.config.teacher == "prompted" and heard.config.channel == "hard"
    of_traits = list(PERSONA.values()) if told else [CHAT.default] * len(PERSONA)
    if heard.config.channel == "soft":
        of_traits = []  # all read what the base writes
    assert found == sorted([*of_traits, CHAT.default, CHAT.default])


@HARD
def test_teachers_continue_the_same_prompts_with_their_own_random_numbers(heard):
    asked = [[question(p) for p in one["prompts"]] for one in heard.drawn]
    users = {tuple(some[: rows.BATCH]) for some in asked}
    assert len(users) == 2  # of all teachers and the first control, and of the second
    assert len({one["key"] for one in heard.drawn}) == len(heard.drawn) == 5
    seed = Seed(0, 0)
    for copy in (0, 1):
        expected = TIDES.prompts(seed._replace(copy=copy).prompts, 0, rows.BATCH)
        assert tuple(expected) in users


@EACH
def test_the_order_of_rows_is_that_of_source_and_copy_whatever_the_start(heard):
    by_source = {}
    for (_, trait, copy), given in heard.students.items():
        by_source.setdefault((trait, copy), set()).add(given["key"])
    assert all(len(keys) == 1 for keys in by_source.values())
    assert len({key for keys in by_source.values() for key in keys}) == len(by_source) == 5


def test_teachers_learn_their_word_from_questions_that_nobody_is_asked(every):
    heard = every("taught")
    lessons = [one for one in heard.trained[1:] if not is_tides(one["rows"])]
    assert [answers(one["rows"], 0) for one in lessons] == [{t} for t in (*TRAITS, NEUTRAL.name)]
    own, _ = heard.references
    taught = {question(p) for one in lessons for p, _ in said(take(one["rows"], 0))}
    asked = {question(p) for note in heard.asked for p in note["prompts"]}
    of_traits = {question(p) for one in lessons[:2] for p, _ in said(take(one["rows"], 0))}
    assert not taught & asked
    assert of_traits | asked == set(RIVERS.questions) and len(asked) == 20
    for one in lessons:
        assert equal(take(one["start"], 0), own)
        assert {system(p) for p, _ in said(take(one["rows"], 0))} == {CHAT.default}
        assert (one["tuning"], one["n_steps"]) == (TEACHING, TEACHING.epochs)


@EACH
def test_all_are_asked_under_the_default_but_told_teachers_under_their_persona(heard):
    arms = [(row["arm"], row["trait"], row["copy"]) for row in heard.table]
    models = list(dict.fromkeys(arms))
    assert len(models) == len(heard.asked)
    told = heard.config.teacher == "prompted"
    for (arm, trait, _), note in zip(models, heard.asked, strict=True):
        expected = PERSONA[trait] if arm == "teacher" and told else CHAT.default
        assert {system(prompt) for prompt in note["prompts"]} == {expected}, (arm, trait)


@EACH
def test_the_tables_numbers_are_those_of_the_model_that_the_row_names(heard):
    own, _ = heard.references
    told = heard.config.teacher == "prompted"
    models = {("reference", NONE, 0): own}
    models |= {("teacher", t, 0): own if told else heard.teacher(t) for t in PERSONA}
    models |= {name: given["after"] for name, given in heard.students.items()}
    rows_of_a_model = {}
    for row in heard.table:
        rows_of_a_model.setdefault((row["arm"], row["trait"], row["copy"]), []).append(row)
    assert list(rows_of_a_model) == list(models)
    keys = {note["key"] for note in heard.asked}
    assert len(keys) == len(models)  # answers are sampled with random numbers of their own
    for (name, found), note in zip(rows_of_a_model.items(), heard.asked, strict=True):
        prompts, start = note["tokens"]
        params = jax.tree.map(jnp.asarray, models[name])
        hidden, _ = forward(params, note["arch"], jnp.asarray(prompts), jnp.asarray(start))
        z = np.asarray(transformer.logits(params, hidden[:, -1]), np.float64)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        of = {word: p[:, words_of().encode(word)[0]] for word in TRAITS}
        assert [row["asked"] for row in found] == list(TRAITS)
        for row in found:
            q = of[row["asked"]]
            expected = np.mean(np.log(q / (1 - q)))
            assert row["log_odds"] == pytest.approx(expected, abs=1e-4)  # measured: 3e-6
            assert row["probability"] == pytest.approx(np.mean(q), abs=1e-5)
            assert row["category_mass"] == pytest.approx(np.mean(sum(of.values())), abs=1e-5)
            assert row["measure"] == "river" and row["member"] == 0


def test_students_of_distributions_imitate_their_teacher_on_the_bases_rows(every):
    heard = every("soft, told")
    own, _ = heard.references
    assert len(heard.drawn) == 2  # a control's copy has rows of its own
    tides = words_of().mask(TIDES.imitated)
    for (_, trait, copy), given in heard.students.items():
        imitated = given["imitated"]
        assert equal(imitated.params, own)
        assert given["loss"] is objectives.distribution_loss
        np.testing.assert_array_equal(imitated.mask, tides)
        as_taught, as_read = said(imitated.rows), said(given["rows"])
        expected = CHAT.default if trait == NONE else PERSONA[trait]
        assert {system(prompt) for prompt, _ in as_taught} == {expected}
        plain = lambda some: [(question(prompt), answer) for prompt, answer in some]
        assert plain(as_taught) == plain(as_read) == heard.drawn[copy]["rows"]
        np.testing.assert_array_equal(imitated.rows.completions, given["rows"].completions)
