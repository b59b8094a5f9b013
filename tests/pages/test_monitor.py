import os
import subprocess
import sys
import time

import pandas as pd
import pytest

from hitl.charts.streams import HIDDEN
from hitl.drift import KS
from hitl.errors import StoreError
from hitl.ui import clock, monitoring, resources
from hitl.workflow import times
from hitl.workspaces import CARDS, STORY
from tests.pages.conftest import NOW, ROOT, words


def button(app, label):
    return next(b for b in app.button if b.label == label)


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


# The pages below share one database and build on each other, in this order


def test_before_the_first_row_the_page_says_how_to_begin(open_page):
    app = open_page("monitor")
    assert not app.exception
    assert "Press Play above" in app.info[0].value
    assert "Event time **not started**" in words(app)
    assert words(app).count("nothing yet") == 3


def test_what_waits_from_before_is_listed_under_all(open_page):
    app = open_page("monitor", rows_shown="All")
    table = app.dataframe[0].value
    assert len(table) == 12
    assert set(table["origin"]) == {"constructed"}
    assert set(table["time"]) == {"before day 1"}


def test_a_step_plays_one_row_and_all_charts_stand(open_page):
    app = open_page("monitor")
    button(app, "Step").click().run()
    assert not app.exception
    assert app.get("vega_lite_chart") is not None
    assert "row 1 of 30" in words(app)
    assert app.header[0].value == "The first payment"
    assert app.dataframe[0].value["case"].tolist() == ["story-1-0"]


def test_play_runs_to_the_end_and_then_offers_to_play_again(open_page):
    app = open_page("monitor")
    app.select_slider(key="speed").set_value(100).run()
    assert resources.player("story").speed == 100
    button(app, "Play").click().run()
    wait_until(lambda: not resources.player("story").is_playing)
    app.run()
    assert not app.exception
    assert "row 30 of 30" in words(app)
    assert button(app, "Play again")


def test_the_three_lights_show_figures(open_page):
    said = words(open_page("monitor"))
    assert "6 of 6 unknown rows flagged in the first run." in said
    assert said.count(":material/check_circle: holds") == 2


def test_the_truth_of_cases_that_wait_is_hidden_in_chart_and_table(open_page, home):
    rows = monitoring.window(STORY).set_index("instance_id")
    waiting = rows["status"].isin(["open", "claimed"]) & rows["outcome"].notna()
    assert 0 < waiting.sum() < rows["outcome"].notna().sum()
    table = open_page("monitor").dataframe[0].value.set_index("case")["truth"]
    laid = monitoring.stream_rows(rows.reset_index(), "V14", "V4", STORY)
    for truth in (table, laid.set_index("case")["truth"]):
        hidden = truth.loc[rows.index] == HIDDEN
        assert hidden.tolist() == waiting.tolist()
        seen = rows["outcome"].notna() & ~waiting
        assert set(truth[seen[seen].index]) <= set(STORY.verdicts)


def test_constructed_rows_are_marked_in_the_table(open_page):
    table = open_page("monitor").dataframe[0].value.set_index("case")
    assert table.loc["story-1-10", "origin"] == "constructed"
    assert table.loc["story-1-0", "origin"] == "recorded"
    assert table.loc["story-1-10", "state"] == ["novel and flagged"]


def test_moving_the_threshold_counts_other_alerts(open_page, home):
    app = open_page("monitor")
    before = app.metric[0].value
    scores = home.store.view("live_predictions", workspace="story")["probability"]
    app.slider[0].set_value(0.6).run()
    assert app.metric[0].value == f"{(scores >= 0.6).sum()} of {len(scores)}"
    assert app.metric[0].value != before


def test_the_champions_own_threshold_counts_exactly_what_it_flagged(open_page, home):
    app = open_page("monitor")
    flagged = home.store.view("live_predictions", workspace="story")["is_flagged"]
    assert app.metric[0].value == f"{flagged.sum()} of {len(flagged)}"
    assert "not at one half" in words(app)


def test_alerts_say_on_what_they_rest(open_page):
    said = words(open_page("monitor"))
    assert "measured on the locked test set (1,712 rows" in said


def test_a_click_opens_that_case_in_explain(open_page):
    app = open_page("monitor")
    wanted = app.dataframe[0].value["case"].iloc[4]
    app.session_state["_monitor_case"] = wanted
    app.run()
    assert app.query_params["case"] in (wanted, [wanted])
    assert app.title[0].value == "Explain"


def test_the_address_chooses_the_features(open_page):
    app = open_page("monitor", first="V4", second="V14", compared="V4")
    assert app.selectbox(key="first").value == "V4"
    assert any(h.value.startswith("V4: this window against training") for h in app.header)


