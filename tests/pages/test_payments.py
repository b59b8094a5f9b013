"""The payments workspace on every page: it behaves as cards does, with people as groups."""

import json

import pandas as pd
import pytest

from hitl import workflow
from hitl.ui import monitoring, resources, segments, similar
from hitl.workflow import Person
from hitl.workspaces import CARDS, PAYMENTS, REASONS, STORY
from tests.pages.conftest import NOW, words


@pytest.fixture(scope="module", autouse=True)
def played(home) -> None:
    """Played to its end, so that every outcome has arrived, and six cases decided."""
    rows = home.materials("payments")
    home.play("payments", len(rows.stream))
    home.play("payments", 1)
    for number in range(6):
        claimed = workflow.claim(home.store, PAYMENTS, Person("Mina"), now_ms=NOW)
        step = int(claimed.instance_id.rsplit("-", 1)[1])
        verdict = "fraud" if rows.stream["is_fraud"].iloc[step] else "legitimate"
        workflow.decide(
            home.store, PAYMENTS, claimed, verdict=verdict, reason=REASONS[verdict][0],
            key=f"p-{number}", now_ms=NOW + number,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("page", "figures"),
    [
        ("monitor", ["Flagged", "Alerts per 10,000", "amount_ratio"]),
        ("explain", ["Choose a case"]),
        ("review", ["waiting", "Decisions"]),
        ("fairness", ["Outcome known for", "The model's flags", "People's decisions"]),
        ("retrain", ["new", "Retrain"]),
        ("settings", ["Workspace: Payments", "none of them real", "terminal_risk_7d"]),
    ],
)
def test_every_page_opens_with_its_figures(open_page, page, figures) -> None:
    app = open_page(page, "payments")
    said = words(app) + "".join(table.value.to_string() for table in app.table)
    assert not app.exception
    assert not app.error
    for figure in figures:
        assert figure in said
    if page != "settings":
        assert not any(name in said for name in ("Time", "V14", "Class"))


def test_amounts_stand_in_the_tables_and_a_text_is_never_offered_as_a_chart(open_page) -> None:
    app = open_page("monitor", "payments")
    table = app.dataframe[-1].value
    assert table["amount"].between(0, 5_000).all()
    options = app.selectbox(key="first").options
    assert options == list(PAYMENTS.features)
    assert not {"customer", "terminal", "age_band"} & set(options)
    assert app.caption[-1].value == PAYMENTS.notice


def test_a_case_is_explained_with_its_amount_and_without_its_person(open_page, home) -> None:
    rows = home.store.view("scored_instances", workspace="payments", state="known anomaly", limit=1)
    case = rows["instance_id"].iloc[0]
    features = json.loads(rows["features"].iloc[0])
    app = open_page("explain", "payments", case=case)
    said = words(app)
    assert not app.exception
    assert f"{features['amount']:,.2f}" in said
    shown = said + "".join(table.value.to_string() for table in app.dataframe)
    for band in (features["age_band"], features["region"], "age_band"):
        assert f" {band} " not in shown


def test_a_case_is_decided_in_two_keys(open_page, home) -> None:
    app = open_page("review", "payments")
    app.button(key="start").click().run()
    claimed = workflow.held(home.store, PAYMENTS, Person(app.session_state["reviewer"]))
    assert claimed is not None
    app.button(key="verdict-legitimate").click().run()
    app.button(key="reason-1").click().run()
    assert not app.exception
    decided = home.store.view("decisions", workspace="payments", instance_id=claimed.instance_id)
    assert decided["verdict"].tolist() == ["legitimate"]


@pytest.mark.parametrize("segment", ["Amount", "Hour of day", "Age band", "Region"])
def test_payments_are_parted_four_ways(open_page, segment) -> None:
    app = open_page("fairness", "payments", segment=segment)
    assert not app.exception
    assert app.radio(key="segment").value == segment
    assert next(iter(app.table[0].value.columns)) == segment


def test_the_planted_disparity_is_said_and_seen(open_page) -> None:
    app = open_page("fairness", "payments", segment="Age band")
    said = words(app)
    assert "Simulated people" in said
    assert "A disparity is planted" in said
    assert "belong to no person" in said
    assert "“18 to 29” is wrongly flagged" in said
    assert set(app.table[0].value["Age band"]) == {
        "18 to 29", "30 to 44", "45 to 59", "60 and over"
    }  # fmt: skip


def test_company_payments_are_no_group_of_people(home) -> None:
    rows = segments.scored(PAYMENTS)
    assert rows["age_band"].isna().any()
    bands = segments.model_table(rows, segments.SEGMENTINGS["Age band"], PAYMENTS)
    assert bands["rows"].sum() == rows["age_band"].notna().sum()
    amounts = segments.model_table(rows, segments.SEGMENTINGS["Amount"], PAYMENTS)
    assert amounts["rows"].sum() == len(rows)
    company = rows[rows["age_band"].isna()]
    assert segments.model_table(company, segments.SEGMENTINGS["Region"], PAYMENTS).empty


def test_hours_are_those_of_the_stream(home) -> None:
    rows = segments.scored(PAYMENTS).head(500)
    table = segments.model_table(rows, segments.SEGMENTINGS["Hour of day"], PAYMENTS)
    hours = [json.loads(body)["hour"] for body in home.store.view(
        "scored_instances", workspace="payments", order=("-scored_ms", "-run", "-step"), limit=500
    )["features"]]  # fmt: skip
    afternoon = sum(12 <= hour < 18 for hour in hours)
    assert table.set_index("group_name").loc["12 to 18 h", "rows"] == afternoon


def test_people_are_groups_where_something_of_them_is_known() -> None:
    assert segments.offered(CARDS) == ["Amount", "Hour of day"]
    assert segments.offered(PAYMENTS) == ["Amount", "Hour of day", "Age band", "Region"]


def test_without_an_amount_tables_have_none(home) -> None:
    row = {"id": "a", "distance": 1.0, "decision": "", "truth": "", "known_from": "training"}
    found = pd.DataFrame([{**row, "amount": 5.0, "Amount": 7.0}])
    assert similar.similar_table(found, PAYMENTS)["amount"].tolist() == [5.0]
    assert similar.similar_table(found, CARDS)["amount"].tolist() == [7.0]
    assert "amount" not in similar.similar_table(found.drop(columns="amount"), STORY)


def test_the_stream_says_that_its_rows_are_simulated(home) -> None:
    rows = monitoring.window(PAYMENTS)
    laid = monitoring.stream_rows(rows, *PAYMENTS.shown, PAYMENTS)
    assert set(laid["origin"]) == {"simulated"}


def test_a_world_without_disparity_says_so(home, open_page, monkeypatch) -> None:
    even = workflow.materials(PAYMENTS, home.folder, disparity=False)
    monkeypatch.setattr(resources, "materials", lambda name: even)
    assert "No disparity is planted" in words(open_page("fairness", "payments"))
