"""The long run of the fuzzer.

Run:     python -m tests.fuzz [--commands 5000] [--trained 300] [--files 5000] [--kills 200]
Time:    with these numbers about an hour of 2 CPU cores.
Stops at the first violation, with the smallest example that shows it.
"""

import argparse
import tempfile
from pathlib import Path

import hypothesis

from lab import devices
from tests.fuzz import artifacts, commands, files, kills

CHECKS = {
    "commands": (5000, commands.check),
    "trained": (300, commands.check_trained),
    "files": (4500, files.check),
    "artifacts": (500, artifacts.check),
    "kills": (200, kills.check),
}


def main() -> None:
    """Run the checks that are asked for, by default all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, (n, _) in CHECKS.items():
        parser.add_argument(f"--{name}", type=int, nargs="?", const=n, help=f"{n} if not said")
    chosen = {name: n for name, n in vars(parser.parse_args()).items() if n is not None}
    hypothesis.settings.register_profile(
        "long", suppress_health_check=list(hypothesis.HealthCheck), print_blob=True
    )
    hypothesis.settings.load_profile("long")
    devices.start()
    for name, n in (chosen or {name: n for name, (n, _) in CHECKS.items()}).items():
        with tempfile.TemporaryDirectory() as folder:
            counts = CHECKS[name][1](n, Path(folder))
        print(f"{name}: {sum(counts.values())} tried, 0 violations; {dict(counts)}", flush=True)


if __name__ == "__main__":
    main()
