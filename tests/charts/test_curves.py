"""The charts that show how a score follows a feature, or two."""

import numpy as np
import pandas as pd
import pytest

from hitl.charts import curves
from hitl.charts.rows import AVERAGE, CASE

POINTS = pd.DataFrame(
    {
        "value": [0.0, 1.0, 2.0] * 2,
        "kind": [CASE] * 3 + [AVERAGE] * 3,
        "probability": [0.3, 0.5, 0.9, 0.2, 0.3, 0.4],
    }
)
RARE = POINTS.assign(probability=[0.0002, 0.01, 0.9, 0.001, 0.001, 0.002])
CATEGORIES = POINTS.assign(value=["web", "shop", "cash"] * 2)
GRID = pd.DataFrame(
    {
        "x": [0.0, 1.0, 2.0] * 2,
        "y": [10.0] * 3 + [20.0] * 3,
        "probability": [0.1, 0.2, 0.9, 0.1, 0.8, 0.9],
    }
)


def kinds(spec: dict) -> list[str]:
    return [layer["mark"]["type"] for layer in spec["layer"]]


def table_of(spec: dict, layer: dict) -> list[dict]:
    return spec["datasets"][layer.get("data", spec.get("data"))["name"]]


def curve(points=POINTS, **options) -> dict:
    case = {"feature": "amount, €", "value": 1.0, "probability": 0.5, **options}
    return curves.curve(points, **case).to_dict()


def surface(grid=GRID, **options) -> dict:
    return curves.surface(grid, x="V4", y="V14", case=(1.0, 12.0), **options).to_dict()


def test_a_curve_names_its_feature_and_its_unit():
    encoding = curve()["layer"][0]["encoding"]
    assert encoding["x"]["title"] == "amount, €"
    assert encoding["y"]["title"] == "probability"
    assert encoding["y"]["scale"]["domain"] == [0.0, 1.0]


def test_the_two_curves_differ_in_colour_and_dash():
    encoding = curve()["layer"][0]["encoding"]
    for channel in ("color", "strokeDash"):
        assert encoding[channel]["scale"]["domain"] == [CASE, AVERAGE]


def test_small_probabilities_are_drawn_on_a_log_scale_that_says_so():
    y = curve(RARE, threshold=0.0153)["layer"][0]["encoding"]["y"]
    assert y["scale"]["type"] == "log"
    assert y["scale"]["domain"] == [0.0001, 1.0]
    assert "log scale" in y["title"]
    assert y["axis"]["values"] == pytest.approx([0.0001, 0.001, 0.01, 0.1, 1.0])


def test_the_limit_decides_the_scale_too():
    flat = POINTS.assign(probability=0.5)
    assert curve(flat, threshold=0.001)["layer"][0]["encoding"]["y"]["scale"]["type"] == "log"


def test_the_case_is_a_dot_with_its_probability():
    spec = curve()
    [row] = table_of(spec, spec["layer"][1])
    assert (row["value"], row["probability"]) == (1.0, 0.5)
    assert row["word"] == "this case: 0.5"


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_missing_value_has_no_dot(value):
    assert kinds(curve(value=value)) == ["line"]


def test_a_certain_case_stays_on_a_log_scale():
    spec = curve(RARE, probability=0.0)
    [row] = table_of(spec, spec["layer"][1])
    assert row["probability"] > 0
    assert row["word"] == "this case: 0"


