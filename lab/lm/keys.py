"""JSON objects that are read strictly: a key that nobody asks for is refused, never ignored."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lab.errors import LabError

_REQUIRED = object()


class Keys:
    """The keys of an object: taken one by one, until none may be left.

    `where` names the object in errors, and `remedy` says what to do about what is not supported.
    """

    def __init__(self, values: Mapping[str, Any], where: str, remedy: str):
        self._rest, self.where, self.remedy = dict(values), where, remedy

    def __contains__(self, name: str) -> bool:
        """Whether a key has a value that was not taken yet; null is none."""
        return self._rest.get(name) is not None

    def take(self, name: str, kind: Any, default: Any = _REQUIRED) -> Any:
        """The value of a key, as a kind; null or no such key is the default.

        Raises `LabError` for one of another kind, and for a missing one without a default.
        """
        value = self._rest.pop(name, None)
        if value is None:
            if default is _REQUIRED:
                raise self.missing(name)
            return default
        try:
            return msgspec.convert(value, kind)
        except (ValueError, RecursionError) as error:
            raise self.refuse(name, value) from error

    def inner(self, name: str) -> "Keys | None":
        """The object under a key; None for null or no such key."""
        values = self.take(name, dict[str, Any], None)
        return None if values is None else Keys(values, f"{self.where}: {name}", self.remedy)

    def about(self, what: str) -> "Keys":
        """The same, with more said of it in errors."""
        self.where = f"{self.where} ({what})"
        return self

    def ignore(self, kinds: Mapping[str, Any]) -> None:
        """Take keys that change nothing at any value of their kind, or at null."""
        for name, kind in kinds.items():
            self.take(name, kind, None)

    def only(self, allowed: Mapping[str, tuple[Any, ...]]) -> None:
        """Take keys that change nothing at these values alone."""
        for name, values in allowed.items():
            found = self._rest.pop(name, values[0])
            # In Python, 0, 0.0 and False are equal.
            if not any(type(found) is type(v) and found == v for v in values):
                raise self.refuse(name, found)

    def refuse(self, name: str, value: Any) -> LabError:
        """The error for a value that is not supported."""
        said = repr(value)
        said = said if len(said) <= 80 else f"{said[:77]}..."
        return LabError(f"{self.where}: {name} {said} is not supported; {self.remedy}")

    def missing(self, name: str) -> LabError:
        """The error for a key that is not there."""
        return LabError(f"{self.where}: {name} is missing; fetch it again")

    def finish(self) -> None:
        """Raise `LabError` for the first key that was not taken."""
        for name, value in self._rest.items():
            raise self.refuse(name, value)


def agreed(claims: Iterable[tuple[str, Any]], where: str) -> Any:
    """The one value that several keys give, (key, value) each; None if there is no claim.

    Raises `LabError` if two of them differ.
    """
    found = [(name, value) for name, value in claims if value is not None]
    for name, value in found[1:]:
        if value != found[0][1]:
            raise LabError(
                f"{where}: {found[0][0]} and {name} disagree ({found[0][1]}, {value}); keep one"
            )
    return found[0][1] if found else None
