"""Retrain: what is new, train, compare, promote with a reason, roll back."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from hitl import models, workflow
from hitl.store import Store
from hitl.ui import promotion, relearning, resources
from hitl.workflow import Person
from hitl.workspaces import REASONS, STORY

MINA = Person("Mina", "supervisor")
ROOT = Path(__file__).resolve().parents[2]
NOW_MS = 1_763_800_000_000
POSITIVES = ("story-1-3",)
"""The fraud among the first 15 rows of the tape."""


def decide(store: Store, verdict: str | None = None, limit: int = 1_000) -> None:
    """Decide waiting cases of the story: right, or all with one verdict."""
    for number in range(limit):
        held = workflow.claim(store, STORY, Person("Mina"), now_ms=NOW_MS + number)
        if held is None:
            return
        right = "fraud" if held.instance_id in POSITIVES else "legitimate"
        given = verdict or right
        workflow.decide(
            store, STORY, held, verdict=given, reason=REASONS[given][0],
            key=f"{held.instance_id}-{held.fence}", now_ms=NOW_MS + number,
        )  # fmt: skip


@pytest.fixture(scope="module")
def story() -> workflow.Materials:
    return workflow.materials(STORY, ROOT / "data")


@pytest.fixture(scope="module")
def databases(tmp_path_factory, story) -> dict[str, Path]:
    """The story before any decision, after them, and with a challenger compared."""
    folder = tmp_path_factory.mktemp("retrain")
    paths = {name: folder / f"{name}.duckdb" for name in ("fresh", "decided", "compared")}
    with Store(str(paths["fresh"])) as store:
        workflow.seed(store, story, seed=0, novelty_rate=0.001, now_ms=NOW_MS)
        workflow.ingest(store, story, 15, now_ms=NOW_MS)
    shutil.copy(paths["fresh"], paths["decided"])
    with Store(str(paths["decided"])) as store:
        decide(store)
    shutil.copy(paths["decided"], paths["compared"])
    with Store(str(paths["compared"])) as store:
        challenger = workflow.retrain(store, story, seed=0, person=MINA, now_ms=NOW_MS)
        workflow.compare(store, story, challenger, seed=0, now_ms=NOW_MS + 1)
    return paths


@pytest.fixture(autouse=True)
def warm(monkeypatch) -> None:
    """Run as a process does that has drawn its frame before: AppTest forgets it each time."""
    make = PagesManager.__init__

    def made(self, *arguments, **options) -> None:
        make(self, *arguments, **options)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", made)


@pytest.fixture
def copied(databases, tmp_path, monkeypatch):
    """Put a copy of one of the databases where the app looks for its own."""

    def copy(name: str) -> Path:
        path = tmp_path / "app.duckdb"
        shutil.copy(databases[name], path)
        monkeypatch.setenv("HITL_DATABASE_URL", str(path))
        monkeypatch.setenv("HITL_DATA_DIR", str(ROOT / "data"))
        return path

    st.cache_resource.clear()
    st.cache_data.clear()
    yield copy
    for job in resources.jobs().values():
        job.wait(60)
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def opened(copied):
    """Open the page on the story, on a copy of one of the databases."""

    def start(name: str, **query: str) -> AppTest:
        copied(name)
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
        for key, value in {"workspace": "story", **query}.items():
            app.query_params[key] = value
        app.run().switch_page("pages/retrain.py").run()
        assert not app.exception
        return app

    return start


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.success, app.warning, app.error, app.header)
    return "\n".join(element.value for kind in kinds for element in kind)


def history(app: AppTest) -> pd.DataFrame:
    return next(table.value for table in app.table if "Standing" in table.value)


def measures(app: AppTest) -> pd.DataFrame:
    return next(table.value for table in app.table if "Measure" in table.value).set_index("Measure")


def champion_id() -> str:
    return workflow.champion(resources.store(), "story").model_id


def block(store: Store) -> None:
    """Add a newer comparison of the same two models, with one gate blocked."""
    row = store.view("newest_comparisons", workspace="story").iloc[0].to_dict()
    body = json.loads(row["body"])
    body["is_passed"] = body["gates"][2]["passed"] = False
    body["gates"][2]["sentence"] = "9 known frauds would be lost."
    newer = {"comparison_id": "c-later", "compared_ms": row["compared_ms"] + 1, "is_passed": False}
    store.append("comparisons", [{**row, **newer, "body": json.dumps(body)}])


# What is new, and training


def test_with_nothing_to_learn_the_page_says_what_to_do_first(copied, story) -> None:
    path = copied("fresh")
    path.unlink()
    with Store(str(path)) as store:
        workflow.seed(store, story, seed=0, novelty_rate=0.001, now_ms=NOW_MS)
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    app.query_params["workspace"] = "story"
    app.run().switch_page("pages/retrain.py").run()
    assert app.button(key="train").disabled
    assert "0 decisions** (0 fraud, 0 legitimate, 0 unsure) · **0 outcomes**" in words(app)
    assert "decide a waiting case" in words(app)
    assert "has no challenger yet" in words(app)
    assert "there is none to go back to" in words(app)


def test_news_are_counted_by_verdict_and_source(opened) -> None:
    app = opened("fresh")
    before = relearning.news(STORY)
    decide(resources.store(), limit=1)
    decide(resources.store(), verdict="unsure", limit=1)
    app.run()
    assert before["decisions"] == 0
    assert "2 decisions** (0 fraud, 1 legitimate, 1 unsure)" in words(app)
    assert f"**{before['outcomes']} outcomes**" in words(app)
    assert not app.button(key="train").disabled


def test_one_decision_is_not_called_decisions(opened) -> None:
    app = opened("fresh")
    decide(resources.store(), limit=1)
    assert "1 decision**" in words(app.run())


def test_training_runs_off_the_page_and_ends_in_a_comparison(opened) -> None:
    app = opened("decided")
    app.text_input(key="reviewer").set_value("Ada").run()
    app.button(key="train").click().run()
    job = resources.jobs()["story"]
    job.wait(60)
    assert job.trouble == ""
    app.run()
    assert not app.exception
    assert "MAY BE PROMOTED" in words(app)
    assert "Gates: 5 of 5 passed" in words(app)
    newest = history(app).iloc[0]
    assert (newest["Standing"], newest["By"]) == (promotion.NEVER, "Ada")


def test_while_training_runs_its_progress_is_shown_and_no_second_one_starts(copied) -> None:
    copied("decided")
    resources.materials("story")
    first = relearning.start(STORY, Person("Ada", "supervisor"))
    second = relearning.start(STORY, Person("Bo", "supervisor"))
    assert (second is first) or not first.is_running
    first.wait(60)
    assert first.share == 1.0
    assert first.result["is_passed"]


def test_an_error_of_the_training_stays_on_the_page(copied, story) -> None:
    path = copied("fresh")
    path.unlink()
    with Store(str(path)) as store:
        workflow.seed(store, story, seed=0, novelty_rate=0.001, now_ms=NOW_MS)
    relearning.start(STORY, Person("Ada", "supervisor")).wait(60)
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    app.query_params["workspace"] = "story"
    app.run().switch_page("pages/retrain.py").run()
    for _ in range(2):
        assert "There is nothing new to learn." in words(app)
        app.run()


# Old and new


def test_the_headline_says_what_may_be_promoted_and_what_is_shown_different(opened) -> None:
    app = opened("compared")
    [headline] = [one.value for one in app.success]
    assert "**MAY BE PROMOTED: every gate is passed.**" in headline
    table = measures(app)
    for standing in ("better", "worse"):
        shown = table.index[table["New is"] == relearning.STANDING_WORDS[standing]].tolist()
        assert all(name in headline for name in shown)
    assert "natural prevalence" in headline


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([], "No measure is shown better or worse at natural prevalence."),
        ([("recall", -1, 1)], "No measure is shown better or worse at natural prevalence."),
        (
            [("recall", 0.1, 0.2), ("precision", -0.2, -0.1), ("brier", 0.1, 0.2)],
            "At natural prevalence shown better: Frauds found (recall); shown worse: Right alerts "
            "(precision), Error of the probability (Brier).",
        ),
        (
            [("recall", 0.1, 0.2)],
            "At natural prevalence shown better: Frauds found (recall); shown worse: no measure.",
        ),
    ],
)
def test_measures_shown_different_are_named(found, sentence) -> None:
    metrics = [metric(name, (low + high) / 2, low, high) for name, low, high in found]
    balanced = metric("roc_auc", 0.2, 0.1, 0.3, test_set="balanced")
    assert relearning.shown_different([*metrics, balanced]) == sentence


@pytest.mark.parametrize("n", [1, 12])
def test_overruled_decisions_are_named_beside_their_gate(opened, n) -> None:
    app = opened("compared")
    store = resources.store()
    row = store.view("newest_comparisons", workspace="story").iloc[0].to_dict()
    body = json.loads(row["body"])
    body["gates"][1]["evidence"]["overruled"] = [f"story-1-{i}" for i in range(n)]
    newer = {"comparison_id": "c-later", "compared_ms": row["compared_ms"] + 1}
    store.append("comparisons", [{**row, **newer, "body": json.dumps(body)}])
    text = words(app.run())
    assert "Overruled: `story-1-0`" in text
    assert ("`story-1-9` and 2 more." in text) is (n == 12)


def test_natural_and_balanced_are_one_choice_that_stands_in_the_url(opened) -> None:
    app = opened("compared")
    natural = measures(app)
    assert app.radio(key="test_set").value == "natural"
    app.radio(key="test_set").set_value("balanced").run()
    assert "A balanced set cannot see false alarms" in words(app)
    assert not natural.equals(measures(app))
    assert opened("compared", test_set="balanced").radio(key="test_set").value == "balanced"


def test_every_measure_stands_in_plain_words_with_its_standing(opened) -> None:
    table = measures(opened("compared"))
    assert len(table) == len(relearning.MEASURES)
    assert "Flagged frauds, of all frauds" in table["What it is"].tolist()
    assert set(table["New is"]) <= set(relearning.STANDING_WORDS.values())


def test_calibration_is_said_at_natural_prevalence(opened) -> None:
    assert "**Calibration:** the old model expects" in words(opened("compared"))


def test_every_gate_is_a_word_an_icon_and_a_sentence(opened, databases) -> None:
    text = words(opened("compared"))
    st.cache_resource.clear()
    with Store(str(databases["compared"])) as store:
        body = json.loads(store.view("comparisons", workspace="story").iloc[0]["body"])
    assert text.count(":material/check: passed]") == len(body["gates"]) == 5
    assert all(gate["sentence"] in text for gate in body["gates"])
    assert "Training again on a random redraw" in text


def test_a_blocked_gate_holds_the_challenger_back_and_says_why(opened) -> None:
    app = opened("compared")
    block(resources.store())
    app.run()
    assert "**HOLD**" in app.warning[0].value
    assert "9 known frauds would be lost." in app.warning[0].value
    assert "Gates: 4 of 5 passed" in words(app)
    assert ":material/close: blocked]" in words(app)
    assert app.button(key="promote").disabled
    assert "cannot be promoted while a gate is blocked" in words(app)


def test_stream_cases_that_would_change_are_listed_and_open_in_explain(opened) -> None:
    app = opened("compared")
    table = next(d.value for d in app.dataframe if "Case" in d.value)
    assert len(table) > 5
    assert f"Cases that would change: {len(table)}" in words(app)
    app.session_state["flips"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert not app.exception
    assert app.query_params["case"] == table["Case"].iloc[1]
    assert "Retrain" not in [title.value for title in app.title]


# Promotion and history


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_promotion_without_a_reason_is_refused_and_the_page_stays(opened, reason) -> None:
    app = opened("compared")
    before = champion_id()
    app.text_input(key="promotion_reason").set_value(reason)
    app.button(key="promote").click().run()
    assert "A promotion needs a reason." in app.error[0].value
    assert app.text_input(key="promotion_reason").value == reason
    assert "Roll back" in words(app)
    assert champion_id() == before


def test_a_promotion_with_a_reason_is_seen_at_once(opened) -> None:
    app = opened("compared")
    before = champion_id()
    app.text_input(key="reviewer").set_value("Ada").run()
    app.text_input(key="promotion_reason").set_value("fewer false alarms *here*")
    app.button(key="promote").click().run()
    assert not app.error
    promoted = champion_id()
    assert promoted != before
    assert f"{promoted} has no challenger yet" in words(app)
    newest = history(app).iloc[0]
    assert newest["Model"] == f"`{promoted}`"
    assert "champion" in newest["Standing"]
    assert (newest["By"], newest["Why"]) == ("Ada", r"fewer false alarms \*here\*")
    assert f"Since {promoted}: 0 decisions" in words(app)


def test_a_roll_back_needs_a_reason_and_puts_the_predecessor_back(opened) -> None:
    app = opened("compared")
    first = champion_id()
    app.text_input(key="promotion_reason").set_value("better")
    app.button(key="promote").click().run()
    app.button(key="roll_back_now").click().run()
    assert "A promotion needs a reason." in app.error[0].value
    app.text_input(key="roll_back_reason_2").set_value("worse at night")
    app.button(key="roll_back_now").click().run()
    assert champion_id() == first
    assert history(app).iloc[0]["Why"] == "worse at night"
    assert "rolled back to" in history(app).iloc[0]["Standing"]


def test_a_model_that_was_rolled_back_is_not_recommended_again(opened) -> None:
    app = opened("compared")
    assert app.button(key="promote").proto.type == "primary"
    app.text_input(key="reviewer").set_value("Ada").run()
    app.text_input(key="promotion_reason").set_value("better")
    app.button(key="promote").click().run()
    back = champion_id()
    app.text_input(key="roll_back_reason_2").set_value("worse at night")
    app.button(key="roll_back_now").click().run()
    assert not app.success
    [warning] = [one.value for one in app.warning]
    assert f"**ROLLED BACK** {back} was rolled back 2" in warning
    assert "UTC by Ada: worse at night" in warning
    assert "MAY BE PROMOTED" not in words(app)
    assert app.button(key="promote").proto.type == "secondary"
    assert not app.button(key="promote").disabled
    assert app.button(key="train").proto.type == "primary"
    block(resources.store())
    app.run()
    assert "**HOLD**" in app.warning[0].value
    assert "by Ada: worse at night" in app.warning[0].value


# Numbers in words


def metric(name: str, difference, low, high, **more) -> dict:
    plain = {"test_set": "natural", "champion": 0.5, "challenger": 0.5}
    return {**plain, "metric": name, "difference": difference, "low": low, "high": high, **more}


@pytest.mark.parametrize(
    ("name", "low", "high", "standing"),
    [
        ("recall", 0.01, 0.02, "better"),
        ("recall", -0.02, -0.01, "worse"),
        ("recall", -0.01, 0.02, "cannot tell"),
        ("brier", -0.02, -0.01, "better"),
        ("false_positives", 1.0, 5.0, "worse"),
        ("recall", None, None, "cannot tell"),
    ],
)
def test_the_interval_decides_better_or_worse(name, low, high, standing) -> None:
    middle = None if low is None else (low + high) / 2
    [row] = relearning.metric_rows([metric(name, middle, low, high)], "natural").to_dict("records")
    assert row["standing"] == standing


def test_two_equal_models_are_the_same_and_not_unknown() -> None:
    [row] = relearning.metric_rows([metric("recall", 0, 0, 0)], "natural").to_dict("records")
    assert row["standing"] == "the same"


def test_a_gain_is_in_points_and_positive_when_less_is_better() -> None:
    found = metric("false_positive_rate", -0.02, -0.03, -0.01)
    [row] = relearning.metric_rows([found], "natural").to_dict("records")
    assert [row[k] for k in ("gain", "gain_low", "gain_high")] == pytest.approx([2, 1, 3])


def test_only_the_chosen_test_set_and_known_measures_are_shown() -> None:
    found = [
        metric("recall", 0, 0, 0, test_set="balanced"),
        metric("unheard_of", 0, 0, 0),
        metric("recall", 0, 0, 0),
    ]
    assert len(relearning.metric_rows(found, "natural")) == 1


def test_old_new_and_difference_are_written_with_their_units() -> None:
    found = [
        metric("recall", 0.024, 0, 0.071, champion=0.738, challenger=0.762),
        metric("false_positives", -3, -8, 1, champion=13.6, challenger=10.6),
        metric("precision", None, None, None, champion=None, challenger=1.0),
    ]
    table = relearning.metric_table(relearning.metric_rows(found, "natural"))
    written = table[["Old", "New", "Difference (95 % interval)"]].map(
        lambda text: text.replace(relearning.NO_BREAK, " ")
    )
    assert written.values.tolist() == [
        ["73.8 %", "76.2 %", "+2.4 points (0 to +7.1)"],
        ["13.6", "10.6", "−3 (−8 to +1)"],
        ["nothing flagged", "100 %", "–"],
    ]


# The workflow behind the lists


def test_flips_are_the_cases_that_both_models_judge_differently(databases, story) -> None:
    with Store(str(databases["compared"])) as store:
        row = store.view("newest_comparisons", workspace="story").iloc[0]
        found = workflow.flips(store, story, row["challenger_id"])
        scored = store.view("scored_instances", workspace="story")
        pair = [workflow.stored(store, row[s]).model for s in ("champion_id", "challenger_id")]
    rows = pd.DataFrame([json.loads(text) for text in scored["features"]])
    before, after = (models.flagged(model, rows) for model in pair)
    wanted = set(scored["instance_id"][before != after])
    assert wanted == set(found["instance_id"])
    gone = found.set_index("instance_id")["change"].eq("no longer flagged")
    assert set(gone.index[gone]) == set(scored["instance_id"][before & ~after])


def test_a_model_flips_nothing_against_itself(databases, story) -> None:
    with Store(str(databases["fresh"])) as store:
        found = workflow.flips(store, story, workflow.champion(store, "story").model_id)
    assert found.empty
    assert "change" in found


def test_flips_of_an_empty_stream_are_an_empty_table(tmp_path, databases, story) -> None:
    with Store(str(databases["fresh"])) as store:
        one = workflow.champion(store, "story").model_id
        assert workflow.flips(store, story, one, limit=0).empty


def test_changed_rows_carry_truth_and_both_probabilities(databases, story) -> None:
    with Store(str(databases["compared"])) as store:
        row = store.view("newest_comparisons", workspace="story").iloc[0]
        body = json.loads(row["body"])
        body["changed"] = [
            {"row_number": 1, "change": "newly right", "row": int(story.test["row"].iloc[1])},
            {"row_number": 0, "change": "newly wrong", "row": int(story.test["row"].iloc[0])},
        ]
        found = workflow.changed_rows(store, story, body)
        new = workflow.stored(store, row["challenger_id"]).model
    assert found["change"].tolist() == ["newly wrong", "newly right"]
    assert found["truth"].tolist() == story.test["Class"].iloc[[0, 1]].tolist()
    wanted = models.probabilities(new, story.test.iloc[[0, 1]])
    assert found["challenger_probability"].tolist() == pytest.approx(wanted.tolist())


def test_a_comparison_without_changes_lists_none(databases, story) -> None:
    with Store(str(databases["compared"])) as store:
        body = json.loads(store.view("newest_comparisons", workspace="story").iloc[0]["body"])
        assert workflow.changed_rows(store, story, {**body, "changed": []}).empty
