import pandas as pd
import pytest

from hitl import workflow
from hitl.charts.streams import HIDDEN
from hitl.explain import RESIDUAL_LIMIT
from hitl.ui import reasons, resources
from hitl.workspaces import CARDS, REASONS, STORY
from tests.pages.conftest import NOW, words

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
    assert "Its novelty, how far it lies from known payments, is" in app.warning[0].value
    assert "the limit is" in app.warning[0].value
    assert "distance" not in app.warning[0].value
    assert any("unlike anything in training: novelty" in m.value for m in app.markdown)
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


def link_labels(app):
    return [link.proto.label for link in app.get("page_link")]


def test_a_waiting_case_whose_outcome_arrived_hides_it_until_it_is_decided(open_page, home):
    home.play("story", 15)
    rows = home.store.view("scored_instances", workspace="story", status="open")
    case_id = rows[rows["outcome"].notna()]["instance_id"].iloc[0]
    offered = open_page("explain").dataframe[0].value.set_index("case")
    assert offered.loc[case_id, "truth"] == HIDDEN
    waiting = open_page("explain", case=case_id)
    assert f"Waiting for a decision · truth {HIDDEN}" in words(waiting)
    assert "Review this case" in link_labels(waiting)

    claimed = workflow.claim(home.store, STORY, "Mina", now_ms=NOW, instance_id=case_id)
    assert f"truth {HIDDEN}" in words(open_page("explain", case=case_id))
    workflow.decide(
        home.store,
        STORY,
        claimed,
        verdict="unsure",
        reason=REASONS["unsure"][0],
        key="one",
        now_ms=NOW,
    )
    resources.settle("decisions")
    decided = open_page("explain", case=case_id)
    assert "Decided **unsure** by Mina · truth: **" in words(decided)
    assert "Review this case" not in link_labels(decided)
    offered = open_page("explain").dataframe[0].value.set_index("case")
    assert offered.loc[case_id, "truth"] in STORY.verdicts


def test_a_case_that_was_never_queued_offers_no_review(open_page):
    labels = link_labels(open_page("explain", case=USUAL))
    assert "Review this case" not in labels
    assert "Back to Monitor" in labels


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
    drawn, said = {}, []
    monkeypatch.setattr(reasons.st, "dataframe", lambda rows, **options: drawn.update(options))
    monkeypatch.setattr(reasons.st, "caption", said.append)
    reasons.similar(home.store, home.materials("story"), NOVEL, compact=True)
    assert "on_select" not in drawn
    assert drawn["column_config"]["distance"]["label"] == "distance, std. dev."
    (caption,) = said
    assert "standard deviations of the training rows" in caption
    assert "click" not in caption


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
    assert reasons.shown_truth(row, CARDS) == shown
    assert reasons.shown_truths(pd.DataFrame([row, row]), CARDS) == [shown, shown]


def test_training_rows_are_known_and_not_decided():
    found = pd.DataFrame({"truth": ["fraud", "", ""], "decision": ["", "legitimate", ""]})
    assert reasons._similar_sentence(found, CARDS) == "1 of the 2 nearest known cases was fraud."


@pytest.mark.parametrize(
    ("residual", "holds"), [(0.0, True), (RESIDUAL_LIMIT, True), (2 * RESIDUAL_LIMIT, False)]
)
def test_a_broken_receipt_says_so(residual, holds):
    evidence = {
        "residual": residual,
        "base_value": -1.0,
        "contributions": {"V4": 1.0},
        "score": 0.5,
        "probability": 0.6,
    }
    assert ("does not add up" in reasons.receipt(evidence)) is not holds
    assert reasons.receipt(evidence).endswith("✓") is holds


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
