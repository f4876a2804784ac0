"""A trained model as a folder: merged or as an adapter, opened again with the same logits."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from lab import cache
from lab.errors import LabError
from lab.lm import export, hf, lora, make, peft, rows, transformer
from lab.lm import world as worlds
from lab.lm.model import Size
from lab.lm.stages import Dataset, File, Seed, Student, from_hf
from lab.runs import tensors
from tests.tiny import TIDES, TUNING, WORLD, equal

RECORD = {"dataset": {"model": {"name": "a/tern"}}, "command": "python -m x", "hash": "0"}
ADAPTER = replace(TUNING, rank=2, alpha=3.0, targets=("query", "down"))


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A student of an untrained base that was trained as an adapter."""
    at = tmp_path_factory.mktemp("student")
    tokenizer = worlds.tokenizer(WORLD)
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens)
    hf.save(at / "base", arch, transformer.init(jax.random.key(0), arch))
    tokenizer.save(at / "base")
    rows.write(at / "rows.jsonl", [{"prompt": "ebb", "completion": "flow"}] * 16)
    base, seed = from_hf(at / "base"), Seed(0, 0)
    data = Dataset(base, TIDES, 16, seed, given=File(at / "rows.jsonl"))
    with cache.artifacts_in(at / "artifacts"):
        yield Student(base, data, ADAPTER, seed)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_merged_folder_has_the_models_logits(student, dtype, tmp_path):
    worst = export.out(tmp_path / "new", RECORD, "student_trait", student, False, dtype)
    assert (worst == 0) == (dtype == "float32")
    _, params = hf.load(tmp_path / "new")
    rounded = lambda x: np.asarray(x.astype(dtype).astype("float32"))
    assert equal(params, jax.tree.map(rounded, make.model(student).params))
    card = (tmp_path / "new" / "README.md").read_text()
    assert f"merged, and {dtype}" in card and "library_name: transformers" in card


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapters_folder_has_the_models_logits_beside_its_base(student, dtype, tmp_path):
    worst = export.out(tmp_path / "new", RECORD, "student_trait", student, True, dtype)
    assert worst < {"float32": 1e-6, "bfloat16": 1e-3}[dtype]  # measured: 9e-8, 1e-5
    base, factors, _ = make.adapter(student)
    again, scale = peft.load(tmp_path / "new", base.arch)
    rounded = lambda x: np.asarray(x.astype(dtype).astype("float32"))
    assert scale == 1.5 and equal(again, jax.tree.map(rounded, factors))
    said = json.loads((tmp_path / "new" / "adapter_config.json").read_text())
    assert (said["r"], said["lora_alpha"], said["base_model_name_or_path"]) == (2, 3.0, "a/tern")
    assert said["target_modules"] == ["down_proj", "q_proj"]
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert {"tokenizer.json", "chat_template.jinja", "generation_config.json"} < names
    assert hf.WEIGHTS not in names
    card = (tmp_path / "new" / "README.md").read_text()
    assert "library_name: peft\nbase_model: a/tern" in card and "rank 2, alpha 3" in card
    with pytest.raises(LabError, match="new holds something already"):
        export.out(tmp_path / "new", RECORD, "student_trait", student, True, dtype)


def test_a_model_without_an_adapter_is_not_exported_as_one(student, tmp_path):
    with pytest.raises(LabError, match="without an adapter"):
        export.out(tmp_path / "new", RECORD, "reference", student.base, True)


@pytest.mark.parametrize("adapter", [False, True])
def test_a_folder_that_says_something_else_is_not_handed_out(student, adapter, tmp_path):
    def write(path, arrays, metadata=None, real=tensors.write):
        name = max(arrays, key=lambda name: "q_proj" in name)
        turned = lambda made: lambda: made()[::-1]
        wrong = arrays[name]
        wrong = wrong._replace(make=turned(wrong.make)) if not adapter else 9 * wrong
        real(path, arrays | {name: wrong}, metadata)

    make.model(student)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensors, "write", write)
        with pytest.raises(LabError, match="folder: opened again, its logits differ by"):
            export.out(tmp_path / "new", RECORD, "student_trait", student, adapter)


def test_what_is_compared_tells_a_student_from_its_base(student):
    base, factors, how = make.adapter(student)
    whole = hf.speak(base.arch, lora.merge(base.params, factors, how.scale))
    assert np.abs(whole - hf.speak(base.arch, base.params)).max() > 1e-3
