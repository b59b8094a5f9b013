"""Fairness: segments of the payment, the model beside people, and what is not known."""

import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from hitl import fairness, workflow
from hitl.store import Store
from hitl.ui import segments
from hitl.workflow import Person
from hitl.workspaces import CARDS, REASONS, STORY

ROOT = Path(__file__).resolve().parents[2]
NOW_MS = 1_763_800_000_000


def decide_all(store: Store, truth: dict[str, bool]) -> None:
    for number in range(1_000):
        held = workflow.claim(store, CARDS, Person("Mina"), now_ms=NOW_MS + number)
        if held is None:
            return
        verdict = "fraud" if truth[held.instance_id] else "legitimate"
        verdict = "unsure" if number % 5 == 4 else verdict
        workflow.decide(
            store, CARDS, held, verdict=verdict, reason=REASONS[verdict][0],
            key=f"k{number}", now_ms=NOW_MS + number,
        )  # fmt: skip


@pytest.fixture(scope="module")
def databases(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fairness")
    paths = {name: folder / f"{name}.duckdb" for name in ("empty", "one", "many")}
    rows = workflow.materials(dataclasses.replace(CARDS, opening_rows=0), ROOT / "data")
    with Store(str(paths["empty"])) as store:
        workflow.seed(store, rows, seed=0, novelty_rate=0.001, now_ms=NOW_MS)
    for name, count in (("one", 1), ("many", 1_500)):
        shutil.copy(paths["empty"], paths[name])
        with Store(str(paths[name])) as store:
            workflow.ingest(store, rows, count, now_ms=NOW_MS, audit_share=0.05)
            if name == "many":
                classes = enumerate(rows.stream["Class"].head(count))
                decide_all(store, {f"cards-1-{i}": bool(label) for i, label in classes})
    return paths


@pytest.fixture
def opened(databases, tmp_path, monkeypatch):
    """Open the page on a copy of one of the databases."""

    def start(name: str, **query: str) -> AppTest:
        path = tmp_path / "app.duckdb"
        shutil.copy(databases[name], path)
        monkeypatch.setenv("HITL_DATABASE_URL", str(path))
        monkeypatch.setenv("HITL_DATA_DIR", str(ROOT / "data"))
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
        for key, value in query.items():
            app.query_params[key] = value
        app.run().switch_page("pages/fairness.py").run()
        assert not app.exception
        return app

    st.cache_resource.clear()
    st.cache_data.clear()
    yield start
    st.cache_resource.clear()
    st.cache_data.clear()


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.header, app.title, app.error)
    return "\n".join(element.value for kind in kinds for element in kind)


def tables(app: AppTest) -> list[pd.DataFrame]:
    return [table.value for table in app.table]


# What the page shows


def test_without_scored_payments_the_page_says_where_to_begin(opened) -> None:
    app = opened("empty")
    assert "No payment has been scored yet" in words(app)
    assert not app.table
    assert CARDS.sensitive_note in words(app)


def test_the_story_says_why_nothing_is_compared_and_where_to_go(opened) -> None:
    app = opened("empty", workspace="story")
    assert "Nothing is compared in Story" in words(app)
    assert STORY.sensitive_note in words(app)
    assert not app.table


def test_the_page_says_that_no_attribute_of_a_person_is_known(opened) -> None:
    app = opened("many")
    assert app.title[0].value == "Group differences"
    assert CARDS.sensitive_note in words(app)


def test_one_payment_is_counted_and_nothing_is_concluded(opened) -> None:
    app = opened("one")
    assert "Outcome known for 0 of 1" in words(app)
    assert "Nobody has decided a case yet" in words(app)
    assert words(app).count("cannot tell]") == 3
    [model] = tables(app)
    assert model["n"].tolist() == ["1"]


def test_model_and_people_stand_beside_each_other_with_their_counts(opened, databases) -> None:
    app = opened("many")
    model, people = tables(app)
    assert [header.value for header in app.header][:2] == [
        "The model's flags",
        "People's decisions",
    ]
    assert sum(int(n.replace(",", "")) for n in model["n"]) == 1_500
    st.cache_resource.clear()
    with Store(str(databases["many"])) as store:
        decided = store.view("decisions", workspace="cards")
    assert sum(map(int, people["n"])) == (decided["verdict"] != "unsure").sum()


def test_the_page_says_what_is_not_known(opened, databases) -> None:
    text = words(opened("many"))
    st.cache_resource.clear()
    with Store(str(databases["many"])) as store:
        known = len(store.view("outcomes", workspace="cards"))
    assert 0 < known < 1_500
    assert f"Outcome known for {known:,} of 1,500" in text
    assert "can only be seen through outcomes and the audit share" in text
    assert "natural prevalence" in text


