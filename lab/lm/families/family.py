"""What a family of checkpoints is: how its config.json and its tensors are read and written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from lab.errors import LabError
from lab.lm.keys import Keys
from lab.lm.model import Architecture

Size = Annotated[int, Meta(ge=1, le=2**20)]
Layers = Annotated[int, Meta(ge=1, le=2**12)]
Positions = Annotated[int, Meta(ge=1, le=2**30)]
Epsilon = Annotated[float, Meta(gt=0, le=1)]
Positive = Annotated[float, Meta(gt=0, le=1e12)]
Share = Annotated[float, Meta(ge=0, le=1)]  # of units that a dropout drops: training's alone
Ids = int | list[int]

_DTYPE = Literal["float32", "float16", "bfloat16", "float64"]  # the tensors say it themselves

_GENERATION = """
    max_length max_new_tokens min_length do_sample early_stopping num_beams num_beam_groups
    diversity_penalty temperature top_k top_p typical_p repetition_penalty length_penalty
    no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences
    output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id
    remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens
    cache_implementation
"""
# Keys of any family that change no logits, whatever they say: where a file comes from, the ids of
# tokens (the tokenizer's are used), what `transformers` returns and how its `generate` samples.
METADATA: dict[str, Any] = {
    **dict.fromkeys(("transformers_version", "_name_or_path", "name_or_path", "_commit_hash"), str),
    **dict.fromkeys(("tokenizer_class", "finetuning_task", "problem_type", "prefix"), str),
    **dict.fromkeys(("attn_implementation", "_attn_implementation", "unsloth_version"), str),
    **dict.fromkeys(("dtype", "torch_dtype"), _DTYPE),
    **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id"), Ids),
    **dict.fromkeys(("sep_token_id", "cls_token_id", "decoder_start_token_id"), Ids),
    **dict.fromkeys(
        ("use_cache", "return_dict", "output_attentions", "output_hidden_states"), bool
    ),
    **dict.fromkeys(("torchscript", "gradient_checkpointing", "unsloth_fixed"), bool),
    **dict.fromkeys(("id2label", "label2id", "task_specific_params"), dict[str, Any]),
    "initializer_range": Annotated[float, Meta(ge=0, le=1e3)],
    **dict.fromkeys(_GENERATION.split(), Any),
}
# Keys of any family that change nothing at these values.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "quantization_config": (None,),
    "is_decoder": (False, True),
    "is_encoder_decoder": (False,),
    "tie_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "cross_attention_hidden_size": (None,),
    "chunk_size_feed_forward": (0,),
    "pruned_heads": ({}, None),
    "use_bfloat16": (False,),
    "tf_legacy_loss": (False,),
}


@dataclass(frozen=True)
class Family:
    """A `model_type`: its configuration, and the names of its tensors."""

    name: str
    architectures: tuple[str, ...]  # classes of `transformers`, the one we write first
    names: Mapping[str, str]  # by the decoder's part, {} standing for the layer
    read: Callable[[Keys], Architecture]
    write: Callable[[Architecture], dict[str, Any]]
    fused: Literal["", "parts", "heads"] = ""  # query, key, value in one tensor: `lab.lm.fused`
    as_here: bool = False  # kernels stand there as here, [d_in d_out]
    prefix: str = ""  # of names, which older files lack
    buffers: str = r"$^"  # a pattern of what older files hold besides parameters


def d_head(keys: Keys, d_model: int, n_heads: int, name: str = "num_attention_heads") -> int:
    """The size of a head that follows from others. Raises `LabError` if it is no whole number."""
    if d_model % n_heads:
        raise keys.refuse(name, n_heads)
    return d_model // n_heads


def layer_types(keys: Keys, n_layers: int, kind: Any) -> list[str] | None:
    """What layers attend to, if the configuration lists it. Raises `LabError` for other lengths."""
    found = keys.take("layer_types", list[kind], None)
    if found is not None and len(found) != n_layers:
        raise LabError(
            f"{keys.where}: layer_types has {len(found)} layers and num_hidden_layers is "
            f"{n_layers}; fetch it and model.safetensors again"
        )
    return found
