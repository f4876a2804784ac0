"""What every language experiment shares: its world, its note, and verdicts where they are earned.

An experiment gives its rows, its claims and its figure; claims of fewer than five references, of
references that choices were made on, or of one checkpoint are a demonstration, whatever they say.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from lab.errors import LabError
from lab.lm import setup, transmitted
from lab.lm.transmission import Transmission
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.results import Table


def experiment(
    name: str,
    *,
    claims: Callable[[Table, dict], list[Claim]],
    units: Mapping[str, str] = setup.UNITS,
    prepare: Callable = setup.prepare_references,
    part: Callable[[Any], Any] = setup.part,
    snapshots: bool = True,
    only: Mapping[str, Any] = MappingProxyType({}),
    **more: Any,
) -> Experiment:
    """A language experiment; its configurations are a `Setup`'s, or more.

    `more` are the other fields of an `Experiment`: doc, presets, rows, draw, and cells of a grid.
    One that keeps no snapshots says so, and refuses to be asked for them; so does one that is about
    the `only` value of some fields.
    """

    def prepared(config: Any, options: Any) -> Any:
        if config.snapshots and not snapshots:
            raise LabError(f"snapshots: {name} keeps none; leave it out, or run lm_numbers")
        for field, value in only.items():
            if (found := attrgetter(field)(config)) != value:
                raise LabError(f"{field}: {name} is about {value}, not {found}; leave it out")
        return prepare(config, options)

    def judged(table: Table, record: dict) -> list[Claim]:
        found, one_base = claims(table, record), "model" in record["dataset"]
        return transmitted.judged(found, table["member"].tolist(), one_base)

    return Experiment(
        name=name,
        claims=judged,
        units=units,
        prepare=prepared,
        note=setup.note,
        part=part,
        cpu_devices=setup.cpu_devices,
        **more,
    )


def own_base(of: Transmission) -> Transmission:
    """The chain with students of the teachers' base alone, and without a neutral teacher."""
    first = next(iter(of.starts))
    return replace(of, starts={first: of.starts[first]}, neutral=None)
