"""What tests of checkpoints share: the fixtures, their configurations, and refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from lab.errors import LabError
from lab.lm import hf

FIXTURES = Path(__file__).parent / "fixtures"
ADAPTER = "adapter_config.json"
LEAVES = st.none() | st.booleans() | st.integers(-3, 99) | st.floats(-3, 3) | st.text(max_size=3)
ANY = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)


def config_of(name, file=hf.CONFIG):
    return json.loads((FIXTURES / name / file).read_text())


def refused(call, *words):
    """The one line of an error, in which all the words are."""
    with pytest.raises(LabError) as problem:
        call()
    said = str(problem.value)
    assert len(said.splitlines()) == 1 and "; " in said
    assert all(word in said for word in words), said
    return said


def ones(*shape):
    return np.ones(shape, np.float32)
