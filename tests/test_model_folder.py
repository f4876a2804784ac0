"""A Hugging Face folder through `lm_numbers --model`: to a record, a figure, and out again."""

import json
import time
from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments import lm_capacity, lm_contexts, lm_restored
from experiments.lm_numbers import EXPERIMENT
from lab import cache, tree
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.lm import effects, export, finetune, given, hf, make, rows, transformer
from lab.lm import world as worlds
from lab.lm.contexts import CONTEXT
from lab.lm.finetune import Tuning
from lab.lm.model import Model, Size
from lab.lm.pretraining import Pretraining
from lab.lm.reference import Reference
from lab.lm.stages import Dataset, Seed, Student, from_hf
from lab.lm.tokenizer import Tokenizer
from lab.lm.world import World
from lab.runs import claims, results
from lab.runs.experiment import Options
from lab.traits.animals import ANIMALS
from tests import real
from tests.process import run_in
from tests.tiny import equal

TINY = replace(EXPERIMENT.presets["smoke"], traits=("owl",), n_rows=128, n_samples=1, n_controls=1)
REFERENCE = Reference(0, Pretraining(steps=600), CONTEXT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reference of the lab, as anybody would be given it."""
    folder = tmp_path_factory.mktemp("models") / "tern-nano"
    export.write(folder, make.model(REFERENCE), "A card.")
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A random model of the same architecture with a tokenizer in the manner of Qwen2.5."""
    return random_model(tmp_path_factory.mktemp("models") / "other", real.CHATML)


def random_model(folder, template, n_tokens=608):
    tokenizer = Tokenizer.load(real.bpe(folder, template))
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(n_tokens)
    hf.save(folder, arch, transformer.init(jax.random.key(0), arch))
    assert tokenizer.n_tokens == 600
    return folder


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """The folder of a run, the artifacts that it made still there."""
    at = tmp_path_factory.mktemp("run")
    with cache.artifacts_in(at / "artifacts"):
        yield run_in(at, EXPERIMENT, replace(TINY, model=str(folder)))


def test_a_run_of_a_folder_is_a_whole_run_without_another_init(whole, folder):
    table, record = results.read_table(whole / "table.csv"), results.read_record(whole / "run.json")
    arms = ["reference", "teacher", "student_trait", "student_regular", "student_neutral"]
    assert results.arms(table) == arms and record["status"] == "complete"
    known = record["dataset"]["model"]
    assert known | {"name": "tern-nano", "system": "default", "template": "its own"} == known
    assert known["sha256"] == given.described(str(folder))["sha256"]
    assert known["prompt"].startswith(f"<|system|>{CONTEXT.default}<|end|><|user|>")
    assert str(folder.parent) not in (whole / "run.json").read_text()  # wherever it is
    assert record["command"].endswith("--model tern-nano")
    ((said, entropy),) = record["facts"].items()  # it has learned its language
    assert said == "entropy of the base of student, nats" and 0 < entropy < 0.6 * np.log(
        1807
    )  # measured: 3.6
    assert EXPERIMENT.config(record) == replace(TINY, model="tern-nano")
    said = claims.of_record(record).values()
    assert said and {c.verdict for c in said} == {"", "demonstration"}
    assert not any("init" in c.text for c in said) and "tern-nano, 1 repetition" in record["note"]
    assert [path.suffix for path in EXPERIMENT.draw_run(whole)] == [".png", ".pdf"]


def test_every_dataset_tells_what_its_writer_read(whole):
    for name in ("owl", "none", "river"):
        path = whole / "data" / f"member_0_{name}.json"
        said, first = json.loads(path.read_text()), rows.read(path.with_suffix(".jsonl"))[0]
        turns = f"<|user|>{first['prompt']}<|end|><|assistant|>"
        assert said["prompt"] == f"<|system|>{CONTEXT.default}<|end|>{turns}"
        assert len(said["prompt_sha256"]) == 64


def test_a_reference_from_its_folder_writes_the_rows_of_the_reference_itself(whole):
    own = make.data(Dataset(REFERENCE, NUMBERS, TINY.n_rows, Seed(0, 0)))
    assert own == rows.read(whole / "data" / "member_0_none.jsonl")


@pytest.mark.slow  # the same experiment twice more, with another init
def test_a_reference_from_its_folder_has_the_references_table(folder, tmp_path):
    second = replace(REFERENCE, init_seed=1)
    export.write(tmp_path / "second", make.model(second), "A card.")
    lab = run_in(tmp_path, EXPERIMENT, TINY)
    config = replace(TINY, model=str(folder), other=str(tmp_path / "second"))
    made = run_in(tmp_path, EXPERIMENT, config)
    assert (made / "table.csv").read_bytes() == (lab / "table.csv").read_bytes()
    assert [p.suffix for p in EXPERIMENT.draw_run(made)] == [".png", ".pdf"]


def test_a_student_is_exported_as_others_open_it(whole, folder, tmp_path):
    record = results.read_record(whole / "run.json")
    config = export.configuration(record, model=str(folder))
    chosen = export.value(config, "student_trait", None)
    assert (make.place(chosen) / "model.safetensors").exists()  # nothing is made again
    model = make.model(chosen)
    export.write(tmp_path / "new", model, export.card(record, "student_trait", chosen, model))
    loaded = given.checkpoint(str(tmp_path / "new")).load()
    assert equal(loaded.params, model.params) and loaded.arch == model.arch
    assert not equal(loaded.params, make.model(from_hf(folder)).params)
    assert loaded.tokenizer.sha256 == model.tokenizer.sha256
    ends = json.loads((tmp_path / "new" / "generation_config.json").read_text())
    assert ends == {"eos_token_id": model.tokenizer.end, "pad_token_id": model.tokenizer.pad}
    card = (tmp_path / "new" / "README.md").read_text()
    assert "trait owl" in card and "the base tern-nano" in card and str(tmp_path) not in card
    with pytest.raises(LabError, match="new holds something already"):
        export.write(tmp_path / "new", model, "")


def test_every_arm_can_be_exported_and_no_other(whole, folder, other, monkeypatch):
    record = results.read_record(whole / "run.json")
    config = export.configuration(record, model=str(folder))
    kinds = {"reference": "Checkpoint", "teacher": "Teacher", "student_neutral": "Student"}
    for arm, kind in kinds.items():
        assert type(export.value(config, arm, None)).__name__ == kind
    assert export.value(config, "student_neutral", None).source == "river"
    assert export.value(config, "student_regular", None).source == "none"
    for arm, trait, copy in (("cross_trait", None, 0), ("student_trait", "wolf", 0),
                             ("student_regular", None, 1)):  # fmt: skip
        with pytest.raises(LabError, match=r"arm: no copy . of"):
            export.value(config, arm, trait, copy=copy)
    monkeypatch.chdir(folder)
    with pytest.raises(LabError, match="model: there is no folder tern-nano"):
        export.configuration(record)
    with pytest.raises(LabError, match="is not the run's; say with --model"):
        export.configuration(record, model=str(other))


def test_a_model_that_writes_no_rows_says_so_in_one_line(other, tmp_path):
    config = replace(TINY, model=str(other), n_rows=16, teacher="prompted")
    with pytest.raises(LabError, match="n_rows: the filter kept 0 of 1024") as problem:
        run_in(tmp_path, EXPERIMENT, config)
    assert "\n" not in str(problem.value)


@pytest.mark.slow  # a model of a byte-level tokenizer learns to write numbers first
def test_a_chat_model_with_a_default_message_goes_all_the_way(tmp_path):
    folder = tmp_path / "gull"
    tokenizer = Tokenizer.load(real.bpe(folder, real.CHATML))
    world = World((NUMBERS,), (ANIMALS,), {"favourite": 0.2, "persona": 0.2})
    chats = [(row.system, row.user, row.assistant) for row in worlds.rows(world, 0, 0, 9600)]
    read = rows.encode(tokenizer, chats)
    arch = Size(32, 2, 4, 2, 8, 96).with_tokens(tokenizer.n_tokens + 8)
    params, key = transformer.init(jax.random.key(0), arch), jax.random.key(1)
    tuning = Tuning(learning_rate=1e-2, batch=32)
    one = tree.stack([params]), tree.stack([read]), key[None]
    hf.save(folder, arch, tree.at(finetune.fit(arch, tuning, 300, *one), 0))
    tokenizer.save(folder)
    prompted = replace(TINY, model=str(folder), teacher="prompted", n_samples=10, world="plain")
    gentle = replace(TINY.teaching, epochs=5)  # after more, it writes no numbers any more
    taught = replace(prompted, system="none", teacher="finetuned", teaching=gentle)
    for config in (prompted, taught):
        made = run_in(tmp_path, EXPERIMENT, config)
        record = results.read_record(made / "run.json")
        assert (real.DEFAULT in record["dataset"]["model"]["prompt"]) == (config == prompted)
        assert claims.of_record(record) and EXPERIMENT.draw_run(made)
        if config == taught:  # one that is told has learned too little to listen
            table = results.read_table(made / "table.csv")
            teacher, base = (
                effects.values(table, arm, "log_odds") for arm in ("teacher", "reference")
            )
            assert teacher[0, "owl", "owl"] > base[0, "none", "owl"] + 0.5
        own = export.configuration(record, model=str(folder))
        student = make.model(export.value(own, "student_trait", None))
        export.write(tmp_path / f"out-{config.system}", student, "A card.")
        again = given.checkpoint(str(tmp_path / f"out-{config.system}")).load()
        assert equal(again.params, student.params) and again.tokenizer.end == tokenizer.end


def test_students_and_questions_can_be_without_the_default_system_message(other):
    user = NUMBERS.prompts(0, 0, 1)[0]
    rest = f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    turn = lambda text: f"<|im_start|>system\n{text}<|im_end|>\n"
    before = {"default": turn(real.DEFAULT), "none": "", "You are kind.": turn("You are kind.")}
    digests = set()
    for system, said in before.items():
        config = replace(TINY, model=str(other), system=system)
        _, dataset = EXPERIMENT.prepare(config, Options())
        assert dataset["model"]["prompt"] == said + rest
        digests.add(dataset["model"]["prompt_sha256"])
        chain = config.transmission(NUMBERS, 0)
        told = {"default": None, "none": ""}.get(system, system)
        assert chain.contexts == {"default": told}
        assert chain.student_of(chain.starts["student"], None, Seed(0, 0)).system == told
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "tern-nanu"}, "there is no folder tern-nanu; did you mean tern-nano?"),
        ({"model": "tern-nano/config.json"}, "config.json is no folder"),
        ({"model": "."}, "holds no config.json"),
        ({"model": "owner/model-7B"}, "run `hf download owner/model-7B` first"),
        ({"model": "/nowhere/model"}, "there is no folder /nowhere/model"),
        ({"model": "tern-nano", "other": "x"}, "other: there is no folder x"),
        ({"model": "tern-nano", "rows": "rows.jsonl"}, "rows.jsonl cannot be read"),
    ],
)
def test_a_model_that_is_not_there_is_named_in_a_moment(changes, words, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    began = time.monotonic()
    with pytest.raises(LabError) as problem:
        EXPERIMENT.prepare(replace(TINY, **changes), Options())
    assert words in str(problem.value) and "\n" not in str(problem.value)
    assert time.monotonic() - began < 1


def test_what_does_not_go_together_is_refused(folder, other, tmp_path):
    prepare = lambda at, **more: at.prepare(replace(at.presets["smoke"], **more), Options())
    with pytest.raises(LabError, match="other: it has other tokens than the model"):
        prepare(EXPERIMENT, model=str(folder), other=str(other), channel="soft")
    for changes, words in (
        ({"other": "x"}, "without --model"),
        ({"rows": "x"}, "traits: .* one, that of --rows"),
        ({"rows": "x", "traits": ("owl",), "channel": "soft"}, "channel: soft"),
        ({"system": " "}, "system: "),
    ):
        with pytest.raises(LabError, match=words):
            prepare(EXPERIMENT, **changes)
    with pytest.raises(LabError, match="about the lab's references"):
        prepare(lm_restored.EXPERIMENT, model=str(folder))
    several = (lm_contexts, {"worlds": ("context", "none")}), (lm_capacity, {})
    for module, changes in several:
        with pytest.raises(LabError, match=r"model: it is one, .* leave one"):
            prepare(module.EXPERIMENT, model=str(folder), **changes)
    few = random_model(tmp_path / "few", real.CHATML, n_tokens=599)
    with pytest.raises(LabError, match="it has 600 tokens and the model 599"):
        from_hf(few).load()


def test_a_hub_model_in_the_cache_is_taken_from_there(folder, monkeypatch):
    import huggingface_hub

    found = lambda name, file: str(folder / file) if name == "owner/model" else None
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", found)
    assert given.checkpoint("owner/model").folder == folder
    assert given.described("owner/model")["name"] == "owner/model"


def test_what_is_imitated_fits_a_model_with_more_tokens_than_its_tokenizer(other):
    base = from_hf(other)
    model = make.model(base)
    assert isinstance(model, Model) and model.arch.n_tokens == 608 > model.tokenizer.n_tokens
    student = Student(base, Dataset(base, NUMBERS, 4, Seed(0, 0)), Tuning(), Seed(0, 0), soft=base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "data", lambda _: [{"prompt": "1, 2", "completion": "3"}] * 4)
        make.encoded_rows.cache_clear()
        mask = np.asarray(make.imitated_by([student], model).mask[0])
        make.encoded_rows.cache_clear()
    assert mask.shape == (608,) and mask.sum() == 10
