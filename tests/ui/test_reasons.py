"""What the upper half of Explain writes, from evidence that is written down here."""

import pytest

from hitl.charts.rows import OTHER
from hitl.explain import RESIDUAL_LIMIT
from hitl.ui import reasons
from hitl.workspaces import CARDS, PAYMENTS
from tests.pages.conftest import unescaped

RAISING = {"sentence": "V4 is 9, higher than 99 % of them; this raises it.", "direction": "raises"}
LOWERING = {"sentence": "V14 is usual; this lowers it.", "direction": "lowers"}


@pytest.fixture
def said(monkeypatch):
    """What is written as Markdown, caption or warning, in order."""
    written: list[str] = []
    for kind in ("markdown", "caption", "warning"):
        monkeypatch.setattr(reasons.st, kind, lambda text, **_: written.append(unescaped(text)))
    return written


def test_a_decided_case_names_who_decided():
    case = {"verdict": "fraud", "reviewer": "Mi_na", "outcome": True, "status": "decided"}
    written = unescaped(reasons.standing(case, CARDS))
    assert written == "Decided **fraud** by Mi_na · truth: **fraud**"
    waiting = {"verdict": None, "reviewer": None, "outcome": None, "status": "open"}
    assert reasons.standing(waiting, CARDS) == "Waiting for a decision · truth not known yet"


def test_companions_are_told_except_amount_and_time():
    row = {"amount": 3.0, "hour": 9, "customer": "C0134", "terminal": None, "time_s": 5}
    assert reasons.companions(row, PAYMENTS) == ["hour 9", "customer C0134"]
    assert reasons.companions({"Amount": 3.0, "Time": 7.0}, CARDS) == []


def test_a_companion_from_somebody_elses_file_is_no_markup():
    (told,) = reasons.companions({"customer": "[x](http://a.example) :red[y]"}, PAYMENTS)
    assert "](" not in told
    assert ":red[" not in told
    assert unescaped(told) == "customer [x](http://a.example) :red[y]"


def test_a_case_that_is_not_novel_has_no_warning(said):
    reasons.warning({"warnings": []})
    reasons.warning({"warnings": ["Unlike anything.", "Row 7 is nearest.", "A guess."]})
    assert said == ["**Unlike anything.** Row 7 is nearest. A guess."]


def test_the_verdict_stands_with_its_cost(said):
    reasons.verdict({"sentence": "Flagged: 0.9.", "cost": "€9 against €6."})
    reasons.verdict({"sentence": "Not flagged.", "cost": ""})
    assert said == ["**Flagged: 0.9.** €9 against €6.", "**Not flagged.**"]


def test_reasons_are_numbered_and_what_lowers_stands_apart(said):
    reasons.sentences({"told": [RAISING, RAISING, LOWERING], "summary": "These are most."})
    lines = said[0].split("\n")
    assert [line[:3] for line in lines[:2]] == ["1. ", "2. "]
    assert lines[-1] == f"**Against:** {LOWERING['sentence']}"
    assert said[1] == "These are most."


def test_reasons_that_are_none_say_so(said):
    reasons.sentences({"told": [], "summary": ""})
    reasons.sentences({"told": [LOWERING], "summary": "All."})
    assert "no reason" in said[0]
    assert said[1].startswith("Nothing raises the score noticeably.")
    assert "**Against:**" in said[1]


def line(feature, value, contribution, low=None, high=None, percentile=None):
    return {
        "feature": feature,
        "label": f"The {feature}",
        "value": value,
        "contribution": contribution,
        "typical_low": low,
        "typical_high": high,
        "percentile": percentile,
    }


def test_contributions_are_a_table_of_numbers_categories_and_gaps():
    table = [
        line("amount", 41.25, 2.0, 1.0, 30.0, 99.0),
        line("channel", "web", -1.0),
        line("age", None, 0.5),
        line(OTHER, None, 0.1),
    ]
    rows = reasons.contribution_rows({"table": table})
    assert rows["column"].tolist() == ["amount", "channel", "age", OTHER]
    assert rows["value"].tolist() == ["41.2", "web", "missing", ""]
    assert rows["typical"].tolist() == ["1 to 30", "", "", ""]
    assert rows["log-odds"].tolist() == [2.0, -1.0, 0.5, 0.1]


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
    assert "average" not in reasons.receipt(evidence)
    assert "Start −1 + contributions 1 = score 0.5, probability 0.6" in reasons.receipt(evidence)


def test_the_model_explained_is_named(monkeypatch):
    monkeypatch.setattr(reasons.resources, "champion_id", lambda name, promotions: "m-new")
    state = reasons.resources.State(*range(7))
    assert "is in use" in reasons.which_model({"model_id": "m-new"}, CARDS, state)
    told = reasons.which_model({"model_id": "m-old"}, CARDS, state)
    assert "m-old" in told
    assert "In use now is m-new." in told
