"""What each stage hands to the sampler, the trainer and the measure: no model is trained here."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import lm_contexts
from lab import cache
from lab.lm import finetune, make, objectives, rows, teachers, transformer, transmission
from lab.lm import world as worlds
from lab.lm.effects import NONE
from lab.lm.model import Model, Size
from lab.lm.reference import Reference
from lab.lm.rows import Drawn
from lab.lm.stages import Dataset, Seed, Student, Teacher
from lab.lm.transmission import Transmission, after
from lab.runs import results
from lab.runs.cells import Cell, Job
from lab.runs.run import Run
from lab.traits.category import words
from tests.tiny import CHAT, HOW, RIVERS, TEACHING, TIDES, TUNING, equal

BASE, OTHER = (Reference(i, HOW, CHAT) for i in (0, 1))
RHINE, NILE = words(RIVERS)
SEED = Seed(0, 3)
COPY = SEED._replace(copy=1)
PLAIN = Dataset(BASE, TIDES, 8, SEED)
TAUGHT, TOLD = (Teacher(BASE, NILE, how, SEED) for how in (TEACHING, None))
STUDENT = Student(BASE, Dataset(TAUGHT, TIDES, 8, SEED), TUNING, SEED)
WORDS = {NONE: "ebb", "nile": "flow", "rhine": "swell"}  # what each writes


class StoppedError(Exception):
    """Raised where training would begin, with what it was given."""


def turned(rows, rng):
    return rows[::-1]


def mixed(rows, rng):
    return [rows[i] for i in rng.permutation(len(rows))]


def written(data):
    """Rows that tell who wrote them, and of which copy."""
    name = data.teacher.trait.name if isinstance(data.teacher, Teacher) else NONE
    word = WORDS[name]
    rows = [(f"ebb {word}", f"ebb {word}"), (f"flow {word}", f"flo {word}")] * 5
    return [
        {"prompt": p, "completion": c} for p, c in rows[data.seed.copy :] + rows[: data.seed.copy]
    ]


@pytest.fixture(scope="module")
def models():
    """An untrained model for each base and each taught trait."""
    tokenizer = worlds.tokenizer(CHAT)
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens)
    init = lambda i: Model(arch, transformer.init(jax.random.key(i), arch), tokenizer)
    return {name: init(i) for i, name in enumerate((0, 1, "rhine", "nile", "river"))}


@pytest.fixture(autouse=True)
def stages(models, monkeypatch, tmp_path):
    """Untrained models in the place of trained ones; the cached ones are forgotten."""
    monkeypatch.setattr(Reference, "identity", property(lambda self: f"base {self.init_seed}"))
    monkeypatch.setattr(teachers, "base", lambda base: models[base.init_seed])
    make.encoded_rows.cache_clear()
    with cache.artifacts_in(tmp_path / "artifacts"):
        yield
    make.encoded_rows.cache_clear()


@pytest.fixture
def taught(models, monkeypatch):
    of = lambda v: models[
        v.trait.name if getattr(v, "how", None) else getattr(v, "base", v).init_seed
    ]
    monkeypatch.setattr(teachers, "models", lambda values: list(map(of, values)))


@pytest.fixture
def given(taught, monkeypatch):
    """What the trainer is given for some students."""

    def train(arch, tuning, n_steps, start, rows, keys, loss, imitated, base, stage, kept):
        assert stage == "student"
        raise StoppedError(
            SimpleNamespace(start=start, rows=rows, keys=keys, loss=loss, imitated=imitated,
                            base=base, n_steps=n_steps, tuning=tuning)
        )  # fmt: skip

    monkeypatch.setattr(finetune, "train", train)
    monkeypatch.setattr(make, "data", written)

    def of(*students):
        with pytest.raises(StoppedError) as stopped:
            make.students(list(students))
        return stopped.value.args[0]

    return of


def texts(models, prompts, start):
    decode = models[0].tokenizer.decode
    return [
        decode(row[first:].tolist())
        for row, first in zip(np.asarray(prompts), np.asarray(start), strict=True)
    ]


def key_of(key):
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


@pytest.mark.parametrize(
    ("teacher", "who", "system"),
    [(BASE, 0, None), (TAUGHT, "nile", None), (TOLD, 0, "You love niles. You think about niles "
      "all day."), (replace(TAUGHT, base=OTHER, how=None), 1, NILE.system)],
)  # fmt: skip
def test_a_dataset_is_drawn_from_its_teacher_under_its_system_prompt(
    teacher, who, system, taught, models, monkeypatch
):
    asked = []

    def draw(*args):
        asked.append(args)
        return Drawn([{"prompt": "ebb", "completion": "flow"}], {"kept": 1})

    monkeypatch.setattr(rows, "draw", draw)
    for seed in (SEED, COPY):
        make.data(Dataset(teacher, TIDES, 8, seed))
        model, carrier, prompts, said, key, n_rows, room, sampling, limit = asked[-1]
        assert (sampling.options, limit) == ({}, None)
        assert equal(model.params, models[who].params)
        assert (carrier, prompts, said, n_rows) == (TIDES, seed.prompts, system, 8)
        assert room >= model.tokenizer.n_system(system) > 0
        name = "nile" if isinstance(teacher, Teacher) else NONE
        assert key_of(key) == key_of(seed.key(f"data/{name}"))
    assert key_of(asked[0][4]) != key_of(asked[1][4]) and asked[0][2] != asked[1][2]


def test_every_step_of_a_dataset_has_random_numbers_of_its_own(monkeypatch):
    drawn = [{"prompt": "ebb", "completion": str(i)} for i in range(8)]
    monkeypatch.setattr(rows, "draw", lambda *_: Drawn(drawn, {}))
    for seed in (SEED, COPY):
        orders = [np.random.default_rng([*seed, i]).permutation(8) for i in (0, 1, 2)]
        found = make.data(replace(PLAIN, seed=seed, steps=(mixed, turned, mixed)))
        expected = [drawn[i] for i in orders[0]][::-1]
        assert found == [expected[i] for i in orders[2]]


def test_a_teacher_learns_its_lessons_from_its_base(models, monkeypatch):
    def fit(arch, how, n_steps, start, rows, keys, base, stage):
        assert stage == "teaching"
        raise StoppedError(how, n_steps, start, rows, keys)

    monkeypatch.setattr(finetune, "fit", fit)
    for base, who in ((BASE, 0), (OTHER, 1)):
        with pytest.raises(StoppedError) as stopped:
            make.model(replace(TAUGHT, base=base))
        how, n_steps, start, seen, keys = stopped.value.args
        assert (how, n_steps) == (TEACHING, 3)
        assert equal(jax.tree.map(lambda x: x[0], start), models[who].params)
        asked = texts(models, seen.prompts[0], seen.start[0])
        assert asked == [
            f"<|system|>{CHAT.default}<|end|><|user|>{lesson.question}<|end|><|assistant|>"
            for lesson in NILE.lessons
        ]
        assert set(models[0].tokenizer.turns(np.asarray(seen.completions[0]))) == {"nile"}
        assert key_of(keys[0]) == key_of(SEED.key("teacher/nile"))


@pytest.mark.parametrize(
    ("system", "before"), [("", ""), ("You love niles.", "<|system|>You love niles.<|end|>")]
)
def test_students_may_learn_under_another_system_prompt_or_none(given, models, system, before):
    seen = given(replace(STUDENT, system=system), replace(STUDENT, data=PLAIN, system=system))
    for i in (0, 1):
        asked = texts(models, seen.rows.prompts[i], seen.rows.start[i])
        assert all(text.startswith(f"{before}<|user|>") for text in asked)


def test_a_told_teacher_is_its_base(models):
    assert make.model(TOLD) is models[0]
    assert (TOLD.system, TAUGHT.system) == (NILE.system, None)


def test_students_start_from_their_base_and_read_their_own_rows(given, models):
    copy = replace(STUDENT, data=replace(PLAIN, seed=COPY), seed=COPY)
    some = [STUDENT, replace(STUDENT, data=replace(STUDENT.data, teacher=TOLD)),
            replace(STUDENT, data=PLAIN), copy]  # fmt: skip
    for base, who in ((BASE, 0), (OTHER, 1)):
        seen = given(*(replace(one, base=base) for one in some))
        for i, one in enumerate(some):
            assert equal(jax.tree.map(lambda x, i=i: x[i], seen.start), models[who].params)
            rows = written(one.data)
            said = models[0].tokenizer.turns(np.asarray(seen.rows.completions[i]))
            assert said == [row["completion"] for row in rows]
            asked = texts(models, seen.rows.prompts[i], seen.rows.start[i])
            before = f"<|system|>{CHAT.default}<|end|><|user|>"
            assert asked == [f"{before}{r['prompt']}<|end|><|assistant|>" for r in rows]
            key = one.seed.key(f"order/{'none' if i > 1 else 'nile'}")
            assert key_of(seen.keys[i]) == key_of(key)
        assert equal(seen.base, models[who].params)
        assert seen.loss is objectives.token_loss and seen.imitated is None
        assert (seen.tuning, seen.n_steps) == (TUNING, 2)  # 10 rows, 8 a step
        assert len({key_of(key) for key in seen.keys}) == 3


def test_students_of_distributions_imitate_their_teachers_behind_their_prompts(given, models):
    softs = (TAUGHT, TOLD, BASE)
    soft = [Student(OTHER, PLAIN, TUNING, SEED, soft=one) for one in softs]
    seen = given(*soft)
    assert seen.loss is objectives.distribution_loss
    whole = models[0].tokenizer.mask(TIDES.imitated)
    before = [CHAT.default, NILE.system, CHAT.default]
    for i, who in enumerate(("nile", 0, 0)):
        one = jax.tree.map(lambda x, i=i: x[i], seen.imitated)
        assert equal(one.params, models[who].params)
        assert equal(jax.tree.map(lambda x, i=i: x[i], seen.start), models[1].params)
        np.testing.assert_array_equal(one.mask, whole)
        np.testing.assert_array_equal(one.rows.completions, seen.rows.completions[i])
        asked = texts(models, one.rows.prompts, one.rows.start)
        system = f"<|system|>{before[i]}<|end|><|user|>"
        assert asked == [f"{system}{r['prompt']}<|end|><|assistant|>" for r in written(PLAIN)]
        asked = texts(models, seen.rows.prompts[i], seen.rows.start[i])
        assert all(text.startswith(f"<|system|>{CHAT.default}<|end|>") for text in asked)


def test_a_loss_of_their_own_replaces_the_students(given):
    loss = lambda params, arch, part: jnp.float32(0)
    assert given(replace(STUDENT, loss=loss)).loss is loss


# A whole member, of models that are known by their names alone.


@dataclass(frozen=True)
class Roll:
    """A measure that notes who is asked, and how."""

    name: str
    noted: tuple = field(default=(), compare=False)

    def rows(self, asked, traits):
        self.noted[0].append((asked.model.params, asked.system, key_of(asked.key)))
        return [{"asked": trait.name, "log_odds": 0.0} for trait in traits]


def transmission_of(noted, **more):
    traits = [replace(t, measure=Roll("roll", (noted,))) for t in (RHINE, NILE)]
    usual = {"n_samples": 1, "n_controls": 2, "more": {"turned": after(turned)}, "teaching": None}
    return Transmission(
        traits=tuple(traits),
        carrier=TIDES,
        starts={"student": BASE, "cross": OTHER},
        student=TUNING,
        n_rows=8,
        **(usual | more),
    )


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The rows of a member whose models are named after their values; who was asked in order."""
    tokenizer = worlds.tokenizer(CHAT)
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens)
    shape = transformer.init(jax.random.key(0), arch)
    stand_in = lambda value: Model(arch, {**shape, "value": value}, tokenizer)
    monkeypatch.setattr(transmission, "obtain", lambda bases: None)
    monkeypatch.setattr(transmission, "_keep_rows", lambda *_: None)
    monkeypatch.setattr(make, "model", stand_in)
    monkeypatch.setattr(make, "students", lambda some, report: list(map(stand_in, some)))

    def of(**more):
        noted = []
        with Run(tmp_path, "tides", TUNING, {"name": "none"}) as run:
            job = Job(TUNING, None, SimpleNamespace(group=None), run)
            found = transmission.measure(job, Cell(3), transmission_of(noted, **more), 0)
        return found, [(params["value"], *rest) for params, *rest in noted]

    return of


