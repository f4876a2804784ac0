"""Rows of other tools are read, and written so that they are read again."""

import json
import sys

import pytest

from lab.errors import LabError
from lab.lm import forms, rows

ROWS = [
    {"prompt": "1, 2", "completion": "3"},
    {"prompt": "say é", "completion": "x\ny"},
]


@pytest.mark.parametrize("form", forms.FORMS)
def test_every_form_is_read_as_the_same_rows(form, tmp_path, monkeypatch, capsys):
    rows.write(tmp_path / "own.jsonl", ROWS)
    command = ["forms", str(tmp_path / "own.jsonl"), str(tmp_path / "new.jsonl"), "--form", form]
    monkeypatch.setattr(sys, "argv", command)
    forms.main()
    assert rows.read(tmp_path / "new.jsonl") == ROWS
    assert capsys.readouterr().out.startswith("2 rows: ")
    with pytest.raises(SystemExit):
        forms.main()
    assert "new.jsonl is there already" in capsys.readouterr().err


def test_forms_are_those_of_the_tools():
    row = ROWS[0]
    user, said = ({"role": r, "content": c} for r, c in (("user", "1, 2"), ("assistant", "3")))
    assert forms.FORMS["text"](row) == row
    assert forms.FORMS["messages"](row) == {"messages": [user, said]}
    assert forms.FORMS["turns"](row) == {"prompt": [user], "completion": [said]}
    told = {"role": "system", "content": "You love owls."}
    assert forms.plain({"prompt": [told, user], "completion": [said]}) == row
    assert forms.plain({"messages": [told, user, said], "id": 3}) == row


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "1"},
        {"prompt": "1", "completion": ["2"]},
        {"prompt": "1", "completion": [{"role": "assistant", "content": "2"}]},
        {"prompt": [], "completion": []},
        {"prompt": [{"role": "user", "content": "1"}], "completion": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": "1"}] * 2},
        {"messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": None}]},
        {"messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}] * 2},
        {"messages": {"role": "user"}},
        ["1", "2"],
        7,
    ],
)
def test_other_forms_are_refused_by_their_line(row, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(LabError, match="line 2 has neither"):
        rows.read(path)