def test_every_rate_has_one_of_the_three_verdicts(opened) -> None:
    text = words(opened("many"))
    assert sum(text.count(f" {verdict}]") for verdict in segments.VERDICTS) == 6
    assert "positives" not in text
    assert "negatives" not in text


def test_the_segments_stand_in_the_url(opened) -> None:
    app = opened("many", segment="Hour of day")
    assert app.radio(key="segment").value == "Hour of day"
    assert next(iter(tables(app)[0].columns)) == "Hour of day"
    app.radio(key="segment").set_value("Amount").run()
    assert next(iter(tables(app)[0].columns)) == "Amount"


def test_an_unknown_segment_in_the_url_is_ignored(opened) -> None:
    assert opened("many", segment="age").radio(key="segment").value == "Amount"


# The counting, against a count by hand


def scored_rows(**columns) -> pd.DataFrame:
    size = len(next(iter(columns.values())))
    plain = {"source_row": range(size), "weight": 1.0, "is_flagged": False, "outcome": None}
    return pd.DataFrame({**plain, "verdict": None, "Amount": 5.0, "Time": 0.0, **columns})


def test_a_payment_played_twice_is_counted_once_for_the_model() -> None:
    rows = scored_rows(source_row=[7, 7, 8], is_flagged=[True, True, False])
    table = segments.model_table(rows, segments.SEGMENTINGS["Amount"], CARDS)
    assert table["rows"].tolist() == [2]
    assert table["flag_rate"].tolist() == [0.5]


def test_weights_move_the_share_and_n_stays_the_raw_count() -> None:
    rows = scored_rows(is_flagged=[True, False], weight=[1.0, 9.0])
    table = segments.model_table(rows, segments.SEGMENTINGS["Amount"], CARDS)
    assert table["flag_rate"].tolist() == [0.1]
    assert table["rows"].tolist() == [2]


def test_unsure_decisions_are_neither_right_nor_wrong() -> None:
    rows = scored_rows(
        verdict=["fraud", "legitimate", "unsure", None], outcome=[False, True, True, True]
    )
    table = segments.people_table(rows, segments.SEGMENTINGS["Amount"], CARDS).iloc[0]
    assert (table["rows"], table["flag_rate"]) == (2, 0.5)
    assert (table["fpr"], table["fnr"]) == (1.0, 1.0)


def test_without_a_sure_decision_there_is_no_table_of_people() -> None:
    rows = scored_rows(verdict=["unsure", None])
    assert segments.people_table(rows, segments.SEGMENTINGS["Amount"], CARDS).empty


def test_amounts_carry_their_currency() -> None:
    rows = scored_rows(Amount=[0.5, 20.0, 500.0])
    table = segments.model_table(rows, segments.SEGMENTINGS["Amount"], CARDS)
    assert table["group_name"].tolist() == ["under €1", "€10 to 50", "€200 and more"]


def test_hours_are_quarters_of_the_day_unless_all_rows_lie_in_one() -> None:
    hour = 3_600.0
    wide = scored_rows(Time=[2 * hour, 13 * hour])
    narrow = scored_rows(Time=[18.5 * hour, 20 * hour])
    names = [
        segments.model_table(rows, segments.SEGMENTINGS["Hour of day"], CARDS)[
            "group_name"
        ].tolist()
        for rows in (wide, narrow)
    ]
    assert names == [["0 to 6 h", "12 to 18 h"], ["18 to 19 h", "20 to 21 h"]]


def test_a_share_is_written_with_its_interval_or_as_nothing_to_count() -> None:
    table = fairness.by_group(["a", "a"], [True, False], [0, 0])
    flag, _, missed = segments.RATES
    assert segments.shares(table, flag) == ["50 % (9.5 to 91)"]
    assert segments.shares(table, missed) == ["none to count"]


def test_a_sentence_about_people_does_not_speak_of_flags() -> None:
    sentence = "“a” is wrongly flagged 2 points more often, 30 negatives, 30 positives"
    assert segments.plain_sentence(sentence, by_people=True) == (
        "“a” is wrongly called fraud 2 points more often, 30 known legitimate payments, "
        "30 known frauds"
    )
    assert "wrongly flagged" in segments.plain_sentence(sentence, by_people=False)


def test_the_features_of_a_scored_row_hold_amount_and_time(databases) -> None:
    with Store(str(databases["one"])) as store:
        [body] = store.view("scored_instances", workspace="cards")["features"]
    assert {"Amount", "Time"} <= set(json.loads(body))
