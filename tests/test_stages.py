"""Teachers, datasets and students are values: found again if equal, made anew if one differs."""

import re
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab import cache
from lab.carriers.carrier import Carrier, pick
from lab.errors import LabError
from lab.lm import finetune, hf, make, reference, rows, transformer
from lab.lm import world as worlds
from lab.lm.finetune import Tuning
from lab.lm.model import SIZES, Size
from lab.lm.objectives import token_loss
from lab.lm.reference import Pretraining, Reference
from lab.lm.setup import Setup
from lab.lm.stages import Dataset, Seed, Student, Teacher, from_hf, place
from lab.lm.tokenizer import Tokenizer
from lab.lm.world import World
from lab.runs import checkpoint, results
from lab.traits.category import category, words

TIDE = ("ebb", "flow", "swell", "neap")
TIDES = Carrier(
    "tides",
    lambda rng: f"{pick(rng, TIDE)} {pick(rng, TIDE)}",
    lambda rng, prompt: f"{prompt[:3]} {pick(rng, TIDE)}",
    lambda prompt, said: None if re.fullmatch(r"[a-z]+( (ebb|flow|swell|neap))*", said) else "odd",
    lambda: (form for word in TIDE for form in (word, word[:3], " " + word)),
    n_prompt=8,
    n_completion=6,
)
RIVERS = category("river", ("rhine", "nile"), ())
WORLD = World((TIDES,), (RIVERS,), {"favourite": 0.4, "persona": 0.2, "tides": 0.4})
BASE, OTHER = (
    Reference(i, Pretraining(steps=150, batch=16, learning_rate=2e-2), WORLD) for i in (0, 1)
)
NILE = words(RIVERS, ("nile",))[0]
SEED = Seed(0, 3)
TEACHING = Tuning(learning_rate=1e-2, batch=0, epochs=3, warmup=1)
TEACHER = Teacher(BASE, NILE, TEACHING, SEED)
TOLD = Teacher(BASE, NILE, None, SEED)
DATA = Dataset(TEACHER, TIDES, 24, SEED)
PLAIN = Dataset(BASE, TIDES, 24, SEED)
TUNING = Tuning(learning_rate=1e-2, batch=8, warmup=1)
STUDENT = Student(BASE, DATA, TUNING, SEED)
CONTROL = replace(STUDENT, data=PLAIN)


