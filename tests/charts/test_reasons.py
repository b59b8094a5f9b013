"""The charts of one score: what moved it, LIME's weights, ranks, old against new."""

import pandas as pd
import pytest
from scipy.special import logit

from hitl.charts import reasons, rows

EVIDENCE = {
    "base_value": -8.0,
    "score": -1.5,
    "table": [
        {"feature": "V14", "contribution": 7.0},
        {"feature": "V4", "contribution": -1.0},
        {"feature": "other features", "contribution": 0.5},
    ],
}
LIME = {
    "weights": {"V14": 0.3, "V4": -0.1},
    "low": {"V14": 0.2, "V4": None},
    "high": {"V14": 0.35, "V4": None},
}
VERSIONS = pd.DataFrame(
    {
        "feature": ["V14", "V4", "V12"],
        "old": [4.0, 2.0, 1.0],
        "new": [3.0, 2.5, None],
        "change": [-1.0, 0.5, None],
    }
)


def kinds(spec: dict) -> list[str]:
    return [layer["mark"]["type"] for layer in spec["layer"]]


def table_of(spec: dict, layer: dict) -> list[dict]:
    name = layer.get("data", spec.get("data"))["name"]
    return spec["datasets"][name]


def waterfall(**options) -> dict:
    return reasons.waterfall(reasons.steps(EVIDENCE), **options).to_dict()


def test_bars_follow_each_other_without_a_gap():
    bars = reasons.steps(EVIDENCE)
    moves = bars[bars["effect"] != reasons.STANDS]
    assert moves["start"].tolist() == [-8.0, -1.0, -2.0]
    assert moves["end"].tolist() == [-1.0, -2.0, -1.5]


def test_the_waterfall_begins_at_the_base_value_and_ends_at_the_score():
    bars = reasons.steps(EVIDENCE)
    assert bars["label"].iloc[[0, -1]].tolist() == [reasons.START, reasons.SCORE]
    assert bars["end"].iloc[0] == -8.0
    assert bars["end"].iloc[-1] == bars["end"].iloc[-2] == -1.5


def test_each_effect_is_named():
    assert reasons.steps(EVIDENCE)["effect"].tolist() == [
        reasons.STANDS,
        reasons.RAISES,
        reasons.LOWERS,
        reasons.RAISES,
        reasons.STANDS,
    ]


def test_a_model_without_features_still_has_a_start_and_a_score():
    bars = reasons.steps({"base_value": -2.0, "score": -2.0, "table": []})
    assert len(bars) == 2
    assert reasons.waterfall(bars, threshold=0.5).to_dict()["layer"]


def test_the_waterfall_keeps_the_order_and_says_its_unit():
    bars = waterfall()["layer"][0]["encoding"]
    labels = [reasons.START, "V14", "V4", "other features", reasons.SCORE]
    assert bars["y"]["scale"]["domain"] == labels
    assert "log-odds" in bars["x"]["axis"]["title"]
    assert bars["x2"]["field"] == "end"


def test_all_layers_of_the_waterfall_share_one_scale():
    spec = waterfall(threshold=0.62)
    places = [layer["encoding"]["x"]["scale"]["domain"] for layer in spec["layer"]]
    assert all(place == places[0] for place in places)
    low, high = places[0]
    assert low < -8.0
    assert high > logit(0.62)


def test_the_upper_axis_names_probabilities_at_their_log_odds():
    spec = waterfall()
    [upper] = [
        axis
        for layer in spec["layer"]
        if (axis := layer["encoding"]["x"].get("axis")) and axis.get("orient") == "top"
    ]
    assert "probability" in upper["title"]
    assert upper["values"] == pytest.approx(logit([0.001, 0.01, 0.1]))
    assert spec["resolve"]["axis"]["x"] == "independent"


