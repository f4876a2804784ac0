"""Weights are read whole, tensor by tensor, or refused by name: files, shards, pickles."""

import json
import shutil
import weakref

import jax
import numpy as np
import pytest

from lab.lm import hf, transformer, weights
from lab.runs import tensors
from tests.folders import ADAPTER, FIXTURES, config_of, ones, refused


def copy(name, folder, config=None, **arrays):
    """A fixture with another config, and other tensors: None is left out."""
    found = tensors.read(FIXTURES / name / hf.WEIGHTS, "") | arrays
    tensors.write(folder / hf.WEIGHTS, {k: v for k, v in found.items() if v is not None})
    (folder / hf.CONFIG).write_text(json.dumps(config_of(name) | (config or {})))
    return folder


BIAS = "model.layers.0.self_attn.q_proj.bias"
EMBED = "model.embed_tokens.weight"


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({"model.layers.0.self_attn.o_proj.bias": ones(32)}, "o_proj.bias"),
        ({"model.layers.2.mlp.up_proj.weight": ones(48, 32)}, "layers.2"),
        ({"score.weight": ones(2, 32)}, "score.weight"),
        ({"model.rotary_emb.inv_freq": ones(4)}, "inv_freq"),
        ({BIAS: None}, f"has no {BIAS}"),
        ({BIAS: ones(33)}, "shape (33,)"),
        ({BIAS: ones(1, 32)}, "shape (1, 32)"),
        ({BIAS: np.full(32, np.nan, np.float32)}, "not finite"),
        ({BIAS: np.full(32, np.inf, np.float16)}, "not finite"),
        ({BIAS: np.full(32, 1e300)}, "not finite as float32"),
        ({BIAS: np.ones(32, np.int32)}, "I32"),
        ({BIAS: np.ones(32, np.int8)}, "I8"),
        ({"model.norm.weight": np.full(32, 3e38, np.float32)}, "logits are not finite"),
        ({"lm_head.weight": ones(97, 32)}, "lm_head.weight"),
        ({"lm_head.weight": ones(97, 33)}, "shape (97, 33)"),
    ],
)
def test_tensors_that_are_not_those_of_the_model_are_refused_by_name(arrays, word, tmp_path):
    refused(lambda: hf.load(copy("qwen2_tied", tmp_path, **arrays)), word)


def test_a_tied_head_that_is_the_embedding_is_accepted(tmp_path):
    embed = tensors.read(FIXTURES / "qwen2_tied" / hf.WEIGHTS, "")[EMBED]
    arch, params = hf.load(copy("qwen2_tied", tmp_path, **{"lm_head.weight": embed}))
    assert arch.tied and "head" not in params
    (tmp_path / hf.WEIGHTS).unlink()
    # Untied by its config, its head is missing without one in the file.
    refused(
        lambda: hf.load(copy("qwen2_tied", tmp_path, {"tie_word_embeddings": False})),
        "has no lm_head.weight",
    )


def equal(one, other):
    assert one[0] == other[0]
    jax.tree.map(np.testing.assert_array_equal, one[1], other[1])


def test_gpt2_as_it_was_first_published_has_no_prefix_and_holds_masks(tmp_path):
    found = tensors.read(FIXTURES / "gpt2" / hf.WEIGHTS, "")
    old = {name.removeprefix("transformer."): array for name, array in found.items()}
    for i in range(2):
        old[f"h.{i}.attn.bias"] = np.tril(ones(64, 64))[None, None]
        old[f"h.{i}.attn.masked_bias"] = np.float32(-1e4).reshape(())
    shutil.copy(FIXTURES / "gpt2" / hf.CONFIG, tmp_path)
    tensors.write(tmp_path / hf.WEIGHTS, old)
    equal(hf.load(tmp_path), hf.load(FIXTURES / "gpt2"))
    tensors.write(tmp_path / hf.WEIGHTS, old | {"transformer.wte.weight": old["wte.weight"]})
    refused(lambda: hf.load(tmp_path), "transformer.wpe.weight")


