"""The drawings in text: right places, readable by machines, safe and the same every time."""

import math
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from hitl.charts import svg
from hitl.charts.rows import AVERAGE, CASE, steps, surrogate_rows

NAMESPACE = {"s": "http://www.w3.org/2000/svg"}
HOSTILE = "</svg><script>alert('1')</script> & \"quoted\" ]]> مرحبا \x00\x0b"
LIMIT_BYTES = 15_000
PAPER = "#ffffff"

BARS = steps(
    {
        "base_value": -4.0,
        "score": 0.0,
        "table": [
            {"feature": "V14", "contribution": 5.0},
            {"feature": "V4", "contribution": -1.0},
        ],
    }
)
"""The axis runs from −4 to 1 with .25 on either side: 5.5 log-odds on 460 pixels."""
PIXEL = 460 / 5.5


def points(values, case, average) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "value": [*values, *values],
            "kind": [CASE] * len(values) + [AVERAGE] * len(values),
            "probability": [*case, *average],
        }
    )


LINES = points([0.0, 5.0, 10.0], [0.2, 0.6, 1.0], [0.2, 0.2, 0.2])
VERSIONS = pd.DataFrame({"feature": ["V14", "V4"], "old": [3.0, np.nan], "new": [4.0, -1.0]})


def all_drawings(name: str = "V14") -> dict[str, str]:
    table = [{"feature": f"{name}{i}", "contribution": 1.0 / (i + 1)} for i in range(12)]
    bars = steps({"base_value": -2.0, "score": 1.1, "table": table})
    weights = {f"{name}{i}": (-1.0) ** i / (i + 1) for i in range(12)}
    low = {key: weight - 0.1 for key, weight in weights.items()}
    high = {key: weight + 0.1 for key, weight in weights.items()}
    lime = surrogate_rows({"weights": weights, "low": low, "high": high})
    values = np.linspace(-3, 3, 300)
    many = points(values, 1 / (1 + np.exp(-values)), np.full(300, 0.5))
    categories = points([f"{name}{i}" for i in range(40)], [0.5] * 40, [0.1] * 40)
    versions = pd.DataFrame(
        {"feature": [f"{name}{i}" for i in range(40)], "old": [0.1] * 40, "new": [0.2] * 40}
    )
    case = {"value": 0.5, "probability": 0.62, "threshold": 0.3}
    return {
        "waterfall": svg.waterfall(bars, threshold=0.62),
        "lime": svg.surrogate_bars(lime, unit="log-odds"),
        "curve": svg.curve(many, feature=name, **case),
        "categories": svg.curve(categories, feature=name, **{**case, "value": name}),
        "versions": svg.old_and_new(versions),
    }


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def number_of(element: ElementTree.Element, name: str) -> float:
    return float(element.attrib[name])


def bars_of(root: ElementTree.Element) -> list[tuple[float, float]]:
    """Left edge and width of each bar; the two squares of the legend are left out."""
    found = root.findall("s:rect", NAMESPACE)[2:]
    return [(number_of(bar, "x"), number_of(bar, "width")) for bar in found]


def words_of(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.findall("s:text", NAMESPACE)]


def places_of(root: ElementTree.Element, tag: str = "polyline") -> list[tuple[float, float]]:
    line = root.findall(f"s:{tag}", NAMESPACE)[-1].attrib["points"]
    return [tuple(map(float, pair.split(","))) for pair in line.split()]


def test_bars_of_the_waterfall_stand_where_arithmetic_puts_them() -> None:
    start, v14, v4, score = bars_of(parsed(svg.waterfall(BARS)))
    assert start == pytest.approx((230 + 0.25 * PIXEL, 3), abs=0.06)
    assert v14 == pytest.approx((230 + 0.25 * PIXEL, 5 * PIXEL), abs=0.06)
    assert v4 == pytest.approx((230 + 4.25 * PIXEL, 1 * PIXEL), abs=0.06)
    assert score == pytest.approx((230 + 4.25 * PIXEL, 3), abs=0.06)


def test_even_odds_are_marked_as_one_half_on_the_upper_axis() -> None:
    root = parsed(svg.waterfall(BARS))
    [half] = [text for text in root.findall("s:text", NAMESPACE) if text.text == "0.5"]
    [zero] = [text for text in root.findall("s:text", NAMESPACE) if text.text == "0"]
    assert (
        number_of(half, "x") == number_of(zero, "x") == pytest.approx(230 + 4.25 * PIXEL, abs=0.06)
    )
    assert number_of(half, "y") < number_of(zero, "y")


