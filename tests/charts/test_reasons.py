import pytest

from hitl.charts import reasons

EVIDENCE = {
    "base_value": -8.0,
    "score": -1.5,
    "table": [
        {"feature": "V14", "contribution": 7.0},
        {"feature": "V4", "contribution": -1.0},
        {"feature": "other features", "contribution": 0.5},
    ],
}


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


def test_the_waterfall_keeps_the_order_and_says_its_unit():
    chart = reasons.waterfall(reasons.steps(EVIDENCE)).to_dict()
    bars = chart["layer"][0]["encoding"]
    assert bars["y"]["sort"] == {"field": "position"}
    assert "log-odds" in bars["x"]["title"]
    assert bars["x2"]["field"] == "end"
    assert bars["x"]["scale"] == {"zero": False}


def test_the_waterfall_grows_with_its_bars():
    few = reasons.waterfall(reasons.steps({**EVIDENCE, "table": []})).to_dict()["height"]
    many = reasons.waterfall(reasons.steps(EVIDENCE)).to_dict()["height"]
    assert many - few == 3 * reasons.ROW_PIXELS


def test_lime_keeps_conditions_in_order_and_signs_in_words():
    rows = reasons.surrogate_rows({"weights": {"V14 <= -1": 0.3, "V4 > 2": -0.1}})
    assert rows["condition"].tolist() == ["V14 <= -1", "V4 > 2"]
    assert rows["effect"].tolist() == [reasons.RAISES, reasons.LOWERS]


def test_lime_without_weights_has_no_rows():
    assert reasons.surrogate_rows({"weights": {}}).empty


def test_lime_bars_say_their_unit_and_name_two_effects_only():
    rows = reasons.surrogate_rows({"weights": {"V14 <= -1": 0.3}})
    encoding = reasons.surrogate_bars(rows).to_dict()["encoding"]
    assert "probability" in encoding["x"]["title"]
    assert encoding["color"]["scale"]["domain"] == [reasons.RAISES, reasons.LOWERS]
    assert encoding["y"]["sort"] is None


@pytest.mark.parametrize("name", ["waterfall", "surrogate_bars"])
def test_colour_is_never_alone(name):
    rows = (
        reasons.steps(EVIDENCE)
        if name == "waterfall"
        else reasons.surrogate_rows({"weights": {"V4 > 1": 0.2}})
    )
    text = getattr(reasons, name)(rows).to_json()
    assert '"title": "effect"' in text or "weight" in text
