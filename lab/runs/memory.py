"""How much memory there is, and whether what is about to be trained fits: asked before training."""

from collections.abc import Mapping
from pathlib import Path

import jax

from lab.errors import LabError

_CGROUPS = (  # limit and use of the group of processes that this one is in, versions 2 and 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def require(parts: Mapping[str, int], lower: str) -> None:
    """Raise `LabError` if so many bytes do not fit into the host's memory, as far as it is known.

    `parts` are bytes by the field that they grow with; the largest part's is blamed, and `lower`
    says what else helps. Parts are the largest things alone, true within a factor of about 2, and
    rather too few bytes than too many: what is refused would not have fitted.
    """
    _compare(parts, available(), lower)


def require_on_devices(parts: Mapping[str, int], lower: str) -> None:
    """The same of what each device holds; devices of a CPU share the host's memory."""
    if jax.default_backend() == "cpu":
        require({field: jax.local_device_count() * n for field, n in parts.items()}, lower)
    else:
        _compare(parts, _of_device(), lower)


def available() -> int | None:
    """Bytes that this process may still take; None where the system does not say."""
    known = [limit - used for limit, used in map(_limits, _CGROUPS) if limit is not None]
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            known.append(int(line.split()[1]) * 1024)
    return max(0, min(known)) if known else None


def of_device(default: int) -> int:
    """Bytes that an accelerator has for arrays and programs, or `default` where it does not say."""
    return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", default)


def _of_device() -> int | None:
    known = jax.local_devices()[0].memory_stats() or {}
    return known["bytes_limit"] - known.get("bytes_in_use", 0) if "bytes_limit" in known else None


def _compare(parts: Mapping[str, int], free: int | None, lower: str) -> None:
    needed = sum(parts.values())
    if free is not None and needed > free:
        field = max(parts, key=lambda name: parts[name])
        raise LabError(
            f"{field}: this needs about {needed / 2**30:,.1f} GB of memory and "
            f"{free / 2**30:,.1f} GB are free; {lower}"
        )


def _limits(files: tuple[str, str]) -> tuple[int | None, int]:
    limit, used = (_read(Path(file)).strip() for file in files)
    return (int(limit), int(used)) if limit.isdecimal() and used.isdecimal() else (None, 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