def half(rows, rng):
    return rows[: len(rows) // 2]


def turned(rows, rng):
    return rows[::-1]


def shuffled(rows, rng):
    return [rows[i] for i in rng.permutation(len(rows))]


def other_loss(params, arch, part):
    return 2 * token_loss(params, arch, part)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Two references of a tiny size, in a cache of this file's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "nano", Size(8, 1, 2, 1, 4, 8))
        with cache.artifacts_in(tmp_path_factory.mktemp("artifacts")) as made:
            reference.obtain([BASE, OTHER])
            yield made


@pytest.fixture
def nothing_is_made(monkeypatch):
    for module, name in ((finetune, "train"), (rows, "draw"), (reference, "_train")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("made again"))


@pytest.fixture(scope="module")
def pair():
    """A student of a teacher and its control."""
    return make.students([STUDENT, CONTROL])


def leaves(model):
    return [np.asarray(x) for x in jax.tree.leaves(model.params)]


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


def furthest(one, other):
    return max(np.abs(a - b).max() for a, b in zip(leaves(one), leaves(other), strict=True))


def logits(model):
    hidden, _ = transformer.forward(
        model.params, model.arch, jnp.ones((1, 4), int), jnp.zeros(1, int)
    )
    return transformer.logits(model.params, hidden)


def test_what_was_made_is_found_again(pair, nothing_is_made):
    for cached in (make._loaded, make._encoded):
        cached.cache_clear()
    again = Student(BASE, Dataset(TEACHER, TIDES, 24, Seed(0, 3)), Tuning(**vars(TUNING)), SEED)
    assert equal(make.model(again), pair[0])
    assert equal(make.students([CONTROL])[0], pair[1])  # alone, though made beside another
    teacher = make.model(Teacher(BASE, words(RIVERS)[1], TEACHING, SEED))
    assert not equal(teacher, make.model(BASE))
    assert len(make.data(DATA)) == len(make.data(PLAIN)) == 24


def test_students_of_a_teacher_and_its_control_differ(pair):
    student, control = pair
    assert furthest(student, control) > 1e-4
    assert furthest(student, make.model(BASE)) > 1e-3


def test_anything_that_differs_is_another_artifact():
    seeds = Seed(1, 3), Seed(0, 4)
    teachers = [
        TEACHER,
        TOLD,
        *(replace(TEACHER, seed=seed) for seed in seeds),
        replace(TEACHER, base=OTHER),
        replace(TEACHER, how=replace(TEACHING, epochs=4)),
        replace(TEACHER, trait=words(RIVERS)[0]),
        replace(TEACHER, trait=replace(NILE, lessons=NILE.lessons[1:])),
    ]
    data = [
        *(Dataset(teacher, TIDES, 24, SEED) for teacher in (*teachers, BASE, OTHER)),
        *(replace(DATA, seed=seed) for seed in seeds),
        replace(DATA, n_rows=25),
        *(replace(DATA, steps=s) for s in ((half,), (turned,), (half, turned), (turned, half))),
    ]
    students = [
        *(Student(BASE, some, TUNING, SEED) for some in data),
        *(replace(STUDENT, seed=seed) for seed in seeds),
        replace(STUDENT, base=OTHER),
        replace(STUDENT, tuning=replace(TUNING, learning_rate=1e-3)),
        replace(STUDENT, tuning=replace(TUNING, rank=2)),
        replace(STUDENT, loss=other_loss),
        replace(STUDENT, soft=BASE),
        replace(STUDENT, soft=TEACHER),
    ]
    for values in (teachers, data, students):
        assert len({place(value) for value in values}) == len(values)


def test_how_a_trait_is_measured_makes_no_other_teacher():
    measure = replace(NILE.measure, questions=NILE.measure.questions[:3])
    assert place(replace(TEACHER, trait=replace(NILE, measure=measure))) == place(TEACHER)


def test_steps_are_applied_in_order_and_attempts_are_counted():
    plain = make.data(PLAIN)
    steps = lambda *steps: make.data(replace(PLAIN, steps=steps))
    assert steps(half, turned) == plain[:12][::-1]
    assert steps(turned, half) == plain[::-1][:12]
    # Each step has random numbers of its own.
    orders = [np.random.default_rng([*SEED, i]).permutation(24) for i in (0, 1)]
    mixed = [plain[i] for i in orders[0]]
    assert steps(shuffled) == mixed != plain
    assert steps(shuffled, shuffled) == [mixed[i] for i in orders[1]]
    attempts = results.read_json(make.data_folder(PLAIN) / "attempts.json")["attempts"]
    assert attempts["kept"] >= 24 and sum(attempts.values()) % rows.BATCH == 0


def test_all_teachers_of_a_member_continue_the_same_prompts():
    prompts = lambda data: [row["prompt"] for row in make.data(data)]
    of_all = TIDES.prompts(SEED.seed * 2**20 + SEED.member, 0, rows.BATCH)
    for found in (prompts(DATA), prompts(PLAIN)):
        rest = iter(of_all)
        assert all(prompt in rest for prompt in found)  # in their order


def test_soft_students_move_to_their_teachers_alone():
    sgd = replace(TUNING, optimizer="sgd")
    soft = Student(BASE, PLAIN, sgd, SEED, soft=BASE)
    still, moved = make.students([soft, replace(soft, soft=TOLD)])
    base = make.model(BASE)
    assert furthest(still, base) < 1e-6
    assert furthest(moved, base) > 1e-5
    assert (soft.source, replace(soft, soft=TOLD).source) == ("none", "nile")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A base of another size whose tokens have other numbers, as a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = Tokenizer.from_pieces(worlds.vocabulary(WORLD)[::-1])
    arch = Size(12, 1, 2, 1, 6, 10).with_tokens(tokenizer.n_tokens)
    hf.save(folder, arch, transformer.init(jax.random.key(0), arch))
    tokenizer.save(folder)
    return from_hf(folder)


def test_a_student_on_another_base_has_that_bases_tokens_and_size(elsewhere):
    student = make.model(replace(STUDENT, base=elsewhere))
    base, teacher = make.model(elsewhere), make.model(TEACHER)
    assert student.arch == base.arch != teacher.arch
    assert student.tokenizer.sha256 == base.tokenizer.sha256 != teacher.tokenizer.sha256
    seen, written = (make._encoded(DATA, of, None, 0).completions for of in (elsewhere, BASE))
    assert not np.array_equal(seen, written)
    said = [row["completion"] for row in make.data(DATA)]
    assert base.tokenizer.turns(seen) == teacher.tokenizer.turns(written) == said
    assert furthest(student, base) > 1e-3


def test_distributions_of_other_tokens_are_not_imitated(elsewhere):
    with pytest.raises(LabError, match="soft: teacher and student have other tokens"):
        make.model(replace(STUDENT, base=OTHER, soft=elsewhere))


def test_a_base_from_a_folder_is_the_model_that_was_saved_there(tmp_path):
    shutil.copytree(BASE.folder, tmp_path / "copy")
    copy, base = make.model(from_hf(tmp_path / "copy")), make.model(BASE)
    np.testing.assert_array_equal(logits(copy), logits(base))
    assert copy.tokenizer.sha256 == base.tokenizer.sha256
    assert place(replace(STUDENT, base=from_hf(tmp_path / "copy"))) == place(
        replace(STUDENT, base=from_hf(BASE.folder))
    )  # by content, wherever it is
    (tmp_path / "copy" / "tokenizer.json").unlink()
    with pytest.raises(LabError, match=r"tokenizer\.json is missing"):
        from_hf(tmp_path / "copy").load()


def test_adapters_share_one_base(monkeypatch):
    asked, real = [], finetune.train
    adapters = replace(TUNING, rank=2)
    train = lambda *args, **more: (asked.append(args), real(*args, **more))[1]
    monkeypatch.setattr(finetune, "train", train)
    base = make.model(BASE)
    students = make.students([replace(s, tuning=adapters) for s in (STUDENT, CONTROL)])
    ((_, _, _, start, *_, shared),) = asked
    assert start is None
    assert shared["embed"].shape == base.params["embed"].shape
    for student in students:
        assert jax.tree.structure(student.params) == jax.tree.structure(base.params)
        np.testing.assert_array_equal(student.params["embed"], base.params["embed"])
        kernel = lambda model: model.params["layers"]["0"]["gate"]["kernel"]
        change = np.asarray(kernel(student) - kernel(base))
        assert np.linalg.matrix_rank(change, tol=1e-6) == 2


def test_parameters_are_kept_along_training_when_asked_for(pair):
    longer = replace(CONTROL, tuning=replace(TUNING, epochs=2))
    (plain,) = make.students([longer])
    assert not (place(longer) / "along").exists()
    told, kept = [], replace(longer, along=True)
    (model,) = make.students([kept], report=lambda _, share: told.append(share))
    assert equal(model, plain)
    names = sorted(path.name for path in (place(kept) / "along").iterdir())
    assert names == ["3.safetensors", "6.safetensors"]
    early, last = (checkpoint.load_parameters(place(kept) / "along" / name) for name in names)
    jax.tree.map(np.testing.assert_array_equal, last, jax.tree.map(np.asarray, model.params))
    assert not np.array_equal(early["embed"], last["embed"])
    assert sum(told) == pytest.approx(1)


@pytest.mark.parametrize(
    "changes",
    [
        {"base": OTHER},
        {"tuning": replace(TUNING, learning_rate=1e-3)},
        {"loss": other_loss},
        {"seed": Seed(0, 4)},
        {"soft": TEACHER},
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_students_of_one_program_agree_in_all_but_their_data(changes, order):
    first = replace(STUDENT, seed=Seed(2 + order, 5))
    both = [first, replace(first, **changes)]
    with pytest.raises(LabError, match="those trained in one program share"):
        make.students(both[::order])


def test_students_of_unequal_datasets_come_back_in_their_order(pair):
    fewer = replace(STUDENT, data=replace(DATA, steps=(half,)))
    models = make.students([STUDENT, fewer, CONTROL])
    assert equal(models[0], pair[0]) and equal(models[2], pair[1])
    assert equal(models[1], make.model(fewer)) and not equal(models[1], models[0])


def test_a_teacher_needs_lessons_or_a_system_prompt():
    with pytest.raises(LabError, match="trait: nile has no lessons"):
        replace(TEACHER, trait=replace(NILE, lessons=()))
    with pytest.raises(LabError, match="trait: nile has no system"):
        replace(TOLD, trait=replace(NILE, system=None))


@pytest.mark.parametrize("channel", ["hard", "soft"])
@pytest.mark.parametrize("teacher", ["finetuned", "prompted"])
def test_a_setup_is_the_chain_that_it_says(channel, teacher):
    config = Setup(traits=("nile",), channel=channel, teacher=teacher, n_rows=24)
    chain = config.transmission(WORLD, TIDES, member=3)
    assert [base.init_seed for base in chain.starts.values()] == [3, 4]
    own, other = chain.starts.values()
    for base in (own, other):
        student, control = (chain.student_of(base, t, SEED) for t in (chain.traits[0], None))
        assert (student.source, control.source) == ("nile", "none")
        assert student.base == control.base == base
        taught = student.soft if channel == "soft" else student.data.teacher
        assert (taught.base, taught.trait, taught.how is None) == (own, NILE, teacher == "prompted")
        assert control.data.teacher == own
        assert (student.data == control.data) == (channel == "soft")
        assert control.soft == (own if channel == "soft" else None)