def test_the_limit_is_a_dashed_line_with_its_number() -> None:
    root = parsed(svg.waterfall(BARS, threshold=0.5))
    [dashed] = [
        line for line in root.findall("s:line", NAMESPACE) if "stroke-dasharray" in line.attrib
    ]
    assert number_of(dashed, "x1") == pytest.approx(230 + 4.25 * PIXEL, abs=0.06)
    assert "limit 0.5" in words_of(root)


def test_a_limit_beyond_the_score_still_has_its_place() -> None:
    root = parsed(svg.waterfall(BARS, threshold=0.99))
    [dashed] = [
        line for line in root.findall("s:line", NAMESPACE) if "stroke-dasharray" in line.attrib
    ]
    assert 230 < number_of(dashed, "x1") < 690


def test_a_score_nothing_moved_can_be_drawn() -> None:
    bars = steps({"base_value": -2.0, "score": -2.0, "table": []})
    assert len(bars_of(parsed(svg.waterfall(bars)))) == 2


def test_weights_start_at_nothing_and_end_at_their_size() -> None:
    lime = surrogate_rows({"weights": {"a": 3.0, "b": -1.0}})
    a, b = bars_of(parsed(svg.surrogate_bars(lime)))
    pixel = 460 / 4.4
    assert a == pytest.approx((230 + 1.2 * pixel, 3 * pixel), abs=0.06)
    assert b == pytest.approx((230 + 0.2 * pixel, 1 * pixel), abs=0.06)


def test_a_range_over_seeds_is_a_thin_line_from_its_lowest_to_its_highest() -> None:
    lime = surrogate_rows({"weights": {"a": 3.0}, "low": {"a": 2.0}, "high": {"a": 4.0}})
    root = parsed(svg.surrogate_bars(lime, unit="log-odds"))
    pixel = 460 / 4.4
    lines = [line for line in root.findall("s:line", NAMESPACE) if line.attrib["stroke"] == svg.INK]
    assert number_of(lines[0], "x1") == pytest.approx(230 + 2.2 * pixel, abs=0.06)
    assert number_of(lines[0], "x2") == pytest.approx(230 + 4.2 * pixel, abs=0.06)
    assert "2 to 4 over the seeds" in root.findtext("s:desc", namespaces=NAMESPACE)
    assert any("log-odds" in text for text in words_of(root))


def test_no_weights_are_an_empty_drawing() -> None:
    root = parsed(svg.surrogate_bars(surrogate_rows({"weights": {}})))
    assert bars_of(root) == []
    assert "none" in root.findtext("s:desc", namespaces=NAMESPACE)


def test_a_curve_runs_through_its_points() -> None:
    root = parsed(svg.curve(LINES, feature="V14", value=5.0, probability=0.6))
    bottom, height = 46 + 220, 220
    assert places_of(root) == [
        (70, pytest.approx(bottom - 0.2 * height)),
        (380, pytest.approx(bottom - 0.6 * height)),
        (690, pytest.approx(bottom - height)),
    ]


def test_the_case_stands_on_its_curve() -> None:
    root = parsed(svg.curve(LINES, feature="V14", value=5.0, probability=0.6))
    corners = places_of(root, "polygon")
    assert np.mean(corners, axis=0) == pytest.approx((380, 46 + 220 * 0.4))
    assert "this case: 0.6" in words_of(root)


def test_small_probabilities_are_drawn_on_a_log_scale_that_says_so() -> None:
    rare = points([0.0, 1.0], [0.0001, 0.01], [0.001, 1.0])
    root = parsed(svg.curve(rare, feature="V14", value=0.0, probability=0.0001, threshold=0.0153))
    assert places_of(root) == [(70, 266), (690, pytest.approx(266 - 220 / 2))]
    assert "probability (log scale)" in words_of(root)
    assert "limit 0.0153" in words_of(root)


def test_a_value_outside_the_curve_widens_the_axis() -> None:
    root = parsed(svg.curve(LINES, feature="V14", value=20.0, probability=0.6))
    assert places_of(root)[-1][0] == pytest.approx(380)


def test_a_missing_value_has_no_dot_and_one_point_can_be_drawn() -> None:
    one = points([1.0], [0.4], [0.3])
    root = parsed(svg.curve(one, feature="V14", value=None, probability=0.4))
    assert len(root.findall("s:polygon", NAMESPACE)) == 1  # the legend's
    assert not any("this case:" in word for word in words_of(root))


def test_categories_are_rows_with_two_marks() -> None:
    rows = points(["web", "shop"], [0.5, 1.0], [0.25, 0.1])
    root = parsed(svg.curve(rows, feature="channel", value="web", probability=0.5, threshold=0.5))
    rings = [number_of(ring, "cx") for ring in root.findall("s:circle", NAMESPACE)]
    assert {"web", "shop"} <= set(words_of(root))
    assert rings == pytest.approx([230 + 460 * 0.25, 230 + 460 * 0.1])


