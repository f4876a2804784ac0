"""The theorem's check holds on small cases, and notices when a formula is wrong."""

import pytest

from theory import check
from theory.imitation import SquaredError
from theory.programs import EXCEPTIONS, PROGRAMS

LINEAR = [p for p in PROGRAMS if p.model == "linear"]
PERCEPTRON = [p for p in PROGRAMS if p.name == "mlp_1/tanh/squared/aux/classes"]


def verdicts(programs, exceptions=()):
    rows = check.check(programs, list(exceptions), 3)
    return {row.claim: row.verdict for row in rows if row.verdict != "shown"}


@pytest.mark.parametrize("programs", [LINEAR, PERCEPTRON])
def test_every_claim_holds_on_small_programs(programs):
    found = verdicts(programs, EXCEPTIONS[:1])
    assert len(found) >= 12
    assert set(found.values()) == {"holds"}


def test_there_are_a_dozen_distinct_programs():
    assert len({p.name for p in PROGRAMS}) >= 12
    assert len({p.model for p in PROGRAMS}) >= 5


@pytest.mark.parametrize("factor", [-1.0, 0.5])
def test_a_wrong_coefficient_fails_the_check(factor, monkeypatch):
    right = SquaredError.first_order
    monkeypatch.setattr(SquaredError, "first_order", lambda self, z, J: factor * right(self, z, J))
    assert "FAILS" in verdicts(PERCEPTRON).values()


def test_unknown_programs_are_refused_with_the_names():
    with pytest.raises(check.LabError, match="none is called nonsense"):
        check.main(seeds=1, programs=("nonsense",))
