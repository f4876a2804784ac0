"""Families of checkpoints by their `model_type`: one file each."""

from lab.errors import LabError
from lab.lm.families.family import Family
from lab.lm.families.gemma3 import GEMMA3
from lab.lm.families.gpt2 import GPT2
from lab.lm.families.gpt_neox import GPT_NEOX
from lab.lm.families.llama import LLAMA
from lab.lm.families.qwen2 import QWEN2

FAMILIES: dict[str, Family] = {f.name: f for f in (QWEN2, LLAMA, GPT2, GPT_NEOX, GEMMA3)}


def of(name: str) -> Family:
    """The family of a name. Raises `LabError` for one that there is not."""
    if name not in FAMILIES:
        raise LabError(f"family: there is no {name!r}; choose of {', '.join(FAMILIES)}")
    return FAMILIES[name]
