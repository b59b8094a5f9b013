import pytest

from hitl.ui import reasons, resources
from hitl.workspaces import CARDS, STORY
from tests.pages.conftest import words

NOVEL, USUAL = "story-1-9", "story-1-1"


def test_without_flagged_cases_the_page_leads_to_monitor(open_page, home):
    home.materials("cards")
    home.store.forget("cards")
    app = open_page("explain", "cards")
    resources.materials.clear()
    assert not app.exception
    assert "Nothing flagged or novel" in app.info[0].value
    assert not app.dataframe


def test_without_a_case_the_latest_flagged_are_offered(open_page, home):
    home.play("story", 15)
    app = open_page("explain")
    offered = app.dataframe[0].value
    assert offered["case"].tolist()[0] == "story-1-11"
    assert all(state != ["normal"] for state in offered["state"])


def test_an_unknown_case_is_an_error_with_a_way_on(open_page):
    app = open_page("explain", case="story-9-99")
    assert "There is no case 'story-9-99'" in app.error[0].value
    assert len(app.dataframe[0].value) > 0


def test_a_novel_case_warns_before_any_reason(open_page):
    app = open_page("explain", case=NOVEL)
    assert not app.exception
    assert "Unlike anything in training" in app.warning[0].value
    assert "limit" in app.warning[0].value
    assert "The nearest known row is row" in app.warning[0].value
    assert ".0 (" not in app.warning[0].value


def test_a_usual_case_has_no_warning(open_page):
    app = open_page("explain", case=USUAL)
    assert not app.warning
    assert any("resembles known payments" in m.value for m in app.markdown)


def test_the_parts_come_in_the_order_of_reading(open_page):
    app = open_page("explain", case=NOVEL)
    assert [h.value for h in app.header] == [
        "Similar past cases",
        "Reasons",
        "What moved the score",
        "A second opinion: LIME",
    ]


def test_the_receipt_says_that_the_parts_add_up(open_page):
    receipt = next(m.value for m in open_page("explain", case=NOVEL).markdown if "Start" in m.value)
    assert receipt.endswith("✓")
    assert "residual" in receipt


def test_lime_comes_with_its_own_figures_and_a_verdict(open_page):
    said = words(open_page("explain", case=NOVEL))
    assert "Local R²" in said
    assert "LIME's own prediction" in said
    assert "The model's prediction" in said
    assert "5,000 samples" in said
    assert any(verdict in said for verdict in ("-badge[", "do not use", "weak", "good"))


def test_an_explanation_is_stored_once_and_read_back(open_page, home):
    before = open_page("explain", case=NOVEL)
    stored = home.store.view("explanations", instance_id=NOVEL)
    after = open_page("explain", case=NOVEL)
    assert len(stored) == 1
    assert words(before) == words(after)


def test_another_case_leads_back_to_the_list(open_page):
    app = open_page("explain", case=NOVEL)
    app.button(key="another").click().run()
    assert "Choose a case" in words(app)


def test_a_picked_case_is_opened_by_its_id(open_page):
    app = open_page("explain")
    app.session_state["_picked_case"] = NOVEL
    app.run()
    assert NOVEL in words(app)


def test_a_payment_shows_its_amount(open_page, home):
    home.play("cards", 1)
    said = words(open_page("explain", "cards", case="cards-1-0"))
    assert "€" in said
    assert "day 1" in said


# Parts


def test_a_click_gives_the_id_the_table_was_drawn_with(monkeypatch):
    state = {"table": {"selection": {"rows": [], "cells": [(1, "case")]}}}
    monkeypatch.setattr(reasons.st, "session_state", state)
    assert reasons.clicked("table", ["a", "b"]) == "b"
    assert reasons.clicked("table", ["a"]) == ""


def test_a_similar_case_opens_only_if_it_has_a_page(monkeypatch):
    state = {
        "similar": {"selection": {"rows": [0], "cells": []}},
        "similar_ids": ["row 9035", "cards-1-7"],
    }
    monkeypatch.setattr(reasons.st, "session_state", state)
    reasons._open_similar()
    assert state["_similar_case"] == ""
    state["similar"]["selection"] = {"rows": [], "cells": [(1, "case")]}
    reasons._open_similar()
    assert state["_similar_case"] == "cards-1-7"


def test_a_click_on_the_list_names_its_case(monkeypatch):
    state = {"picker": {"selection": {"rows": [0], "cells": []}}, "picked_ids": ["cards-1-7"]}
    monkeypatch.setattr(reasons.st, "session_state", state)
    reasons._open_picked()
    assert state["_picked_case"] == "cards-1-7"


def test_compact_similar_cases_lead_nowhere(home, monkeypatch):
    drawn = {}
    monkeypatch.setattr(reasons.st, "dataframe", lambda rows, **options: drawn.update(options))
    reasons.similar(home.store, home.materials("story"), NOVEL, compact=True)
    assert "on_select" not in drawn


def test_a_broken_receipt_says_so(home):
    evidence = {
        "residual": 0.5,
        "base_value": -1.0,
        "contributions": {"V4": 1.0},
        "score": 0.5,
        "probability": 0.6,
    }
    assert "does not add up" in reasons.receipt(evidence)


def test_the_model_explained_is_named(home):
    champion = home.store.view("champions", workspace="story")["model_id"].iloc[0]
    assert "is in use" in reasons.which_model({"model_id": champion}, STORY)
    assert champion in reasons.which_model({"model_id": "m-old"}, STORY)


def test_reasons_that_are_none_say_so(monkeypatch):
    said = []
    monkeypatch.setattr(reasons.st, "markdown", said.append)
    reasons.sentences({"reasons": []})
    reasons.sentences({"reasons": ["V4 is high.", "V14 is low."]})
    assert "no reason" in said[0]
    assert said[1] == "1. V4 is high.\n2. V14 is low."


@pytest.mark.parametrize(
    ("value", "word"), [(None, "not known yet"), (True, "fraud"), (0, "legitimate")]
)
def test_truth_is_a_word(value, word):
    assert reasons.truth_word(value, CARDS) == word


def test_a_decided_case_names_who_decided(monkeypatch):
    said = []
    monkeypatch.setattr(reasons.st, "markdown", said.append)
    case = {"verdict": "fraud", "reviewer": "Mina", "outcome": True, "status": "decided"}
    reasons.standing(case, CARDS)
    assert said == ["Decided **fraud** by Mina · truth: **fraud**"]
