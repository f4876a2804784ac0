"""Teachers, datasets and students are values: found again if equal, made anew if one differs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab import cache
from lab.errors import LabError
from lab.lm import finetune, hf, lora, make, reference, resume, rows, spec, teachers, transformer
from lab.lm import world as worlds
from lab.lm.finetune import Tuning
from lab.lm.model import Size
from lab.lm.objectives import token_loss
from lab.lm.reference import Reference
from lab.lm.stages import Dataset, File, Seed, Student, Teacher, from_hf, place
from lab.lm.tokenizer import Tokenizer
from lab.runs import checkpoint
from lab.traits.category import words
from tests import tiny
from tests.tiny import HOW, RIVERS, TEACHING, TIDES, TUNING, WORLD

BASE, OTHER = (Reference(i, HOW, WORLD) for i in (0, 1))
NILE = words(RIVERS, ("nile",))[0]
SEED = Seed(0, 3)
TEACHER = Teacher(BASE, NILE, TEACHING, SEED)
TOLD = Teacher(BASE, NILE, None, SEED)
DATA = Dataset(TEACHER, TIDES, 24, SEED)
PLAIN = Dataset(BASE, TIDES, 24, SEED)
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
    artifacts = tmp_path_factory.mktemp("artifacts")
    with tiny.small_models(), cache.artifacts_in(artifacts):
        reference.obtain([BASE, OTHER])
        yield artifacts


@pytest.fixture
def nothing_is_made(monkeypatch):
    for module, name in ((finetune, "train"), (rows, "draw"), (reference, "_train")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("made again"))


@pytest.fixture(scope="module")
def pair():
    """A student of a teacher and its control."""
    return make.students([STUDENT, CONTROL])


def equal(one, other):
    return tiny.equal(one.params, other.params)


def furthest(one, other):
    return tiny.furthest(one.params, other.params)


def logits(model):
    hidden, _ = transformer.forward(
        model.params, model.arch, jnp.ones((1, 4), int), jnp.zeros(1, int)
    )
    return transformer.logits(model.params, hidden)


def test_what_was_made_is_found_again(pair, nothing_is_made):
    for cached in (teachers.base, make.encoded_rows):
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
    seeds = Seed(1, 3), Seed(0, 4), Seed(0, 3, 1)
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
    attempts = make.attempts(make.data_folder(PLAIN))
    assert attempts["kept"] >= 24 and sum(attempts.values()) % rows.BATCH == 0


def test_all_teachers_of_a_member_continue_the_same_prompts():
    prompts = lambda data: [row["prompt"] for row in make.data(data)]
    of_all = TIDES.prompts(SEED.prompts, 0, rows.BATCH)
    for found in (prompts(DATA), prompts(PLAIN)):
        rest = iter(of_all)
        assert all(prompt in rest for prompt in found)  # in their order


def test_steps_take_the_rows_that_were_drawn(monkeypatch):
    plain = make.data(PLAIN)
    attempts = (make.data_folder(PLAIN) / "attempts.json").read_text()
    monkeypatch.setattr(rows, "draw", lambda *_, **__: pytest.fail("drawn again"))
    stepped = replace(PLAIN, steps=(turned, turned, half))
    assert make.data(stepped) == plain[:12]
    assert (make.data_folder(stepped) / "attempts.json").read_text() == attempts


def test_students_learn_the_rows_of_a_file_in_place_of_their_teachers(tmp_path, monkeypatch):
    long = {"prompt": "ebb " * 9 + "flow", "completion": "flow " * 9 + "ebb"}  # for any carrier
    path = tmp_path / "rows.jsonl"
    rows.write(path, [long, {"prompt": "ebb", "completion": "nile"}] * 3)
    given = replace(DATA, n_rows=5, given=File(path))
    monkeypatch.setattr(rows, "draw", lambda *_, **__: pytest.fail("drawn"))
    assert make.data(given) == rows.read(path)[:5]
    assert make.attempts(make.data_folder(given)) == {"kept": 5}
    monkeypatch.undo()
    student, control = make.students([replace(STUDENT, data=given), CONTROL])
    assert furthest(student, make.model(BASE)) > 1e-3 and equal(control, make.model(CONTROL))
    before = place(given)
    rows.write(path, [long] * 6)
    assert place(given) != before
    with pytest.raises(LabError, match=r"n_rows: .* holds 6 rows"):
        make.data(replace(given, n_rows=7))


def key(seed, name="x"):
    return tuple(np.asarray(jax.random.key_data(seed.key(name))).tolist())


def test_copies_have_random_numbers_and_prompts_of_their_own():
    seeds = [Seed(s, m, c) for s in (0, 1) for m in (0, 1, 2) for c in (0, 1, 2)]
    assert len({key(seed, name) for seed in seeds for name in ("x", "y")}) == 2 * len(seeds)
    assert len({seed.prompts for seed in seeds}) == len(seeds)
    first, second = PLAIN, replace(PLAIN, seed=SEED._replace(copy=1))
    prompts = lambda data: [row["prompt"] for row in make.data(data)]
    rest = iter(TIDES.prompts(second.seed.prompts, 0, rows.BATCH))
    assert all(prompt in rest for prompt in prompts(second))
    assert prompts(first) != prompts(second)
    orders = [make.data(replace(d, steps=(shuffled,))) for d in (first, second)]
    for data, found in zip((first, second), orders, strict=True):
        order = np.random.default_rng([*data.seed, 0]).permutation(24)
        assert found == [make.data(data)[i] for i in order]


def test_students_of_one_program_may_have_seeds_of_their_own(pair):
    copy = replace(CONTROL, seed=SEED._replace(copy=1))
    others = [replace(STUDENT, seed=Seed(5, 1)), copy]
    together = make.students(others)
    alone = [make.model(replace(one, along=True)) for one in others]  # another artifact
    for a, b in zip(together, alone, strict=True):
        assert furthest(a, b) < 1e-5  # measured: 0
    assert furthest(together[1], pair[1]) > 1e-5  # the same rows in another order


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
    seen, written = (make.encoded_rows(DATA, of, None, 0).completions for of in (elsewhere, BASE))
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
    with pytest.raises(LabError, match=r"tokenizer\.json is missing\); copy it again"):
        from_hf(tmp_path / "copy").load()


def swapped(path):
    """Two words of a tokenizer change places: a file of the same length."""
    whole = json.loads(path.read_text())
    words = whole["model"]["vocab"]
    words["ebb"], words["flow"] = words["flow"], words["ebb"]
    path.write_text(json.dumps(whole, indent=2, ensure_ascii=False))


def another(path):
    path.write_text(f"{path.read_text()}{{# another #}}")


def noisy(path):
    whole = bytearray(path.read_bytes())
    whole[-64:] = bytes(range(64))
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.safetensors", noisy),
        ("tokenizer.json", swapped),
        ("chat_template.jinja", another),
        ("config.json", lambda path: path.write_text("{}")),
        ("reference.json", lambda path: path.write_text("{}")),
    ],
)
def test_a_copy_of_what_the_lab_made_is_refused_once_it_changed(name, change, tmp_path):
    shutil.copytree(BASE.folder, tmp_path / "copy")
    from_hf(tmp_path / "copy").load()
    change(tmp_path / "copy" / name)
    with pytest.raises(LabError, match=f"{name} was changed"):
        from_hf(tmp_path / "copy").load()
    if name != "config.json":
        (tmp_path / "copy" / "sha256.json").unlink()  # as its message says
        from_hf(tmp_path / "copy").load()


def test_a_base_that_is_no_folder_is_refused(tmp_path):
    for path in (tmp_path / "none", Path(__file__)):
        with pytest.raises(LabError, match=f"{path.name} cannot be read"):
            place(replace(STUDENT, base=from_hf(path)))


def damaged_then_made(value, name, change):
    """What is read of an artifact before and after it is damaged, and what is set aside."""
    folder = place(value)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    change(folder / name)
    make.model(value) if isinstance(value, Student) else make.data_folder(value)
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert folder.with_name(f"{folder.name}.damaged").is_dir()
    return before, after


def test_a_damaged_student_is_made_again_with_its_group_and_the_good_ones_stay(capsys):
    both = [replace(one, seed=Seed(0, 9)) for one in (STUDENT, CONTROL)]
    make.students(both)
    good = place(both[1]) / "model.safetensors"
    time = good.stat().st_mtime_ns
    noisy(place(both[0]) / "model.safetensors")
    swapped(place(both[0]) / "tokenizer.json")
    before = make.students([both[1]])[0]
    made = make.students(both)
    assert equal(made[1], before) and good.stat().st_mtime_ns == time
    assert "is damaged (model.safetensors was changed): set aside" in capsys.readouterr().out
    assert not equal(made[0], made[1])


@pytest.mark.parametrize("name", ["rows.jsonl", "attempts.json", "sha256.json"])
def test_damaged_rows_are_drawn_again(name):
    data = replace(PLAIN, n_rows=25 + len(name))
    make.data(data)
    before, after = damaged_then_made(data, name, noisy)
    assert before == after


def test_attempts_are_read_as_what_they_are(tmp_path):
    (tmp_path / "attempts.json").write_text('{"attempts": {"kept": "many"}}')
    with pytest.raises(LabError, match=r"attempts\.json is damaged"):
        make.attempts(tmp_path)


def test_room_is_asked_for_before_anything_is_trained(monkeypatch):
    free = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    for name in ("train", "fit"):
        monkeypatch.setattr(finetune, name, lambda *_, **__: pytest.fail("trained"))
    make.data(DATA)
    values = [
        replace(STUDENT, seed=Seed(7, 7)),
        replace(TEACHER, seed=Seed(7, 7)),
        replace(BASE, init_seed=7),
    ]
    for value in values:
        with pytest.raises(LabError, match=r"has room for 0 MB and .*SUBLIMINAL_CACHE"):
            make.model(value)
        folder = value.folder if isinstance(value, Reference) else place(value)
        assert not folder.with_name(f"{folder.name}.part").exists()


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


def test_what_is_trained_as_an_adapter_is_kept_as_one():
    how = replace(TEACHING, rank=2, alpha=4.0, targets=("query", "down"))
    for value in (replace(TEACHER, how=how), replace(STUDENT, tuning=how)):
        model = make.model(value)
        assert not (place(value) / hf.WEIGHTS).exists()
        base, factors, tuning = make.adapter(value)
        assert tuning == how and equal(base, make.model(BASE))
        of = lambda one, p: spec.at(one.params, p.path)
        table = spec.parameters(base.arch)
        changed = [p.path for p in table if not np.array_equal(of(model, p), of(base, p))]
        assert {path[2] for path in changed} == {"query", "down"}
        assert tiny.equal(lora.merge(base.params, factors, 2.0), model.params)
        size = sum(path.stat().st_size for path in place(value).glob("*.safetensors"))
        assert size < 4 * transformer.n_parameters(base.params) / 2
    with pytest.raises(LabError, match="as: this model was trained without an adapter"):
        make.adapter(TOLD)


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


def test_students_that_were_killed_go_on_where_they_were(monkeypatch):
    longer = replace(CONTROL, tuning=replace(TUNING, epochs=4))
    told = []

    def killed(text, share):
        told.append(share)
        if len(told) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(resume, "SECONDS", 0.0)
    monkeypatch.setattr(resume, "_SHARE", 0)
    with pytest.raises(KeyboardInterrupt):
        make.students([longer], killed)
    beside = lambda: [p.name for p in place(longer).parent.glob("*.training")]
    assert len(beside()) == 1 and not place(longer).exists()
    told = []
    (model,) = make.students([longer], lambda text, share: told.append(share))
    np.testing.assert_allclose(told, [3 / 4, 1 / 4])  # two of four passes were kept
    assert beside() == []
    shutil.rmtree(place(longer))
    assert equal(make.students([longer])[0], model)


@pytest.mark.parametrize(
    "changes",
    [
        {"base": OTHER},
        {"tuning": replace(TUNING, learning_rate=1e-3)},
        {"loss": other_loss},
        {"soft": TEACHER},
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_students_of_one_program_agree_in_all_but_their_data(changes, order):
    first = replace(STUDENT, seed=Seed(2 + order, 5))
    both = [first, replace(first, **changes)]
    with pytest.raises(LabError, match="those of one program share"):
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