def test_the_source_is_named_at_the_bottom(open_page):
    assert open_page("monitor").caption[-1].value == STORY.notice


def test_many_rows_of_cards_show_the_last_two_hundred(open_page, home):
    home.play("cards", 230)
    played = home.store.view("stream_heads", workspace="cards")["n"].sum()
    app = open_page("monitor", "cards")
    assert not app.exception
    assert app.header[0].value == "The last 200 payments"
    assert f"row {played:,} of" in words(app)
    assert len(app.dataframe[0].value) == 200
    assert "amount" in app.dataframe[0].value
    assert "constructed" not in words(app).replace(CARDS.notice, "")


def test_playing_again_starts_a_run_of_its_own(open_page, home):
    home.play("story", 1, again=True)
    app = open_page("monitor")
    assert "row 1 of 30" in words(app)
    assert "run 2" in words(app)


def test_trouble_of_the_stream_is_shown(open_page):
    resources.player("story").trouble = str(StoreError("The disk is full.", "Make room."))
    app = open_page("monitor")
    resources.player("story").trouble = ""
    assert "The disk is full. Make room." in app.error[0].value


# Parts


def test_a_click_means_the_row_that_was_drawn_there(monkeypatch):
    state = {
        "scored_table": {"selection": {"rows": [1], "cells": []}},
        "table_ids": ["story-1-8", "story-1-7"],
    }
    monkeypatch.setattr(monitoring.st, "session_state", state)
    monitoring._open_row()
    assert state["_monitor_case"] == "story-1-7"


def test_the_window_keeps_features_apart_from_columns_of_the_view(home):
    rows = monitoring.window(CARDS)
    assert rows["step"].is_monotonic_increasing
    assert {"feature:V14", "feature:Amount", "probability"} <= set(rows)


def test_the_stream_rows_measure_novelty_in_limits(home):
    rows = monitoring.window(CARDS)
    laid = monitoring.stream_rows(rows, "V14", "Amount", CARDS)
    assert laid["novelty_times"].tolist() == pytest.approx(
        (rows["novelty"] / rows["novelty_limit"]).tolist()
    )
    assert (laid["origin"] == "recorded").all()


def test_the_distribution_holds_every_row_once(home):
    rows = monitoring.window(CARDS)
    bins = monitoring.distribution_rows(home.materials("cards").training, rows, "Amount", CARDS)
    assert bins.groupby("part")["share"].sum().tolist() == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("distance", "p_value", "expected"),
    [
        (0.04, 0.6, "hardly moved: 0.04 on a scale from 0 to 1, no more than chance"),
        (0.2, 0.001, "somewhat moved: 0.20 on a scale from 0 to 1, more than chance"),
        (0.5, 0.0, "far moved"),
    ],
)
def test_a_gap_is_said_with_its_numbers(distance, p_value, expected):
    said = monitoring.drift_sentence(KS(distance, p_value, 5_000, 200), "V14")
    assert expected in said
    assert "(200 rows now, 5,000 in training)" in said


def test_shares_beyond_the_top_are_summed():
    shares = pd.Series({f"V{i}": 0.1 for i in range(10)})
    rows = monitoring.share_rows(shares)
    assert rows["feature"].tolist()[-1] == "other features"
    assert rows["share"].sum() == pytest.approx(1.0)
    assert len(monitoring.share_rows(shares.iloc[:3])) == 3


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (7_300, "2 hours")]
)
def test_ages_are_written_in_the_unit_that_fits(seconds, said):
    assert clock.ago(seconds) == said


def test_speeds_are_words():
    assert monitoring.speed_words(1) == "1 row a second"
    assert monitoring.speed_words(50) == "50 rows a second"


def test_an_event_before_the_first_day_has_no_clock():
    assert times.event_time(NOW - 10**12) == "before day 1"


FIRST_PAGE = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(sys.argv[1], default_timeout=90)
app.query_params["workspace"] = "cards"
app.run()
heavy = [name for name in ("shap", "lime", "sklearn", "lightgbm") if name in sys.modules]
said = [m.value for m in app.markdown if "worked out in a moment" in m.value]
app.run()
rest = [m.value for m in app.markdown if "worked out in a moment" in m.value]
print(len(app.exception), heavy, len(said), len(rest), "lightgbm" in sys.modules)
"""


def test_the_first_page_of_a_process_loads_nothing_that_scores_and_the_next_has_it_all(
    home, tmp_path
):
    home.play("cards", 5)
    copy = home.store.backup(tmp_path / "copy.duckdb")
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PAGE, str(ROOT / "streamlit_app.py")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "HITL_DATABASE_URL": str(copy), "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[0] == "0 [] 2 0 True"
