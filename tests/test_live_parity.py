"""Models, adapters and odd configurations of `transformers` itself: needs the extra [parity]."""

import json
import random
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.errors import LabError
from lab.lm import export, hf, lora, peft, spec, transformer, weights
from lab.lm import world as worlds
from lab.lm.model import Model
from lab.lm.tuning import Tuning
from tests.folders import FIXTURES, config_of
from tests.test_families import ALL, CLOSE, forward, rows_of
from tests.tiny import WORLD

torch = pytest.importorskip("torch", reason="live parity needs the extra [parity]")
pytestmark = pytest.mark.slow  # each compiles

SIZE = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 40, "max_position_embeddings": 64,
    "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
}  # fmt: skip
GROUPED = SIZE | {"num_key_value_heads": 2}
LINEAR = {"rope_scaling": {"type": "linear", "factor": 3.0}}
# Configurations of transformers that the fixtures have not.
LIVE = {
    "large heads": GROUPED | {"model_type": "qwen2", "head_dim": 10},
    "qwen2 of linear rope": GROUPED | LINEAR | {"model_type": "qwen2"},
    "no groups": SIZE | {"model_type": "llama"},
    "one key head": SIZE | {"model_type": "llama", "num_key_value_heads": 1},
    "biases of attention": GROUPED | {"model_type": "llama", "attention_bias": True},
    "gpt2 untied": {
        "model_type": "gpt2", "vocab_size": 61, "n_positions": 64, "n_embd": 24, "n_layer": 2,
        "n_head": 4, "n_inner": 40, "activation_function": "gelu", "tie_word_embeddings": False,
        "layer_norm_epsilon": 1e-3, "bos_token_id": None, "eos_token_id": None,
    },
    "an eighth turned": SIZE | {"model_type": "gpt_neox", "hidden_size": 64, "rotary_pct": 0.125},
    "neox tied, without biases": SIZE | {
        "model_type": "gpt_neox", "rotary_pct": 1.0, "tie_word_embeddings": True,
        "attention_bias": False, "hidden_act": "gelu_new", "rotary_emb_base": 500,
    },
    "neox of linear rope": SIZE | LINEAR | {"model_type": "gpt_neox", "rotary_pct": 1.0},
    "gemma of seven layers": GROUPED | {
        "model_type": "gemma3_text", "num_hidden_layers": 7, "head_dim": 8, "sliding_window": 5,
        "attention_bias": True, "tie_word_embeddings": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", LIVE)
def test_models_of_transformers_are_read_and_written_back(name, tmp_path):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(**json.loads(json.dumps(LIVE[name])))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    model.save_pretrained(tmp_path / "theirs")
    arch, params = hf.load(tmp_path / "theirs")
    hf.save(tmp_path / "ours", arch, params)
    assert hf.load(tmp_path / "ours")[0] == arch
    tokens = np.random.default_rng(0).integers(61, size=(2, 50))
    hidden, _ = forward(params, arch, jnp.asarray(tokens), jnp.zeros(2, jnp.int32))
    logits = transformer.logits(params, hidden)
    for one in (model, AutoModelForCausalLM.from_pretrained(tmp_path / "ours")):
        with torch.no_grad():
            error = np.abs(one(torch.from_numpy(tokens)).logits.numpy() - logits).max()
        assert error < CLOSE  # measured: 2e-6


@pytest.mark.filterwarnings("ignore")  # PEFT's own
@pytest.mark.parametrize("name", ALL)
def test_adapters_of_peft_are_read_and_ours_by_peft(name, tmp_path):
    pefts = pytest.importorskip("peft", reason="live parity needs the extra [parity]")
    from transformers import AutoModelForCausalLM

    (arch, params), (tokens, start, _) = hf.load(FIXTURES / name), rows_of(name)
    tokens = tokens[:1]  # not padded
    base = lambda: AutoModelForCausalLM.from_pretrained(FIXTURES / name).eval()

    def worst_of(model, params):
        with torch.no_grad():
            said = model(torch.from_numpy(np.array(tokens)).long()).logits.numpy()
        hidden, _ = forward(params, arch, tokens, start[:1])
        return np.abs(transformer.logits(params, hidden) - said).max()

    modules = sorted({p.name.split(".")[-2] for p in spec.targets(arch)})
    torch.manual_seed(0)
    config = pefts.LoraConfig(r=3, lora_alpha=6, target_modules=modules, task_type="CAUSAL_LM")
    theirs = pefts.get_peft_model(base(), config).eval()
    with torch.no_grad():
        for key, parameter in theirs.named_parameters():
            if "lora_B" in key:
                parameter.normal_(0.0, 0.2)
    theirs.save_pretrained(tmp_path / "theirs")
    adapter, scale = peft.load(tmp_path / "theirs", arch)
    assert worst_of(theirs, params) > 0.1
    assert worst_of(theirs, lora.attach(params, adapter, scale)) < CLOSE
    assert worst_of(theirs, lora.merge(params, adapter, scale)) < CLOSE
    for targets in (("query", "value", "down"), ("output",), spec.QKV):
        some = {
            i: {part: x for part, x in layer.items() if part in targets}
            for i, layer in adapter["layers"].items()
        }
        folder, own = tmp_path / targets[-1], {"layers": some}
        peft.save(folder, arch, own, 3, 6.0, name)
        model = pefts.PeftModel.from_pretrained(base(), folder).eval()
        assert worst_of(model, lora.attach(params, own, scale)) < CLOSE
        assert worst_of(model, lora.attach(params, *peft.load(folder, arch))) < CLOSE


DEFAULT = {"rope_type": "default", "rope_theta": 50.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
ROPES = (
    *(None, {}, {"type": "default"}, DEFAULT, DEFAULT | {"partial_rotary_factor": 0.5}),
    *({"factor": 2.0}, {"type": "linear", "factor": 2.0}, {"rope_type": "yarn", "factor": 2.0}),
    *(LLAMA3, LLAMA3 | {"original_max_position_embeddings": 16, "rope_theta": 100.0}),
    *({"full_attention": DEFAULT}, {"full_attention": DEFAULT, "sliding_attention": DEFAULT}),
)
FULL, LOCAL = "full_attention", "sliding_attention"
# What a configuration may say, and families understand or not.
VALUES = {
    **dict.fromkeys(("rope_scaling", "rope_parameters"), ROPES),
    **dict.fromkeys(("rope_theta", "rotary_emb_base", "rope_local_base_freq"), (50.0, 1e4)),
    **dict.fromkeys(("rotary_pct", "partial_rotary_factor"), (0.5, 1.0)),
    **dict.fromkeys(
        ("hidden_act", "activation_function", "hidden_activation"),
        ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu"),
    ),
    **dict.fromkeys(("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"), (1e-2,)),
    **dict.fromkeys(("attention_bias", "mlp_bias", "use_sliding_window"), (True, False)),
    **dict.fromkeys(("scale_attn_weights", "reorder_and_upcast_attn"), (True, False)),
    **dict.fromkeys(("use_parallel_residual", "tie_word_embeddings"), (True, False)),
    **dict.fromkeys(("scale_attn_by_inverse_layer_idx", "is_decoder"), (True, False)),
    **dict.fromkeys(("attn_logit_softcapping", "final_logit_softcapping"), (None, 5.0)),
    **dict.fromkeys(("sliding_window_pattern", "_sliding_window_pattern"), (1, 2)),
    "use_bidirectional_attention": (True, False, None),
    "layer_types": (None, [FULL] * 2, [FULL] * 3, [LOCAL, FULL], [LOCAL] * 3),
    "sliding_window": (None, 2, 8),
    "max_window_layers": (0, 5),
    "num_key_value_heads": (None, 1, 2),
    "head_dim": (None, 8, 16),
    "query_pre_attn_scalar": (16, 64),
    "n_inner": (None, 128),
    "max_position_embeddings": (16, 4096),
    "pretraining_tp": (1, 2),
    "logit_scale": (0.5,),
}


def test_no_odd_configuration_is_accepted_with_other_logits(tmp_path):
    from transformers import AutoModelForCausalLM

    rng, said = random.Random(0), {"refused": 0, "the same": 0, "refused by transformers": 0}
    tokens = np.random.default_rng(0).integers(97, size=(1, 14))
    for _ in range(200):
        name = rng.choice(ALL)
        config = config_of(name)
        keys = [key for key in VALUES if key in config or rng.random() < 0.3]
        changes = {key: rng.choice(VALUES[key]) for key in rng.sample(keys, rng.choice((1, 1, 2)))}
        shutil.copy(FIXTURES / name / hf.WEIGHTS, tmp_path)
        (tmp_path / hf.CONFIG).write_text(json.dumps(config | changes))
        try:
            arch, params = hf.load(tmp_path)
        except LabError:
            said["refused"] += 1
            continue
        try:
            model = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
        except (ValueError, TypeError):
            said["refused by transformers"] += 1
            continue
        with torch.no_grad():
            theirs = model.eval()(torch.from_numpy(tokens)).logits.numpy()
        hidden, _ = transformer.forward(params, arch, jnp.asarray(tokens), jnp.zeros(1, jnp.int32))
        error = np.abs(transformer.logits(params, hidden) - theirs).max()
        assert error < 2 * CLOSE, (name, changes)
        said["the same"] += 1
    assert said["the same"] > 40 and said["refused by transformers"] < 10, said


@pytest.mark.filterwarnings("ignore")  # PEFT's own
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["qwen2_untied", "llama_llama3", "gemma3", "gpt2", "gpt_neox"])
def test_exported_folders_are_opened_with_the_logits_of_the_model(
    name, dtype, tmp_path, monkeypatch
):
    pefts = pytest.importorskip("peft", reason="live parity needs the extra [parity]")
    from transformers import AutoConfig, AutoModelForCausalLM

    monkeypatch.setattr(weights, "SHARD", 20_000)
    tokenizer = worlds.tokenizer(WORLD)
    arch = replace(hf.architecture(FIXTURES / name), n_tokens=tokenizer.n_tokens)
    params = transformer.init(jax.random.key(0), arch)
    base, how = Model(arch, params, tokenizer), Tuning(rank=3, alpha=6.0, targets=("up", "value"))
    factors = lora.init(jax.random.key(0), arch, 3, how.targets)
    factors = jax.tree.map(lambda x: x + 0.1, factors)
    rounded = lambda tree: jax.tree.map(lambda x: x.astype(dtype).astype("float32"), tree)
    whole = lora.merge(params, factors, how.scale)
    export.write(tmp_path / "base", base, "A card.")
    export.write(tmp_path / "merged", Model(arch, whole, tokenizer), "A card.", dtype)
    export.write_adapter(tmp_path / "adapter", base, factors, how, name, "A card.", dtype)
    assert len(list((tmp_path / "merged").glob("model-*.safetensors"))) > 1
    assert str(AutoConfig.from_pretrained(tmp_path / "merged").dtype) == f"torch.{dtype}"
    # What is computed in bfloat16 is rounded in other places.
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    beside = pefts.PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tmp_path / "base"), tmp_path / "adapter"
    )
    ours = rounded(whole), lora.attach(params, rounded(factors), how.scale)
    tokens = np.random.default_rng(0).integers(50, size=(1, 14))
    for theirs, own in zip((merged, beside), ours, strict=True):
        with torch.no_grad():
            said = theirs.eval()(torch.from_numpy(tokens)).logits.numpy()
        hidden, _ = forward(own, arch, jnp.asarray(tokens), jnp.zeros(1, jnp.int32))
        assert np.abs(transformer.logits(own, hidden) - said).max() < CLOSE
