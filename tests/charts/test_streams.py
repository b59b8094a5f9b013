import json

import pandas as pd
import pytest

from hitl.charts import streams
from hitl.novelty import states

PANELS = ("upper", "lower", "probability", "novelty_times", "truth")


@pytest.fixture(scope="module")
def stack():
    return streams.panels("V14", "V4")


def marks(panel):
    return [layer["mark"]["type"] for layer in panel["layer"]]


def test_five_panels_share_one_time_axis(stack):
    assert len(stack["vconcat"]) == 5
    assert stack["resolve"]["scale"] == {"x": "shared", "color": "shared", "shape": "shared"}
    for panel in stack["vconcat"]:
        assert panel["layer"][-1]["encoding"]["x"]["field"] == "occurred_ms"
        drawn = panel.get("data") or panel["layer"][-1]["data"]
        assert drawn == {"name": streams.TABLE}


def test_each_panel_draws_its_column(stack):
    for field, panel in zip(PANELS, stack["vconcat"], strict=True):
        drawn = [layer["encoding"].get("y", {}).get("field") for layer in panel["layer"]]
        assert field in drawn


def test_one_hover_rule_runs_through_all_panels(stack):
    (hover,) = stack["params"]
    assert hover["select"]["nearest"] is True
    assert hover["select"]["encodings"] == ["x"]
    rules = [panel["layer"][-1] for panel in stack["vconcat"]]
    assert hover["views"] == [rule["name"] for rule in rules]
    assert len(set(hover["views"])) == 5
    for rule in rules:
        assert rule["encoding"]["opacity"]["condition"]["param"] == "hover"


def test_the_tooltip_names_both_features_state_and_origin(stack):
    tooltip = stack["vconcat"][0]["layer"][-1]["encoding"]["tooltip"]
    titles = {part["title"] for part in tooltip}
    assert {"V14", "V4", "state", "origin", "truth", "decision", "case"} <= titles


def test_states_have_a_colour_and_a_shape_of_their_own(stack):
    points = next(x for x in stack["vconcat"][0]["layer"] if x["mark"]["type"] == "point")
    assert points["encoding"]["color"]["scale"]["domain"] == list(streams.STATE_COLOURS)
    assert points["encoding"]["shape"]["scale"]["domain"] == list(streams.STATE_COLOURS)
    assert len(set(streams.STATE_COLOURS.values())) == 4
    assert len(set(streams.STATE_SHAPES.values())) == 4


def test_every_state_the_detector_knows_is_drawn():
    flagged, novel = [False, True, False, True], [False, False, True, True]
    assert set(states(flagged, novel)) == set(streams.STATE_COLOURS)


def test_a_single_row_is_seen_as_a_point(stack):
    for panel in stack["vconcat"][:4]:
        assert "point" in marks(panel)
    assert "tick" in marks(stack["vconcat"][4])


def test_threshold_and_novelty_limit_are_ruled(stack):
    fields = [
        [layer["encoding"]["y"]["field"] for layer in panel["layer"] if "transform" in layer]
        for panel in stack["vconcat"]
    ]
    assert fields == [[], [], ["threshold"], ["one"], []]


def test_truth_has_a_lane_for_what_is_not_known_yet():
    truth = streams.panels("a", "b", positive="yes", negative="no")["vconcat"][4]
    lanes = truth["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert lanes == ["yes", "no", streams.NOT_KNOWN, streams.HIDDEN]


def test_hidden_truth_has_a_short_lane_and_the_colour_of_neither_class(stack):
    ticks = stack["vconcat"][4]["layer"][0]["encoding"]
    assert ticks["y"]["axis"]["labelExpr"].startswith(f"datum.label === '{streams.HIDDEN}'")
    assert not any(streams.HIDDEN in case["test"] for case in ticks["color"]["condition"])
    assert ticks["color"]["value"] == streams.NEUTRAL


def test_the_specification_is_the_same_each_time_and_holds_no_rows(stack):
    streams.panels.cache_clear()
    again = streams.panels("V14", "V4")
    assert json.dumps(again) == json.dumps(stack)
    assert "datasets" not in stack


@pytest.mark.parametrize("spec", [streams.distribution("V4"), streams.leanings()])
def test_the_small_charts_hold_no_rows_either(spec):
    assert spec["data"] == {"name": streams.TABLE}
    assert "datasets" not in spec


def test_the_distribution_names_its_feature_and_both_parts():
    spec = streams.distribution("Amount")
    encoding = spec["layer"][0]["encoding"]
    assert encoding["x"]["title"] == "Amount"
    assert encoding["y"]["title"] == "share of rows"
    assert encoding["color"]["scale"]["domain"] == list(streams.PARTS)


def test_leanings_are_sorted_as_they_come():
    encoding = streams.leanings()["layer"][0]["encoding"]
    assert encoding["y"]["sort"] == {"field": "position"}
    assert encoding["x"]["axis"]["format"] == "%"


@pytest.mark.parametrize("ground", ["#ffffff", "#0e1117"])
def test_every_colour_stands_out_on_light_and_dark(ground):
    def luminance(colour):
        parts = pd.Series([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = (parts / 12.92).where(parts <= 0.04045, ((parts + 0.055) / 1.055) ** 2.4)
        return float((linear * [0.2126, 0.7152, 0.0722]).sum())

    for colour in (*streams.STATE_COLOURS.values(), streams.NEUTRAL, streams.BLUE):
        bright, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 3, colour
