"""Similar past cases: what is counted, what is shown, and where a click leads."""

import pandas as pd
import pytest

from hitl.ui import similar
from hitl.workspaces import CARDS, STORY

FOUND = pd.DataFrame(
    {
        "id": ["row 9", "cards-1-7"],
        "distance": [0.5, 1.5],
        "truth": ["fraud", ""],
        "decision": ["", "legitimate"],
        "known_from": ["training", "stream"],
        "Amount": [12.0, 13.0],
        "V4": [1.0, 2.0],
    }
)


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        ("values", "1 of the 2 nearest known payments was fraud."),
        ("reasons", "1 of the 2 known alerts with the most similar reasons was fraud."),
    ],
)
def test_training_rows_are_known_and_not_decided(by, sentence):
    assert similar.similar_sentence(FOUND, CARDS, by) == sentence


def test_the_table_has_a_word_where_nothing_is_known_and_no_features():
    table = similar.similar_table(FOUND, CARDS)
    assert table.columns.tolist() == [
        "case",
        "distance",
        "decision",
        "truth",
        "amount",
        "known_from",
    ]
    assert table["decision"].tolist() == ["–", "legitimate"]
    assert table["truth"].tolist() == ["fraud", "not known yet"]
    assert table["known_from"].tolist() == ["training rows", "stream"]
    assert "amount" not in similar.similar_table(FOUND.drop(columns="Amount"), STORY)


def test_nothing_similar_is_a_sentence_and_an_empty_table():
    near = similar.told(FOUND.iloc[:0], CARDS, "values")
    assert "to compare with yet" in near.sentence
    assert near.arrow.num_rows == 0


def test_a_similar_case_opens_only_if_it_has_a_page(monkeypatch):
    state = {
        "similar": {"selection": {"rows": [0], "cells": []}},
        "similar_ids": ["row 9035", "cards-1-7"],
    }
    monkeypatch.setattr(similar.st, "session_state", state)
    similar._open()
    assert state["_similar_case"] == ""
    state["similar"]["selection"] = {"rows": [], "cells": [(1, "case")]}
    similar._open()
    assert state["_similar_case"] == "cards-1-7"


@pytest.mark.parametrize(
    ("by", "unit"), [("values", "standard deviations"), ("reasons", "log-odds")]
)
def test_compact_similar_cases_lead_nowhere_and_say_how_far(monkeypatch, by, unit):
    drawn, said = {}, []
    monkeypatch.setattr(similar.st, "dataframe", lambda rows, **options: drawn.update(options))
    monkeypatch.setattr(similar.st, "caption", said.append)
    monkeypatch.setattr(similar.st, "markdown", said.append)
    similar.compact(similar.told(FOUND, CARDS, by), CARDS)
    assert "on_select" not in drawn
    assert unit in drawn["column_config"]["distance"]["help"]
    assert unit in said[1]
    assert "click" not in said[1]