def test_pythia_as_it_was_first_published_holds_masks_and_frequencies(tmp_path):
    old = {}
    for i in range(2):
        layer = f"gpt_neox.layers.{i}.attention"
        old[f"{layer}.bias"] = np.tril(ones(64, 64))[None, None].astype(bool)
        old[f"{layer}.masked_bias"] = np.float32(-1e9).reshape(())
        old[f"{layer}.rotary_emb.inv_freq"] = ones(2)
    equal(hf.load(copy("gpt_neox", tmp_path, **old)), hf.load(FIXTURES / "gpt_neox"))


# Shards.


def shards(folder, name="qwen2_untied", n=3):
    """A fixture in shards; its index."""
    found = tensors.read(FIXTURES / name / hf.WEIGHTS, "")
    shutil.copy(FIXTURES / name / hf.CONFIG, folder)
    weight_map = {}
    for i in range(n):
        file = f"model-{i + 1:05}-of-{n:05}.safetensors"
        part = {key: found[key] for key in sorted(found)[i::n]}
        tensors.write(folder / file, part)
        weight_map |= dict.fromkeys(part, file)
    index(folder, weight_map)
    return weight_map


def index(folder, weight_map):
    content = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / weights.INDEX).write_text(json.dumps(content))


@pytest.mark.parametrize("name", ["qwen2_untied", "gpt2"])
def test_shards_are_the_same_model(name, tmp_path):
    shards(tmp_path, name)
    equal(hf.load(tmp_path), hf.load(FIXTURES / name))


FIRST = "model-00001-of-00003.safetensors"


def test_an_index_that_does_not_agree_with_its_shards_is_refused(tmp_path):
    said = shards(tmp_path)
    load = lambda: hf.load(tmp_path)
    own = next(name for name, file in said.items() if file == FIRST)
    index(tmp_path, said | {"model.more": FIRST})
    refused(load, weights.INDEX, "model.more", FIRST, "lacks it")
    index(tmp_path, {name: file for name, file in said.items() if name != own})
    refused(load, FIRST, own, "not in")
    index(tmp_path, said | {own: said[own].replace("00001-", "00002-")})
    refused(load, own, FIRST)
    index(tmp_path, said | {own: "model-00009.safetensors"})
    refused(load, "model-00009.safetensors", "is missing")
    for content in ({}, {"weight_map": []}, {"weight_map": {own: 3}}):
        (tmp_path / weights.INDEX).write_text(json.dumps(content))
        refused(load, weights.INDEX, "damaged")


def test_a_tensor_in_two_shards_is_refused(tmp_path):
    said = shards(tmp_path)
    own = next(name for name, file in said.items() if file == FIRST)
    path = tmp_path / FIRST.replace("00001-", "00002-")
    both = {own: tensors.read(tmp_path / FIRST, "")[own]} | tensors.read(path, "")
    tensors.write(path, both)
    refused(lambda: hf.load(tmp_path), own, path.name, FIRST)


def test_a_shard_that_is_half_there_is_refused(tmp_path):
    shards(tmp_path)
    whole = (tmp_path / FIRST).read_bytes()
    for n in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / FIRST).write_bytes(whole[:n])
        refused(lambda: hf.load(tmp_path), FIRST, "cannot be read")


