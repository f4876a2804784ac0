"""Rotary positions in the dialects of config.json: rope_theta, rope_scaling, rope_parameters."""

from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from lab.lm.families.family import Positions, Positive
from lab.lm.keys import Keys, agreed
from lab.lm.rope import Scaling

Fraction = Annotated[float, Meta(gt=0, le=1)]
Factor = Annotated[float, Meta(ge=1, le=1e6)]


class Rope(NamedTuple):
    """What a configuration says; None: nothing."""

    theta: float | None
    fraction: float | None  # of a head's numbers that turn
    scaling: Scaling | None


def read(keys: Keys, where: str, theta: str = "rope_theta", fraction: str = "") -> Rope:
    """What all the keys say together; `theta` and `fraction` are their names at the top.

    Raises `LabError` for kinds of scaling that are not supported, and for keys that disagree.
    """
    claims: dict[str, Any] = {}
    for name in ("rope_scaling", "rope_parameters"):
        if inner := keys.inner(name):
            claims[name] = one(inner)
    top = keys.take(theta, Positive, None)
    part = keys.take(fraction, Fraction, None) if fraction else None
    of = lambda part, name: [(f"{at}.{name}", getattr(one, part)) for at, one in claims.items()]
    # (scaling,): so that "none" is a claim too.
    scaling = agreed([(name, (claim.scaling,)) for name, claim in claims.items()], where)
    return Rope(
        agreed([(theta, top), *of("theta", "rope_theta")], where),
        agreed([(fraction, part), *of("fraction", "partial_rotary_factor")], where),
        scaling[0] if scaling else None,
    )


def one(keys: Keys) -> Rope:
    """What one object of rotary positions says."""
    kinds = [keys.take(name, str, None) for name in ("rope_type", "type")]
    kind = agreed(zip(("rope_type", "type"), kinds, strict=True), keys.where) or "default"
    keys = keys.about(f"rope_type {kind}")
    theta = keys.take("rope_theta", Positive, None)
    fraction = keys.take("partial_rotary_factor", Fraction, None)
    scaling = None
    if kind == "linear":
        scaling = Scaling("linear", keys.take("factor", Factor))
    elif kind == "llama3":
        low = keys.take("low_freq_factor", Positive)
        high = keys.take("high_freq_factor", Positive)
        if high <= low:
            raise keys.refuse("high_freq_factor", high)
        factor = keys.take("factor", Factor)
        n_original = keys.take("original_max_position_embeddings", Positions)
        scaling = Scaling("llama3", factor, low, high, n_original)
    elif kind != "default":
        raise keys.refuse("rope_type", kind)
    keys.finish()
    return Rope(theta, fraction, scaling)


def write(theta: float, scaling: Scaling | None, **more: Any) -> dict[str, Any]:
    """The object of rotary positions."""
    found: dict[str, Any] = {"rope_theta": theta, "rope_type": "default", **more}
    if scaling is not None:
        found |= {"rope_type": scaling.kind, "factor": scaling.factor}
        if scaling.kind == "llama3":
            found |= {"low_freq_factor": scaling.low, "high_freq_factor": scaling.high}
            found |= {"original_max_position_embeddings": scaling.n_original}
    return found


def both(theta: float, scaling: Scaling | None, **more: Any) -> dict[str, Any]:
    """It as rope_parameters, and for transformers 4 as rope_scaling, where there is any."""
    found = {"rope_parameters": write(theta, scaling, **more)}
    if scaling is None:
        return found
    old = write(theta, scaling)
    del old["rope_theta"]
    return found | {"rope_scaling": old}
