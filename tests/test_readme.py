"""What README and terminal print of a record: every field of a claim, its files, its rules once."""

import re

import pytest

from figures import headlines, readme, tables
from lab.errors import LabError
from lab.runs import claims, cli
from lab.runs.progress import console
from lab.stats import Estimate
from tests.stored import store

NULL, NONE = Estimate(0.1, 0.05, 0.15, 4), Estimate(0.5, float("nan"), float("nan"), 1)
TEACHER = Estimate(0.944, 0.9436, 0.9444, 100)
RULE = claims.effect(Estimate(0.5, 0.4, 0.6, 4), NULL, 0.1, "shuffled | labels")
CLAIMS = [
    claims.claim("with a rule", Estimate(0.5, 0.4, 0.6, 4), "nats", runs="2 x 2", **RULE),
    claims.claim("narrow", TEACHER, **claims.reproduced(TEACHER, (0.943, 0.0004), 0.01, 0.1)),
    claims.claim("the same rule", Estimate(0.6, 0.5, 0.7, 4), "nats", **RULE),
    claims.claim("a number alone", NONE, "nats"),
]

ROWS = [{"arm": "a", "member": 0, "accuracy": 0.5}]


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A record in a committed table's place."""
    folder = tmp_path / "experiments" / "results"
    known = {"command": "python -m x", "note": "Read this.", "claims": claims.to_json(CLAIMS)}
    store(folder / "a_table.json", ROWS, **known)
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    monkeypatch.setattr(tables, "RESULTS", folder)
    monkeypatch.setattr(readme.gallery, "claim_of", lambda experiment: f"{experiment} is so.")
    return known


def test_a_table_of_the_readme_has_its_command_its_files_and_its_note(record):
    section = readme.measured().partition("\n## ")[2]
    links = "[table](a_table.csv), [record](a_table.json)"
    assert "\n| [a_table](#a_table) | x is so. | **reproduced** (" in readme.measured()
    assert section.startswith(f"a_table\n\n`python -m x` ({links})\n\nRead this.\n\n| claim")


def test_links_of_the_readme_lead_to_committed_files():
    found = re.findall(r"\]\(([^).]*\.(?:csv|json))\)", readme.measured())
    assert len(found) == 2 * len(list(tables.RESULTS.glob("*.json")))
    assert all((tables.RESULTS / path).is_file() for path in found)


def test_every_committed_table_has_headlines_which_lead_to_its_claims():
    said = [name for tables in headlines.HEADLINES.values() for name in tables]
    assert sorted(said) == sorted(path.stem for path in tables.RESULTS.glob("*.json"))
    led = re.findall(r"\((experiments/results/README.md)#(\w+)\)", readme.headlines())
    assert [name for _, name in led] == said
    assert all(f"\n## {name}\n" in (readme.ROOT / path).read_text() for path, name in led)


def test_a_headline_has_the_number_and_the_verdict_of_its_claim(record, monkeypatch):
    said = {"^with": "it is there", "narrow": "it is the published one"}
    monkeypatch.setattr(readme, "HEADLINES", {"Of a kind": {"a_table": said}})
    title, _, _, _, *rows = readme.headlines().splitlines()
    assert title == "**Of a kind**"
    command = "[`python -m x`](experiments/results/README.md#a_table)"
    assert rows == [
        f"| it is there | {command} | 0.500 (0.400 to 0.600) "
        r"| 0.100 (0.050 to 0.150), shuffled \| labels |  | holds |",
        "| it is the published one |  | 0.94400 (0.94360 to 0.94440) | 0.1, chance "
        "| 0.9430 ± 0.0004 | reproduced |",
    ]
    for pattern in ("rule", "nothing"):  # two claims, and none
        monkeypatch.setattr(readme, "HEADLINES", {"Of a kind": {"a_table": {pattern: "?"}}})
        with pytest.raises(LabError, match=f"^{pattern}: [20] claims of python -m x"):
            readme.headlines()


def test_a_claim_is_a_row_with_its_null_and_the_rules_stand_below_once(record):
    _, _, text = readme.measured().partition("\n## ")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "| claim | measured (95 % interval) | n | null | published | verdict |"
    assert rows[2] == (
        "| with a rule, nats | 0.500 (0.400 to 0.600) | 2 x 2 "
        r"| 0.100 (0.050 to 0.150), shuffled \| labels |  | holds |"
    )
    assert rows[3] == (
        "| narrow | 0.94400 (0.94360 to 0.94440) | 100 | 0.1, chance | 0.9430 ± 0.0004 "
        "| reproduced |"
    )
    assert len(rows) == 5  # a number alone is for the terminal
    last = text.splitlines()[-1]
    assert last.startswith("Rules: interval above") and last.count("interval above") == 1
    assert last.count("intervals overlap") == 1


def test_the_terminal_shows_the_same(record, tmp_path, monkeypatch):
    monkeypatch.setattr(console, "width", 200)
    store(tmp_path / "run.json", ROWS, **record)
    with console.capture() as said:
        cli.show(tmp_path, [])
    text = said.get()
    for words in ("shuffled | labels", "0.94360 to 0.94440", "0.9430 ± 0.0004", "Read this."):
        assert words in text
    assert "one run" in text and "2 x 2" in text
    assert text.count("rule: interval above") == 1
    assert text.splitlines()[-1] == str(tmp_path)


def test_a_record_or_a_table_that_was_edited_is_not_printed(record):
    path = tables.RESULTS / "a_table.json"
    whole = path.read_text()
    path.write_text(whole.replace("Read this.", "Read that."))
    with pytest.raises(LabError, match=r"a_table.json was changed.*git checkout -- "):
        readme.measured()
    path.write_text(whole)
    path.with_suffix(".csv").write_text("arm,member,accuracy\na,0,0.6\n")
    with pytest.raises(LabError, match=r"a_table.csv was changed.*git checkout -- "):
        readme.measured()


def test_a_table_without_claims_or_a_note_is_its_command_alone(record):
    store(tables.RESULTS / "a_table.json", ROWS, command="python -m x")
    assert readme.measured().endswith(
        "\n\n## a_table\n\n`python -m x` ([table](a_table.csv), [record](a_table.json))\n"
    )


def test_a_narrow_terminal_keeps_numbers_and_verdicts_whole(record, tmp_path, monkeypatch):
    monkeypatch.setattr(console, "width", 80)
    store(tmp_path / "run.json", ROWS, **record)
    with console.capture() as said:
        cli.show(tmp_path, [])
    for words in ("95 % interval", "0.94360 to 0.94440", "reproduced"):
        assert words in said.get()