def test_old_and_new_are_joined_where_both_exist() -> None:
    root = parsed(svg.old_and_new(VERSIONS))
    pixel = 460 / 5.5
    ring = root.findall("s:circle", NAMESPACE)[1]
    assert number_of(ring, "cx") == pytest.approx(230 + 4.25 * pixel, abs=0.06)
    assert np.mean(places_of(root, "polygon"), axis=0)[0] == pytest.approx(
        230 + 0.25 * pixel, abs=0.06
    )
    joined = [
        line for line in root.findall("s:line", NAMESPACE) if line.attrib["stroke-width"] == "2"
    ]
    assert len(joined) == 1
    assert "V4 none to −1" in root.findtext("s:desc", namespaces=NAMESPACE)


@pytest.mark.parametrize("name", ["V14", HOSTILE, "&" * 400, "very long name " * 40])
def test_every_drawing_is_small_valid_and_says_what_it_shows(name: str) -> None:
    for kind, text in all_drawings(name).items():
        root = parsed(text)
        assert len(text.encode()) <= LIMIT_BYTES, (kind, len(text.encode()))
        assert root.attrib["role"] == "img"
        assert root.attrib["viewBox"].startswith("0 0 720 ")
        title, described = root.find("s:title", NAMESPACE), root.find("s:desc", NAMESPACE)
        labelled = f"{title.attrib['id']} {described.attrib['id']}"
        assert root.attrib["aria-labelledby"] == labelled
        assert title.text
        assert described.text


def test_names_stay_text_whatever_they_hold() -> None:
    for kind, text in all_drawings(HOSTILE).items():
        tags = {element.tag.rpartition("}")[2] for element in parsed(text).iter()}
        assert tags <= {
            "svg",
            "title",
            "desc",
            "text",
            "rect",
            "line",
            "circle",
            "polygon",
            "polyline",
        }
        assert "<script" not in text, kind
        assert "\x00" not in text
        text.encode()


def test_right_to_left_names_are_kept() -> None:
    table = [{"feature": "مرحبا", "contribution": 1.0}]
    root = parsed(svg.waterfall(steps({"base_value": 0.0, "score": 1.0, "table": table})))
    assert "مرحبا" in words_of(root)


def test_a_key_cannot_leave_its_attribute() -> None:
    root = parsed(svg.waterfall(BARS, key='x" onload="alert(1)'))
    assert "onload" not in root.attrib
    assert root.find("s:title", NAMESPACE).attrib["id"] == "x--onload--alert-1--title"


def test_the_same_rows_give_the_same_bytes() -> None:
    assert all_drawings() == all_drawings()


def test_no_number_is_a_negative_zero_or_has_more_than_one_decimal() -> None:
    for text in all_drawings().values():
        for element in parsed(text).iter():
            for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
                value = element.attrib.get(name, "0")
                assert value != "-0"
                assert len(value.partition(".")[2]) <= 1


@pytest.mark.parametrize(
    ("value", "written"), [(-0.04, "0"), (-0.0, "0"), (1.25, "1.2"), (-3, "-3")]
)
def test_pixels_are_rounded_without_a_sign_of_nothing(value: float, written: str) -> None:
    assert svg._px(value) == written


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-8.3, 0.5, [-8, -6, -4, -2, 0]),
        (0, 0.02, [0, 0.005, 0.01, 0.015, 0.02]),
        (1e6, 3e6, [1e6, 1.5e6, 2e6, 2.5e6, 3e6]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert svg._ticks(low, high) == pytest.approx(expected)


def test_ticks_hold_no_negative_zero() -> None:
    assert all(math.copysign(1, tick) > 0 for tick in svg._ticks(-1, 1) if tick == 0)


@pytest.mark.parametrize("colour", [svg.INK, svg.GREY, svg.ORANGE, svg.BLUE, svg.PURPLE])
def test_every_colour_reads_on_paper(colour: str) -> None:
    def luminance(code: str) -> float:
        parts = np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    assert (luminance(PAPER) + 0.05) / (luminance(colour) + 0.05) >= 4.5


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    values = np.linspace(0, 1, 5_000)
    rows = points(values, values, values)
    root = parsed(svg.curve(rows, feature="x", value=0.5, probability=0.5))
    places = places_of(root)
    assert len(places) <= svg.MOST_POINTS + 1
    assert places[-1] == (690, pytest.approx(46))