def test_the_limit_is_a_dashed_rule_with_a_word():
    spec = curve(threshold=0.62)
    [rule] = [layer for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    assert rule["mark"]["strokeDash"]
    assert table_of(spec, rule) == [{"probability": 0.62, "word": "limit 0.62"}]


def test_categories_are_dots_in_the_order_given():
    spec = curve(CATEGORIES, value="shop")
    first = spec["layer"][0]
    assert first["mark"]["type"] == "point"
    assert first["encoding"]["x"]["sort"] == ["web", "shop", "cash"]
    assert first["encoding"]["shape"]["scale"]["domain"] == [CASE, AVERAGE]


def test_yes_and_no_are_categories():
    spec = curve(POINTS.assign(value=[True, False, True] * 2), value=True)
    assert spec["layer"][0]["mark"]["type"] == "point"


def test_cells_of_a_surface_meet_half_way():
    spec = surface()
    cells = table_of(spec, spec["layer"][0])
    assert [(c["x_low"], c["x_high"]) for c in cells[:3]] == [(-0.5, 0.5), (0.5, 1.5), (1.5, 2.5)]
    assert {(c["y_low"], c["y_high"]) for c in cells} == {(5.0, 15.0), (15.0, 25.0)}


def test_a_surface_is_one_hue_from_unlikely_to_likely():
    color = surface()["layer"][0]["encoding"]["color"]
    assert color["title"] == "probability"
    brightness = [
        sum(int(shade[i : i + 2], 16) for i in (1, 3, 5)) for shade in color["scale"]["range"]
    ]
    assert brightness == sorted(brightness, reverse=True)


def test_the_border_runs_between_flagged_and_not():
    cells = curves._cells(GRID)
    found = curves.border(cells, 0.5)
    edges = sorted(map(tuple, found.to_numpy().tolist()))
    assert edges == [
        (0.5, 15.0, 0.5, 25.0),  # upper row: between the first and the second cell
        (0.5, 15.0, 1.5, 15.0),  # middle column: between the two rows
        (1.5, 5.0, 1.5, 15.0),  # lower row: between the second and the third cell
    ]


def test_the_border_separates_every_flagged_cell_from_its_neighbour_that_is_not():
    rng = np.random.default_rng(0)
    size = 12
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    share = rng.random((size, size))
    grid = pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "probability": share.ravel()})
    flagged = share >= 0.5
    expected = (flagged[:, 1:] != flagged[:, :-1]).sum() + (flagged[1:] != flagged[:-1]).sum()
    assert len(curves.border(curves._cells(grid), 0.5)) == expected


@pytest.mark.parametrize("threshold", [0.01, 0.99])
def test_a_surface_all_on_one_side_has_no_border(threshold):
    assert "rule" not in kinds(surface(threshold=threshold))


def test_a_rule_is_a_dashed_box_open_to_the_edge():
    spec = surface(box=(1.0, None, None, 15.0))
    boxes = [layer for layer in spec["layer"] if layer["mark"].get("strokeDash")]
    assert table_of(spec, boxes[0]) == [{"from_x": 1.0, "to_x": 2.5, "from_y": 5.0, "to_y": 15.0}]


def test_what_lines_mean_is_said_above_the_surface():
    text = surface(threshold=0.5, box=(1.0, None, None, 15.0))["title"]["text"]
    assert text == "diamond: this case · line: limit 0.5 · dashed box: the rule"


def test_a_case_without_a_value_has_no_place_on_the_surface():
    found = curves.surface(GRID, x="V4", y="V14", case=(float("nan"), 1.0)).to_dict()
    assert "point" not in kinds(found)


def test_a_grid_of_one_cell_can_be_drawn():
    spec = surface(GRID.head(1))
    [cell] = table_of(spec, spec["layer"][0])
    assert (cell["x_low"], cell["x_high"]) == (-0.5, 0.5)


def test_importance_and_interaction_keep_their_order_and_write_their_number():
    features = pd.DataFrame({"feature": ["V14", "V4"], "importance": [2.0, 0.5]})
    pairs = pd.DataFrame({"pair": ["V4 × V14"], "strength": [0.25]})
    for spec, name, written in (
        (curves.importance_bars(features, title="mean change, log-odds"), "feature", "2"),
        (curves.interaction_bars(pairs, title="share"), "pair", "0.25"),
    ):
        spec = spec.to_dict()
        bar = spec["layer"][0]
        assert bar["encoding"]["y"]["field"] == name
        assert bar["encoding"]["y"]["sort"] is None
        assert bar["encoding"]["x"]["title"]
        assert table_of(spec, bar)[0]["written"] == written


def test_nothing_important_can_be_drawn():
    none = pd.DataFrame({"feature": [], "importance": []})
    flat = pd.DataFrame({"feature": ["a"], "importance": [0.0]})
    for table in (none, flat):
        spec = curves.importance_bars(table, title="x").to_dict()
        assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 1.0]


def test_dependence_shows_known_rows_nothing_and_the_case():
    points = pd.DataFrame({"value": [1.0, 2.0], "contribution": [0.5, -0.5]})
    chart = curves.dependence(points, feature="V14", value=1.5, contribution=0.1)
    spec = chart.to_dict()
    assert kinds(spec) == ["point", "rule", "point", "text"]
    assert "log-odds" in spec["layer"][0]["encoding"]["y"]["title"]
    [row] = table_of(spec, spec["layer"][2])
    assert (row["value"], row["contribution"], row["word"]) == (1.5, 0.1, CASE)


def test_dependence_takes_categories_and_a_missing_value():
    points = pd.DataFrame({"value": ["a", "b"], "contribution": [0.5, -0.5]})
    chart = curves.dependence(points, feature="channel", value=None, contribution=0.1)
    assert kinds(chart.to_dict()) == ["point", "rule"]
    assert chart.to_dict()["layer"][0]["encoding"]["x"]["type"] == "nominal"
