"""The charts of shares by group and of two models."""

import altair as alt
import pandas as pd
import pytest

from hitl.charts import comparison


def groups(*rows: tuple[str, int, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["group_name", "n", "share", "low", "high"])


def metrics(*rows: tuple[str, float, float, float, str]) -> pd.DataFrame:
    columns = ["label", "gain", "gain_low", "gain_high", "standing"]
    return pd.DataFrame(rows, columns=columns)


TWO_GROUPS = groups(("young", 1_200, 0.1, 0.08, 0.12), ("old", 40, 0.2, 0.11, 0.35))


def mark(spec: dict, kind: str) -> dict:
    return next(layer for layer in spec["layer"] if layer["mark"]["type"] == kind)


def domain(chart: alt.LayerChart) -> list[float]:
    return mark(chart.to_dict(), "bar")["encoding"]["x"]["scale"]["domain"]


def test_each_group_is_a_dot_on_the_line_of_its_interval() -> None:
    spec = comparison.group_intervals(TWO_GROUPS, title="Flagged, by age").to_dict()
    line, dot = mark(spec, "bar"), mark(spec, "point")
    assert (line["encoding"]["x"]["field"], line["encoding"]["x2"]["field"]) == ("low", "high")
    assert dot["encoding"]["x"]["field"] == "share"
    assert spec["title"] == "Flagged, by age"


def test_n_stands_beside_every_group_in_the_order_given() -> None:
    spec = comparison.group_intervals(TWO_GROUPS, title="Flagged").to_dict()
    labels = ["young · n 1,200", "old · n 40"]
    assert mark(spec, "bar")["encoding"]["y"]["scale"]["domain"] == labels
    [rows] = spec["datasets"].values()
    assert [row["group"] for row in rows] == labels


def test_shares_are_drawn_in_percent_from_zero() -> None:
    chart = comparison.group_intervals(TWO_GROUPS, title="Flagged")
    assert mark(chart.to_dict(), "bar")["encoding"]["x"]["axis"]["format"] == "~%"
    assert domain(chart)[0] == 0


def test_a_group_with_nothing_to_count_keeps_its_place_without_a_mark() -> None:
    nan = float("nan")
    rows = groups(("a", 50, 0.1, 0.05, 0.2), ("b", 0, nan, nan, nan))
    spec = comparison.group_intervals(rows, title="Missed").to_dict()
    [drawn] = spec["datasets"].values()
    assert [row["group"] for row in drawn] == ["a · n 50"]
    assert mark(spec, "bar")["encoding"]["y"]["scale"]["domain"] == ["a · n 50", "b · n 0"]


def test_a_tiny_group_does_not_squeeze_the_others() -> None:
    rows = groups(("a", 900, 0.01, 0.005, 0.02), ("b", 800, 0.02, 0.01, 0.04), ("c", 5, 0, 0, 0.4))
    assert domain(comparison.group_intervals(rows, title="x")) == pytest.approx([0, 0.042])


def test_a_tiny_group_with_a_large_share_is_still_seen() -> None:
    rows = groups(("a", 900, 0.01, 0.005, 0.02), ("b", 800, 0.02, 0.01, 0.04), ("c", 2, 1, 0.3, 1))
    assert domain(comparison.group_intervals(rows, title="x")) == [0, 1]


@pytest.mark.parametrize("rows", [groups(), groups(("a", 0, *[float("nan")] * 3))])
def test_a_chart_without_any_share_can_be_drawn(rows) -> None:
    assert domain(comparison.group_intervals(rows, title="x")) == [0, 1]


def test_the_chart_grows_with_its_groups() -> None:
    one, two = (
        comparison.group_intervals(TWO_GROUPS.head(n), title="x").to_dict()["height"]
        for n in (1, 2)
    )
    assert two - one == comparison.ROW_HEIGHT


TWO_METRICS = metrics(
    ("Recall", 2.0, 0.5, 3.5, "better"), ("Precision", -1.0, -3.0, 1.0, "cannot tell")
)


def test_better_is_to_the_right_of_a_rule_at_no_difference() -> None:
    spec = comparison.metric_differences(TWO_METRICS, title="New against old").to_dict()
    line = mark(spec, "bar")["encoding"]
    assert (line["x"]["field"], line["x2"]["field"]) == ("gain_low", "gain_high")
    assert line["x"]["title"] == "worse ←  percentage points  → better"
    zero = mark(spec, "rule")
    assert spec["datasets"][zero["data"]["name"]] == [{"at": 0.0}]


def test_a_standing_is_said_by_shape_and_colour_together() -> None:
    spec = comparison.metric_differences(TWO_METRICS, title="x").to_dict()
    dot = mark(spec, "point")["encoding"]
    assert dot["shape"]["field"] == dot["color"]["field"] == "standing"
    assert dot["shape"]["scale"]["domain"] == list(comparison.STANDINGS)
    assert len(set(dot["shape"]["scale"]["range"])) == len(comparison.STANDINGS)


def test_a_metric_that_cannot_be_computed_is_left_out_of_the_chart() -> None:
    rows = pd.concat([TWO_METRICS, metrics(("AUC", *[float("nan")] * 3, "cannot tell"))])
    spec = comparison.metric_differences(rows, title="x").to_dict()
    drawn = spec["datasets"][mark(spec, "point")["data"]["name"]]
    assert [row["label"] for row in drawn] == ["Recall", "Precision"]
