"""Every notebook runs as a plain script, and its .ipynb holds the script's cells with outputs."""

import json
import os
import subprocess
import sys

import pytest

from notebooks import build
from tests.process import ROOT

# A line of a notebook, and what stands there where it is only tried.
SMOKE = {"language": ("12_288", "256")}


def test_text_and_code_are_told_apart_and_nothing_is_lost():
    script = (
        "# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n\n\nprint(x)\n\n# %%\ny = '# %'\n"
    )
    assert build.cells(script) == [
        build.Cell("markdown", "# Title\n\nText."),
        build.Cell("code", "x = 1\n\n\nprint(x)"),
        build.Cell("code", "y = '# %'"),
    ]
    with pytest.raises(ValueError, match="begins with"):
        build.cells("x = 1\n# %%\n")
    header = "# ---\n# jupyter:\n#   kernelspec: python3\n# ---\n\n"
    assert build.cells(header + script) == build.cells(script)


@pytest.mark.parametrize("name", build.names())
def test_a_notebook_holds_its_scripts_cells_with_their_outputs(name):
    made = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())
    found = [build.Cell(c["cell_type"], "".join(c["source"])) for c in made["cells"]]
    assert found == build.cells((ROOT / "notebooks" / f"{name}.py").read_text())
    code = [cell for cell in made["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert not any(output["output_type"] == "error" for output in outputs)
    assert "image/png" in code[-1]["outputs"][-1]["data"]  # the plot that the reader changes
    for private in (str(ROOT), os.path.expanduser("~") + "/"):
        assert private not in json.dumps(made)


@pytest.mark.parametrize("name", build.names())
def test_a_notebooks_first_code_installs_the_lab_where_it_is_not(name):
    code = [
        c for k, c in build.cells((ROOT / "notebooks" / f"{name}.py").read_text()) if k == "code"
    ]
    assert 'find_spec("lab") is None' in code[0] and '"pip", "install"' in code[0]


@pytest.mark.parametrize("name", build.names())
def test_a_notebook_runs_as_a_plain_script_without_widgets(name, tmp_path):
    """Where runs of a notebook go, `runs/`, is below the folder that it is run in."""
    env = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    whole, smoke = SMOKE.get(name, ("", ""))
    script = (ROOT / "notebooks" / f"{name}.py").read_text()
    assert whole in script
    (tmp_path / f"{name}.py").write_text(script.replace(whole, smoke) if whole else script)
    words = [sys.executable, f"{name}.py"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_notebook_is_one_line():
    words = [sys.executable, "-m", "notebooks.build", "nothing"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: name: 'nothing'")
    assert len(done.stderr.strip().splitlines()) == 1
