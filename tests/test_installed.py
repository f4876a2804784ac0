"""The lab from elsewhere: installed as a copy, and beside a user's own files of the same names."""

import fnmatch
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from experiments import replay
from lab.runs import checkout
from tests.process import ROOT

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
PACKAGES = ("benchmarks", "experiments", "figures", "lab", "notebooks", "theory")
# Made from committed tables, or by a benchmark, and looked at in the repository.
OF_CHECKOUTS = ("benchmarks/results/*", "figures/p[nd][gf]/*", "figures/README.md")


def present() -> set[str]:
    """All files of our packages in this checkout."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*")]
    files = [path for path in paths if path.is_file() and path.parent.name != "__pycache__"]
    return {path.relative_to(ROOT).as_posix() for path in files}


def shipped() -> set[str]:
    """The files of a wheel, as pyproject.toml has it."""
    found = set()
    for path in ROOT.glob("*/**/__init__.py"):
        folder = path.parent.relative_to(ROOT)
        name = ".".join(folder.parts)
        if any(fnmatch.fnmatch(name, one) for one in SETUPTOOLS["packages"]["find"]["include"]):
            files = [*path.parent.glob("*.py")]
            for pattern in SETUPTOOLS["package-data"].get(name, ()):
                files += [file for file in path.parent.glob(pattern) if file.is_file()]
            found |= {file.relative_to(ROOT).as_posix() for file in files}
    return found


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The environment of a process that finds an installed copy first."""
    folder = tmp_path_factory.mktemp("site")
    for file in shipped():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    return {**os.environ, "PYTHONPATH": str(folder)}


def python(*words: str, cwd: Path, env=None) -> subprocess.CompletedProcess:
    """A finished `python WORDS` in a folder."""
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=120
    )


def test_all_that_the_packages_hold_is_installed_but_what_only_a_checkout_needs():
    missing = present() - shipped()
    assert {f for f in missing if not any(fnmatch.fnmatch(f, one) for one in OF_CHECKOUTS)} == set()
    assert {"experiments/replay.json", "experiments/results/theorem.csv"} <= shipped()


def test_a_checkout_knows_that_it_is_one_and_a_copy_that_it_is_none(copied, tmp_path):
    assert checkout.root() == ROOT
    done = python("-c", "from lab.runs import checkout; checkout.root()", cwd=tmp_path, env=copied)
    assert "LabError: checkout: this command works on a checkout" in done.stderr


# In one process, as each would import jax.
COMMANDS = """
import sys
from runpy import run_module
for words in (
    ["experiments.keep", "theorem"], ["experiments.replay", "--measure"], ["figures.readme"],
    ["figures.readme", "--check"], ["benchmarks.mnist"], ["benchmarks.language"],
    ["lab.lm.reference"], ["figures.all"],
):
    sys.argv = words
    try:
        run_module(words[0], run_name="__main__")
    except SystemExit as stop:
        assert stop.code == 2, words
    else:
        assert False, words
from experiments import replay
assert replay.tolerances("theorem")
print(*replay.names())
"""


def test_a_copy_has_the_committed_tables_and_leaves_their_making_to_checkouts(copied, tmp_path):
    done = python("-c", COMMANDS, cwd=tmp_path, env=copied)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 8 and all(line.startswith("error: checkout: ") for line in lines)
    names = sorted(path.stem for path in (ROOT / "experiments" / "results").glob("*.json"))
    assert done.stdout.split() == names


def test_replay_without_tables_is_no_success(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(replay, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["replay"])
    with pytest.raises(SystemExit) as stop:
        replay.main()
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.startswith("error: name: ") and str(tmp_path) in said and said.count("\n") == 1


SHADOWS = ("lab/__init__.py", "lab.py", "lab/mine.py", "theory/__init__.py", "figures.py")


def place(folder: Path, file: str) -> Path:
    """A user's own module, which must not run unasked."""
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("print('mine')\n")
    return path


@pytest.mark.parametrize("file", SHADOWS)
@pytest.mark.parametrize("how", ["copied", "as it is"])
def test_an_experiment_names_what_has_the_name_of_one_of_its_packages(how, file, copied, tmp_path):
    place(tmp_path, file)
    environment = copied if how == "copied" else None
    done = python("-m", "experiments.mnist_aux_logits", "--help", cwd=tmp_path, env=environment)
    theirs = tmp_path / file.split("/")[0]
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {theirs.stem}: {theirs} has the name of the lab's ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("experiments/replay.py", "experiments.replay"),
        ("lab/cache.py", "lab.cache"),
        ("figures/readme.py", "figures.readme"),
    ],
)
def test_a_users_folder_that_an_installed_copy_would_hide_is_named(copied, tmp_path, file, module):
    place(tmp_path, file)
    done = python("-m", module, cwd=tmp_path, env=copied)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(tmp_path / file.split("/")[0]) in done.stderr
    asked = python("-c", f"import {module}", cwd=tmp_path, env=copied)
    assert "ImportError" in asked.stderr and str(tmp_path) in asked.stderr and not asked.stdout


@pytest.mark.parametrize("how", ["copied", "as it is"])
def test_a_user_may_have_packages_of_our_names_and_the_lab_too(how, copied, tmp_path):
    for file in ("experiments/__init__.py", "theory.py", "figures/__init__.py"):
        place(tmp_path, file)
    environment = copied if how == "copied" else None
    code = "import experiments, figures, theory, lab.errors; print(lab.errors.LabError.__name__)"
    done = python("-c", code, cwd=tmp_path, env=environment)
    assert (done.stdout.split(), done.stderr) == (["mine"] * 3 + ["LabError"], "")


def test_a_folder_without_code_is_in_nobodys_way(copied, tmp_path):
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").touch()
    done = python("-c", "import experiments, figures, lab, theory", cwd=tmp_path, env=copied)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow  # builds a wheel, makes an environment, replays a table: a minute
def test_a_wheel_holds_what_pyproject_says_and_works_from_another_folder(tmp_path):
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignore)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    venv.create(tmp_path / "env", with_pip=True)
    python_of_it = tmp_path / "env" / "bin" / "python"

    def run(*words):
        return subprocess.run(
            [python_of_it, *words], cwd=elsewhere, capture_output=True, text=True, timeout=600
        )

    done = run("-m", "pip", "install", "--no-deps", str(source))
    if "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("setuptools, which builds the wheel, is not here and cannot be fetched")
    assert done.returncode == 0, done.stderr
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run("-c", asked).stdout.strip())
    files = [path for package in PACKAGES for path in (site / package).rglob("*")]
    files = [path for path in files if path.is_file() and path.parent.name != "__pycache__"]
    assert {path.relative_to(site).as_posix() for path in files} == shipped()
    # What the lab depends on is taken from here; the lines of an editable install are not.
    (site / "here.pth").write_text(python("-c", asked, cwd=elsewhere).stdout)
    done = run("-m", "experiments.replay", "theorem")
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stdout + done.stderr
    done = run("-m", "experiments.mnist_aux_logits", "smoke", "--dataset", "digits")
    assert done.returncode == 0, done.stdout + done.stderr
    place(elsewhere, "lab/mine.py")
    done = run("-m", "experiments.mnist_aux_logits", "smoke")
    assert done.returncode == 2 and str(elsewhere / "lab") in done.stderr
