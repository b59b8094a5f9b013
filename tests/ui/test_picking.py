"""Tables of cases: what a click means, and what of the truth may be shown."""

import pandas as pd
import pytest

from hitl.charts.streams import HIDDEN
from hitl.ui import picking
from hitl.workspaces import CARDS


def test_a_click_gives_the_id_the_table_was_drawn_with(monkeypatch):
    state = {"table": {"selection": {"rows": [], "cells": [(1, "case")]}}}
    monkeypatch.setattr(picking.st, "session_state", state)
    assert picking.clicked("table", ["a", "b"]) == "b"
    assert picking.clicked("table", ["a"]) == ""


def test_a_click_on_the_list_names_its_case(monkeypatch):
    state = {"picker": {"selection": {"rows": [0], "cells": []}}, "picked_ids": ["cards-1-7"]}
    monkeypatch.setattr(picking.st, "session_state", state)
    picking._open_picked()
    assert state["_picked_case"] == "cards-1-7"


@pytest.mark.parametrize(
    ("status", "outcome", "shown"),
    [
        ("open", True, HIDDEN),
        ("claimed", False, HIDDEN),
        ("open", None, "not known yet"),
        ("claimed", float("nan"), "not known yet"),
        ("decided", True, "fraud"),
        (None, False, "legitimate"),
        (None, None, "not known yet"),
    ],
)
def test_only_the_truth_of_waiting_cases_is_hidden(status, outcome, shown):
    row = {"status": status, "outcome": outcome}
    assert picking.shown_truth(row, CARDS) == shown
    assert picking.shown_truths(pd.DataFrame([row, row]), CARDS) == [shown, shown]


@pytest.mark.parametrize(
    ("value", "word"), [(None, "not known yet"), (True, "fraud"), (0, "legitimate")]
)
def test_truth_is_a_word(value, word):
    assert picking.truth_word(value, CARDS) == word