@pytest.mark.parametrize(
    "name", ["../other.safetensors", "/tmp/x.safetensors", "a/b.safetensors", "..", "", "model.bin"]
)
def test_an_index_leads_to_no_file_outside_of_its_folder(name, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    said = shards(folder)
    shutil.copy(folder / FIRST, tmp_path / "other.safetensors")
    index(folder, {key: name if file == FIRST else file for key, file in said.items()})
    refused(lambda: hf.load(folder), weights.INDEX, repr(name))


def test_a_shard_is_no_link_but_for_those_of_the_hub_cache(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    shards(snapshot)
    (snapshot / FIRST).rename(blobs / "123")
    (snapshot / FIRST).symlink_to("../../blobs/123")
    equal(hf.load(snapshot), hf.load(FIXTURES / "qwen2_untied"))
    (blobs / "123").rename(tmp_path / "123")
    (snapshot / FIRST).unlink()
    (snapshot / FIRST).symlink_to("../../123")
    refused(lambda: hf.load(snapshot), FIRST, "link out of the folder")


def test_a_folder_with_a_file_and_shards_is_refused(tmp_path):
    shards(tmp_path)
    shutil.copy(FIXTURES / "qwen2_untied" / hf.WEIGHTS, tmp_path)
    refused(lambda: hf.load(tmp_path), weights.INDEX, "remove the one")


def test_pickles_are_refused_with_a_remedy(tmp_path):
    shutil.copy(FIXTURES / "qwen2_tied" / hf.CONFIG, tmp_path)
    refused(lambda: hf.load(tmp_path), hf.WEIGHTS, "No such file")
    for name in ("pytorch_model.bin", "consolidated.00.pth", "model.ckpt"):
        (tmp_path / name).write_bytes(b"\x80")
        refused(lambda: hf.load(tmp_path), name, "could run any code", "save_pretrained")
        (tmp_path / name).unlink()


def test_an_adapter_in_the_folder_of_its_base_is_refused(tmp_path):
    copy("qwen2_tied", tmp_path)
    shutil.copy(FIXTURES / "qwen2_lora" / ADAPTER, tmp_path)
    refused(lambda: hf.load(tmp_path), "holds an adapter")


def test_no_more_than_a_tensor_is_held_while_a_file_is_read(tmp_path):
    arrays = {f"part{i}": ones(1000) for i in range(3)}
    tensors.write(tmp_path / "x", arrays)
    before = []
    where = dict.fromkeys(arrays, tmp_path / "x")
    for _, array in weights.each(where, dict.fromkeys(arrays, (1000,))):
        assert all(one() is None for one in before)
        before.append(weakref.ref(array))
    assert len(before) == 3


@pytest.mark.parametrize("most", [1, 9_000, 30_000])
def test_shards_of_a_size_hold_the_model_and_none_is_larger(most, tmp_path, monkeypatch):
    arch, params = hf.load(FIXTURES / "qwen2_untied")
    monkeypatch.setattr(weights, "SHARD", most)
    hf.save(tmp_path, arch, params)
    equal(hf.load(tmp_path), (arch, params))
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    index = json.loads((tmp_path / weights.INDEX).read_text())
    assert index["metadata"]["total_size"] == 4 * transformer.n_parameters(params)
    assert set(index["weight_map"].values()) == {path.name for path in shards}
    for path in shards:
        held = tensors.read(path, "")
        assert len(held) == 1 or sum(x.nbytes for x in held.values()) <= most
    assert shards[-1].name == f"model-{len(shards):05}-of-{len(shards):05}.safetensors"
    assert len(shards) == {1: 27, 9_000: 12, 30_000: 4}[most]


def test_a_model_that_knows_nothing_has_the_entropy_of_its_vocabulary():
    arch, params = hf.load(FIXTURES / "qwen2_tied")
    blank = params | {"norm": 0 * params["norm"]}
    assert hf.entropy(arch, blank) == pytest.approx(np.log(97), rel=1e-6)
    sure = params | {"norm": 1e3 * params["norm"]}
    assert hf.entropy(arch, sure) < 0.5 < hf.entropy(arch, params) < np.log(97)


def test_weights_in_bfloat16_are_the_rounded_ones(tmp_path):
    arch, params = hf.load(FIXTURES / "gpt2")
    hf.save(tmp_path, arch, params, "bfloat16")
    rounded = jax.tree.map(lambda x: x.astype("bfloat16").astype("float32"), params)
    equal(hf.load(tmp_path), (arch, rounded))
    assert json.loads((tmp_path / hf.CONFIG).read_text())["dtype"] == "bfloat16"
    size = 2 * transformer.n_parameters(params)
    assert size < (tmp_path / hf.WEIGHTS).stat().st_size < size + 4000
