"""The lab's checkout: where committed tables, pictures and stored references are written."""

from pathlib import Path

from lab.errors import LabError


def root() -> Path:
    """The checkout's folder. Raises `LabError` if the lab was installed as a copy."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / "pyproject.toml").is_file():
        raise LabError(
            "checkout: this command works on a checkout of the lab, and what runs is an installed "
            "copy; clone the repository, and `pip install -e .` there"
        )
    return folder