def test_the_limit_is_a_dashed_rule_with_a_word():
    spec = waterfall(threshold=0.62)
    [rule] = [layer for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    assert rule["mark"]["strokeDash"]
    [row] = table_of(spec, rule)
    assert row["word"] == "limit 0.62"
    assert row["limit"] == pytest.approx(logit(0.62))


def test_without_a_limit_there_is_no_rule():
    assert "rule" not in kinds(waterfall())


def test_numbers_stand_where_there_is_room():
    spec = waterfall()
    side = {row["label"]: row["side"] for row in table_of(spec, spec["layer"][0])}
    assert side[reasons.START] == "right"
    assert side["V14"] == side[reasons.SCORE] == "left"


def test_the_waterfall_grows_with_its_bars():
    few = reasons.waterfall(reasons.steps({**EVIDENCE, "table": []})).to_dict()["height"]
    many = reasons.waterfall(reasons.steps(EVIDENCE)).to_dict()["height"]
    assert many - few == 3 * reasons.ROW_PIXELS


def test_lime_keeps_conditions_in_order_and_signs_in_words():
    found = reasons.surrogate_rows({"weights": {"V14 <= -1": 0.3, "V4 > 2": -0.1}})
    assert found["condition"].tolist() == ["V14 <= -1", "V4 > 2"]
    assert found["effect"].tolist() == [reasons.RAISES, reasons.LOWERS]


def test_lime_without_weights_has_no_rows():
    empty = reasons.surrogate_rows({"weights": {}})
    assert empty.empty
    assert kinds(reasons.surrogate_bars(empty).to_dict()) == ["bar"]


@pytest.mark.parametrize("unit", ["probability", "log-odds"])
def test_lime_bars_say_their_unit_and_name_two_effects_only(unit):
    found = reasons.surrogate_rows({"weights": {"V14 <= -1": 0.3}})
    encoding = reasons.surrogate_bars(found, unit=unit).to_dict()["layer"][0]["encoding"]
    assert f"weight in {unit}" in encoding["x"]["title"]
    assert encoding["color"]["scale"]["domain"] == [reasons.RAISES, reasons.LOWERS]
    assert encoding["y"]["sort"] is None


def test_a_range_over_seeds_is_a_whisker_where_it_is_known():
    spec = reasons.surrogate_bars(reasons.surrogate_rows(LIME)).to_dict()
    assert kinds(spec) == ["bar", "rule", "tick", "tick"]
    rule = spec["layer"][1]
    assert (rule["encoding"]["x"]["field"], rule["encoding"]["x2"]["field"]) == ("low", "high")
    assert [row["condition"] for row in table_of(spec, rule)] == ["V14"]


def test_weights_without_ranges_have_no_whiskers():
    spec = reasons.surrogate_bars(reasons.surrogate_rows({"weights": {"V14": 0.3}})).to_dict()
    assert kinds(spec) == ["bar"]


def test_ranks_are_joined_and_say_whether_they_agree():
    found = reasons.rank_rows({"V14": 2.0, "V4": -1.0, "V12": 0.5}, {"V4": 0.4, "V14": 0.1})
    spec = reasons.ranks(found).to_dict()
    line, dots = spec["layer"]
    assert dots["encoding"]["y"]["scale"]["domain"] == [
        f"V14 · {rows.SAME}",
        f"V4 · {rows.OPPOSITE}",
        f"V12 · {rows.ALONE}",
    ]
    assert len(table_of(spec, line)) == 2
    assert len(table_of(spec, dots)) == 5
    assert line["encoding"]["x"]["scale"] == dots["encoding"]["x"]["scale"]


def test_no_ranks_can_be_drawn():
    assert reasons.ranks(reasons.rank_rows({}, {})).to_dict()["layer"]


def test_old_and_new_are_told_apart_by_shape_size_and_colour():
    spec = reasons.old_and_new(VERSIONS).to_dict()
    dots = spec["layer"][-1]["encoding"]
    for channel in ("color", "shape", "size"):
        assert dots[channel]["scale"]["domain"] == list(reasons.VERSIONS)
        assert len(set(map(str, dots[channel]["scale"]["range"]))) == 2


def test_a_feature_one_model_lacks_has_one_dot_and_no_line():
    spec = reasons.old_and_new(VERSIONS).to_dict()
    zero, line, dots = spec["layer"]
    assert len(table_of(spec, line)) == 2
    assert len(table_of(spec, dots)) == 5
    assert zero["mark"]["strokeDash"]


def test_old_and_new_use_names_for_people():
    named = VERSIONS.assign(label=["size", None, None])
    spec = reasons.old_and_new(named).to_dict()
    assert spec["layer"][-1]["encoding"]["y"]["scale"]["domain"] == ["size", "V4", "V12"]


@pytest.mark.parametrize("name", ["waterfall", "surrogate_bars", "ranks", "old_and_new"])
def test_colour_is_never_alone(name):
    table = {
        "waterfall": reasons.steps(EVIDENCE),
        "surrogate_bars": reasons.surrogate_rows({"weights": {"V4 > 1": 0.2}}),
        "ranks": reasons.rank_rows({"V4": 1.0}, {"V4": 1.0}),
        "old_and_new": VERSIONS,
    }[name]
    text = getattr(reasons, name)(table).to_json()
    assert '"title": "effect"' in text or '"shape"' in text


@pytest.mark.parametrize("ground", ["#ffffff", "#020408"])
def test_every_colour_stands_out_on_light_and_dark(ground):
    def luminance(colour):
        parts = pd.Series([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = (parts / 12.92).where(parts <= 0.04045, ((parts + 0.055) / 1.055) ** 2.4)
        return float((linear * [0.2126, 0.7152, 0.0722]).sum())

    least = {reasons.GREY: 4.5}  # numbers are written in it
    for colour in (reasons.ORANGE, reasons.BLUE, reasons.PURPLE, reasons.GREY):
        bright, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert round((bright + 0.05) / (dark + 0.05), 2) >= least.get(colour, 3), colour


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a"b\\c', "datum.x", "a.b[0]"])
def test_a_feature_may_have_any_name(name):
    table = [{"feature": name, "contribution": 1.0}]
    bars = reasons.steps({"base_value": 0.0, "score": 1.0, "table": table})
    spec = reasons.waterfall(bars, threshold=0.5).to_dict()
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"][2] == name
    expressions = [layer["encoding"]["x"].get("axis") or {} for layer in spec["layer"]]
    assert all(name not in str(axis.get("labelExpr", "")) for axis in expressions)
