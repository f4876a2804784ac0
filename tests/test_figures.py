"""Figures: found by their tables, drawn without jax and the same each time, each in its place."""

import importlib
import os
import re
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from figures import gallery, markdown, published, style, tables
from lab.errors import LabError
from lab.runs import results
from lab.runs.experiment import Experiment
from tests.process import ROOT
from tests.stored import store

RECORDS = tables.records()
ENTRIES = [*published.PAPER, *published.FOLLOW_UPS, *published.OURS]
HEAVY = ("jax", "jaxlib", "flax", "optax", "orbax", "transformers", "tokenizers", "safetensors")
PLAIN = """
from figures import style
def figure(table, record):
    figure, axes = style.new(2, 2)
    axes.plot(table["accuracy"])
    return figure
"""


def test_every_figure_is_drawn_without_jax_and_the_same_each_time(tmp_path):
    blocked, out = tmp_path / "blocked", tmp_path / "out"
    blocked.mkdir()
    for name in HEAVY:  # found before the installed ones, by processes of the process too
        (blocked / f"{name}.py").write_text(f"raise ImportError('{name} is imported')\n")
    environment = {**os.environ, "PYTHONPATH": f"{blocked}{os.pathsep}{ROOT}"}
    subprocess.run(
        [sys.executable, "-m", "figures.all", "--out", str(out)],
        cwd=tmp_path, env=environment, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    made = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(made) == {f"{name}{end}" for name in RECORDS for end in (".png", ".pdf")}
    assert all(made[f"{name}.png"].startswith(b"\x89PNG") for name in RECORDS)
    assert all(made[f"{name}.pdf"].startswith(b"%PDF") for name in RECORDS)
    for name in ("mnist_aux_logits_digits", "lm_contexts"):  # in another process, with jax in it
        assert tables.pictures(name) == {end: made[name + end] for end in (".png", ".pdf")}


def test_pictures_hold_no_date(monkeypatch):
    first = tables.pictures("mnist_aux_logits_digits")
    assert b"CreationDate" not in first[".pdf"] and b"tEXtSoftware" not in first[".png"]


def experiments():
    for path in sorted((ROOT / "experiments").glob("[a-z]*.py")):
        module = importlib.import_module(f"experiments.{path.stem}")
        if isinstance(found := getattr(module, "EXPERIMENT", None), Experiment):
            yield found


def test_an_experiment_draws_its_runs_with_the_figure_that_its_committed_tables_have():
    found = list(experiments())
    assert len(found) >= len({record["experiment"] for record in RECORDS.values()})
    for experiment in found:
        assert experiment.draw == tables.drawing_of(experiment.name), experiment.name


def test_a_new_table_is_drawn_with_no_further_edit(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "fig_sweep.py").write_text(PLAIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    rows = [{"arm": "a", "member": i, "accuracy": 0.5} for i in range(3)]
    store(tmp_path / "new.json", rows, experiment="mine.sweep")
    assert list(tables.records()) == ["new"]
    assert set(tables.pictures("new")) == {".png", ".pdf"}


@pytest.mark.parametrize(
    ("name", "file"),
    [("unheard_of", "figures/fig_unheard_of.py"), ("no.such", "no/fig_such.py"), ("..", "fig_")],
)
def test_an_experiment_without_a_figure_is_named_with_the_file_to_write(name, file):
    with pytest.raises(LabError, match=f"experiment: .* has no figure; write .*{file}") as error:
        tables.drawing_of(name)
    assert "\n" not in str(error.value)


def test_a_committed_table_that_was_edited_is_not_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    store(tmp_path / "new.json", [{"arm": "a", "member": 0, "accuracy": 0.5}])
    (tmp_path / "new.csv").write_text("arm,member,accuracy\na,0,0.6\n")
    for read in (tables.records, lambda: tables.pictures("new")):
        with pytest.raises(LabError, match=r"new.csv was changed.*git checkout -- "):
            read()


@pytest.mark.parametrize("name", RECORDS)
def test_what_stands_above_a_figure_says_how_it_was_made_and_fits(name):
    record, table = RECORDS[name], results.read_table(tables.RESULTS / f"{name}.csv")
    with style.settings():
        figure = tables.drawing_of(record["experiment"]).figure(table, record)
        caption = figure.get_suptitle()
        right = figure._suptitle.get_window_extent(FigureCanvasAgg(figure).get_renderer()).x1
    assert record["command"] in " ".join(caption.split()) and "interval" in caption
    assert right < figure.bbox.width


def test_every_committed_table_has_its_place_and_its_picture_and_nothing_else_has():
    """A new table takes its place in figures/published.py."""
    assert {name for entry in ENTRIES for name in entry.tables} == set(RECORDS)
    assert {path.stem for path in tables.PICTURES.glob("*.png")} == set(RECORDS)


def test_every_claim_of_a_table_with_a_verdict_is_of_some_figure_but_for_those_left_to_the_readme():
    for name, record in RECORDS.items():
        parts = [entry.tables[name] for entry in ENTRIES if name in entry.tables]
        said = [markdown.told(record, part) for part in parts]
        assert all(said), f"{name}: a part of its claims is empty"
        if name != "coverage":
            every = {c.text for c in markdown.told(record, "")}
            assert {c.text for some in said for c in some} == every, name


VERDICT = r"\*\*(reproduced|holds|partly|not|open)\*\* \(|not measured here yet|nothing to measure"


def test_the_page_is_the_papers_list_with_a_verdict_each():
    page = gallery.page()
    lines = page.splitlines()
    places = []
    for entry in ENTRIES:
        (i,) = (
            i
            for i, line in enumerate(lines)
            if line.startswith((f"| {entry.number} |", f"| [{entry.number}]"))
        )
        assert re.match(VERDICT, lines[i].split(" | ")[-1]), lines[i]
        places.append(i)
    assert places == sorted(places)
    assert page.count("### ") == sum(bool(entry.tables) for entry in ENTRIES)
    links = re.findall(r"\]\((\.\.[^)#]*)|src=\"([^\"]*)", page)
    assert links and all((ROOT / "figures" / (a or b)).is_file() for a, b in links)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["holds", "holds"], "**holds** (holds: 2)"),
        (["reproduced", "holds"], "**reproduced** (reproduced: 1, holds: 1)"),
        (["not", "not"], "**not** (not: 2)"),
        (["open"], "**open** (open: 1)"),
        (["holds", "not"], "**partly** (holds: 1, not: 1)"),
        (["partly", "partly"], "**partly** (partly: 2)"),
        (["holds", "open", "open"], "**partly** (open: 2, holds: 1)"),
    ],
)
def test_the_verdict_on_a_figure_sums_up_those_of_its_claims(verdicts, said):
    assert gallery.summed(verdicts) == said


@pytest.mark.parametrize("name", sorted({record["experiment"] for record in RECORDS.values()}))
def test_every_committed_experiment_says_its_claim_in_its_docstring(name):
    claim = gallery.claim_of(name)
    assert len(claim) > 40 and "\n" not in claim and "Run:" not in claim


# Linear light as people without one kind of cone see it: Viénot, Brettel, Mollon (1999) for the
# first two, of whom almost all are, in the simplified form of Machado et al. (2009).
BLIND = {
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def lab_of(colour, seen):
    """CIELAB coordinates of a hex colour as somebody sees it."""
    s = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(to_xyz @ np.clip(seen @ linear, 0, 1) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", BLIND)
def test_arms_have_colours_that_colour_blind_readers_tell_apart(kind):
    seen = np.array(BLIND[kind])
    for a, b in combinations(style.COLOURS.values(), 2):
        apart = np.linalg.norm(lab_of(a, seen) - lab_of(b, seen))
        assert apart > 15, f"{a} and {b}"