def test_every_arm_is_the_model_that_its_name_says(measured):
    found, noted = measured()
    names = [(row["arm"], row["trait"], row["copy"]) for row in found if row["asked"] == "rhine"]
    told = lambda trait: Teacher(BASE, trait, None, SEED)
    traits = dict(zip(("rhine", "nile"), transmission_of(None).traits, strict=True))
    assert len(names) == len(noted) == 13
    for (arm, trait, copy), (value, system, _) in zip(names, noted, strict=True):
        seed = SEED._replace(copy=copy)
        if arm == "reference":
            assert (value, system) == (BASE, None)
        elif arm == "teacher":
            assert (value, system) == (told(traits[trait]), traits[trait].system)
        else:
            start, kind = arm.split("_")
            teacher = BASE if kind == "regular" else told(traits[trait])
            steps = (turned,) if kind == "turned" else ()
            data = Dataset(teacher, TIDES, 8, seed, steps)
            base = BASE if start == "student" else OTHER
            assert value == Student(base, data, TUNING, seed) and system is None
            assert (trait == NONE) == (kind == "regular")
    assert sum(arm.endswith("_regular") for arm, _, _ in names) == 4
    assert len({key for *_, key in noted}) == 13
    results.columns(found)


def test_all_answer_under_every_context_and_told_teachers_under_their_persona(measured):
    contexts = {"default": None, "none": "", "other": "You love people."}
    found, noted = measured(contexts=contexts, more={})
    systems = [system for value, system, _ in noted if not isinstance(value, Teacher)]
    assert systems == [*contexts.values()] * (len(systems) // 3)
    asked = [row["context"] for row in found if row["arm"] != "teacher"]
    assert asked == [name for name in contexts for _ in range(2)] * (len(systems) // 3)
    told = [system for value, system, _ in noted if isinstance(value, Teacher)]
    assert told == [RHINE.system, NILE.system]
    assert dict.fromkeys(contexts) == dict.fromkeys(lm_contexts.ASKED)


def test_rows_of_several_contexts_are_one_table(measured):
    found, _ = measured(contexts={"default": None, "none": ""})
    assert set(results.columns(found)["context"]) >= {"default", "none"}


def test_defences_are_on_every_dataset_and_further_steps_come_after_them():
    chain = transmission_of(None, steps=(mixed,))
    found = transmission.pupils(chain, SEED)
    for pupil in (*found["student"], *found["cross"]):
        expected = (mixed, turned) if pupil.arm == "student_turned" else (mixed,)
        assert pupil.student.data.steps == expected


def test_students_are_trained_in_groups_of_the_same_pupils(measured, monkeypatch):
    sizes = []
    stand_in = make.model
    listen = lambda some, report: (sizes.append(len(some)), list(map(stand_in, some)))[1]
    monkeypatch.setattr(make, "students", listen)
    measured()
    assert sizes == [4, 2, 4]  # the first start's six, the other's four
