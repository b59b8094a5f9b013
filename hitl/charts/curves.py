"""How a score follows a feature: curves, the surface over two, importance and interactions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import altair as alt
import pandas as pd

from hitl.charts.reasons import AROUND_PIXELS, BLUE, DASHES, GREY, ORANGE, ROW_PIXELS, TEXT
from hitl.charts.rows import AVERAGE, CASE, LARGEST, SMALLEST, probability_axis
from hitl.explain.text import number

KINDS = {CASE: ORANGE, AVERAGE: BLUE}
SHAPES = {CASE: "diamond", AVERAGE: "circle"}
HEIGHT = 320
NAME_PIXELS = 240
"""Width of a feature's name beside a bar; a pair has two."""
SHADES = ["#eaf2fc", "#bcd6f5", "#86b3ec", "#4f8bdc", "#2b62b0", "#163d78"]
"""One hue from unlikely to likely, so that more ink is more probability."""
INK, HALO = "#101418", "#ffffff"
"""A dark line with a light rim is seen on every shade."""

Box = tuple[float | None, float | None, float | None, float | None]


def curve(
    points: pd.DataFrame,
    *,
    feature: str,
    value: float | str,
    probability: float,
    threshold: float | None = None,
) -> alt.LayerChart:
    """Draw the probability along one feature: for this case, and on average.

    Parameters
    ----------
    points
        ``value`` (the feature's unit, or a category), ``kind`` (``"this case"``, all else held, or
        ``"average"`` over known rows) and ``probability`` in ``[0, 1]``.
    feature
        Name of the feature with its unit, for the axis.
    value, probability
        Where the case itself stands.
    threshold
        Probability from which a case is flagged; a dashed line, if given.

    Returns
    -------
    LayerChart
        Lines over a number, dots over categories. The scale is logarithmic where small and large
        probabilities meet; it then says so.
    """
    limits = [] if threshold is None else [threshold]
    y = _probability([*points["probability"], probability, *limits])
    x = _feature(points["value"], feature)
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(KINDS), range=list(KINDS.values())),
        legend=alt.Legend(orient="top"),
    )
    base = alt.Chart(points).encode(x=x, y=y, color=color, tooltip=_tooltip(points, feature))
    lines = _lines(base) if _is_number(points["value"]) else _dots(base)
    layers = [lines, *_here(value, probability, x, y)]
    if threshold is not None:
        layers += _limit(threshold, y)
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=HEIGHT))


def surface(
    grid: pd.DataFrame,
    *,
    x: str,
    y: str,
    case: tuple[float, float],
    threshold: float | None = None,
    box: Box | None = None,
) -> alt.LayerChart:
    """Draw the probability over two features as shades, with the case's place.

    Parameters
    ----------
    grid
        ``x``, ``y`` (each a regular grid of at most 60 values) and ``probability`` in ``[0, 1]``,
        one row a cell.
    x, y
        Names of the two features with their units.
    case
        The case's two values.
    threshold
        Probability from which a case is flagged; the border between flagged and not, if given.
    box
        ``x`` from and to, ``y`` from and to of a rule in one sentence; nothing for an open end.

    Returns
    -------
    LayerChart
        Cells, the border as a line, the rule as a dashed box, and a dot at the case.
    """
    cells = _cells(grid)
    kind, low, high = probability_axis([*grid["probability"], *([threshold] if threshold else [])])
    scale = alt.Scale(type=kind, domain=[low, high], range=SHADES, clamp=True)
    marks = _decades(low, high) if kind == "log" else alt.Undefined
    legend = alt.Legend(format=".4~r", tickCount=4, gradientLength=200, values=marks)
    tight, bare = alt.Scale(nice=False, zero=False), alt.Axis(grid=False)
    x_axis = alt.X("x_low:Q", title=x, scale=tight, axis=bare)
    y_axis = alt.Y("y_low:Q", title=y, scale=tight, axis=bare)
    shades = (
        alt.Chart(cells)
        .mark_rect(strokeWidth=1)
        .encode(
            x=x_axis,
            x2="x_high:Q",
            y=y_axis,
            y2="y_high:Q",
            color=alt.Color("probability:Q", title="probability", scale=scale, legend=legend),
            stroke=alt.Stroke("probability:Q", scale=scale, legend=None),
            tooltip=[
                alt.Tooltip("x:Q", title=x, format=".3~r"),
                alt.Tooltip("y:Q", title=y, format=".3~r"),
                alt.Tooltip("probability:Q", format=".3~r"),
            ],
        )
    )
    layers: list[alt.Chart] = [shades]
    if threshold is not None:
        layers += _border(cells, threshold)
    if box is not None:
        layers += _box(cells, box)
    layers += _place(case)
    words = _surface_words(threshold, box)
    title = alt.TitleParams(words, fontSize=12, fontWeight="normal", anchor="start")
    return cast(
        alt.LayerChart, alt.layer(*layers).properties(height=HEIGHT + ROW_PIXELS, title=title)
    )


def importance_bars(rows: pd.DataFrame, *, title: str) -> alt.LayerChart:
    """Draw how much the model leans on each feature.

    Parameters
    ----------
    rows
        ``feature`` and ``importance`` in drawing order, heaviest first.
    title
        What the bars measure, with its unit, for the axis.
    """
    return _bars(rows, "feature", "importance", title)


def interaction_bars(rows: pd.DataFrame, *, title: str) -> alt.LayerChart:
    """Draw which pairs of features act together, and how strongly.

    Parameters
    ----------
    rows
        ``pair`` (``"V4 × V14"``) and ``strength`` in drawing order, strongest first.
    title
        What the bars measure, with its unit, for the axis.
    """
    return _bars(rows, "pair", "strength", title, labels=2 * NAME_PIXELS)


def dependence(
    points: pd.DataFrame, *, feature: str, value: float | str | None, contribution: float
) -> alt.LayerChart:
    """Draw what a feature contributed at each of its values, with the case's dot.

    Parameters
    ----------
    points
        ``value`` (the feature's unit, or a category) and ``contribution`` (log-odds), one row a
        known case; at most 4,000 rows.
    feature
        Name of the feature with its unit, for the axis.
    value, contribution
        Where the case itself stands; no value, no dot.
    """
    x = _feature(points["value"], feature)
    y = alt.Y("contribution:Q", title="contribution in log-odds")
    known = (
        alt.Chart(points)
        .mark_point(filled=True, size=22, opacity=0.45, color=BLUE)
        .encode(
            x=x,
            y=y,
            tooltip=[_shown(points, feature), alt.Tooltip("contribution:Q", format="+.3~r")],
        )
    )
    zero = alt.Chart(pd.DataFrame({"contribution": [0.0]}))
    layers: list[alt.Chart] = [
        known,
        zero.mark_rule(strokeDash=DASHES, color=GREY).encode(y="contribution:Q"),
    ]
    if value is not None and value == value:
        one = pd.DataFrame({"value": [value], "contribution": [contribution], "word": [CASE]})
        layers += _dot(alt.Chart(one).encode(x=x, y=y), "word:N")
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=HEIGHT))


def _bars(
    rows: pd.DataFrame, name: str, amount: str, title: str, *, labels: int = NAME_PIXELS
) -> alt.LayerChart:
    y = alt.Y(f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=labels, ticks=False))
    room = 1.15 * float(rows[amount].max()) if len(rows) else 1.0
    x = alt.X(f"{amount}:Q", title=title, scale=alt.Scale(domain=[0, room or 1.0]))
    table = rows.assign(written=[number(float(value)) for value in rows[amount]])
    base = alt.Chart(table).encode(x=x, y=y, tooltip=[f"{name}:N", f"{amount}:Q"])
    layers = [
        base.mark_bar(height=14, cornerRadius=2, color=BLUE),
        base.mark_text(align="left", dx=6, **TEXT).encode(text="written:N"),
    ]
    height = ROW_PIXELS * max(len(rows), 1) + AROUND_PIXELS // 2
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height))


def _is_number(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values)) and not pd.api.types.is_bool_dtype(values)


def _feature(values: pd.Series, title: str) -> alt.X:
    if _is_number(values):
        scale, axis = alt.Scale(zero=False, nice=False), alt.Axis(tickCount=7)
        return alt.X("value:Q", title=title, scale=scale, axis=axis)
    order = list(dict.fromkeys(str(value) for value in values))
    axis = alt.Axis(labelAngle=0, labelLimit=120)
    return alt.X("value:N", title=title, sort=order, axis=axis)


def _probability(values: Sequence[float]) -> alt.Y:
    kind, low, high = probability_axis(values)
    if kind == "log":
        scale = alt.Scale(type="log", domain=[low, high], clamp=True, nice=False)
        axis = alt.Axis(values=_decades(low, high), format=".6~r")
        return alt.Y("probability:Q", title="probability (log scale)", scale=scale, axis=axis)
    scale = alt.Scale(domain=[low, high], nice=False)
    axis = alt.Axis(format=".4~r", tickCount=5)
    return alt.Y("probability:Q", title="probability", scale=scale, axis=axis)


def _decades(low: float, high: float) -> list[float]:
    ticks = [low]
    while ticks[-1] < high * 0.999:
        ticks.append(float(f"{ticks[-1] * 10:.0e}"))
    return ticks


def _lines(base: alt.Chart) -> alt.Chart:
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=list(KINDS), range=[[1, 0], [6, 3]]))
    return cast(alt.Chart, base.mark_line(strokeWidth=2.5, clip=True).encode(strokeDash=dash))


def _dots(base: alt.Chart) -> alt.Chart:
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(SHAPES.values())))
    chart = base.mark_point(filled=True, size=90, opacity=1).encode(shape=shape)
    return cast(alt.Chart, chart)


def _tooltip(points: pd.DataFrame, feature: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("kind:N", title="curve"),
        _shown(points, feature),
        alt.Tooltip("probability:Q", format=".3~r"),
    ]


def _shown(points: pd.DataFrame, feature: str) -> alt.Tooltip:
    if _is_number(points["value"]):
        return alt.Tooltip("value:Q", title=feature, format=".4~r")
    return alt.Tooltip("value:N", title=feature)


def _here(value: float | str, probability: float, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    if value is None or value != value:
        return []
    inside = min(max(probability, SMALLEST), LARGEST)
    word = f"this case: {number(probability)}"
    one = pd.DataFrame({"value": [value], "probability": [inside], "word": [word]})
    return _dot(alt.Chart(one).encode(x=x, y=y), "word:N")


def _dot(base: alt.Chart, word: str) -> list[alt.Chart]:
    mark: dict[str, Any] = {"filled": True, "size": 130, "opacity": 1, "shape": "diamond"}
    return [
        base.mark_point(**mark, color=ORANGE, stroke="white", strokeWidth=1.5),
        base.mark_text(align="left", dx=10, dy=-12, **TEXT).encode(text=word),
    ]


def _limit(threshold: float, y: alt.Y) -> list[alt.Chart]:
    word = f"limit {number(threshold)}"
    one = alt.Chart(pd.DataFrame({"probability": [threshold], "word": [word]})).encode(y=y)
    return [
        one.mark_rule(strokeDash=DASHES, strokeWidth=1.5, color=GREY),
        one.mark_text(align="right", dx=-4, dy=-8, **TEXT).encode(
            x=alt.value("width"), text="word:N"
        ),
    ]


def _cells(grid: pd.DataFrame) -> pd.DataFrame:
    """Give each cell its four edges: half way to its neighbours."""
    found = grid
    for axis in ("x", "y"):
        centres = sorted(grid[axis].unique())
        middles = [(a + b) / 2 for a, b in pairwise(centres)]
        half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.5
        last = (centres[-1] - centres[-2]) / 2 if len(centres) > 1 else 0.5
        edges = [centres[0] - half, *middles, centres[-1] + last]
        low = dict(zip(centres, edges[:-1], strict=True))
        high = dict(zip(centres, edges[1:], strict=True))
        found = found.assign(
            **{f"{axis}_low": found[axis].map(low), f"{axis}_high": found[axis].map(high)}
        )
    return found


def _border(cells: pd.DataFrame, threshold: float) -> list[alt.Chart]:
    """Draw the edges between a cell that is flagged and one that is not."""
    edges = border(cells, threshold)
    if edges.empty:
        return []
    drawn = alt.Chart(edges).encode(x="from_x:Q", x2="to_x:Q", y="from_y:Q", y2="to_y:Q")
    return [
        drawn.mark_rule(color=colour, strokeWidth=width, strokeCap="square")
        for colour, width in ((HALO, 4.5), (INK, 2))
    ]


def border(cells: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Find the edges between cells that are flagged and cells that are not.

    Parameters
    ----------
    cells
        ``x``, ``y``, their edges ``x_low, x_high, y_low, y_high`` and ``probability``.
    threshold
        Probability from which a cell is flagged.

    Returns
    -------
    DataFrame
        One row an edge: ``from_x, from_y, to_x, to_y``.
    """
    edges = []
    for along, across in (("x", "y"), ("y", "x")):
        for _, line in cells.sort_values([across, along]).groupby(across, sort=True):
            flagged = (line["probability"] >= threshold).to_numpy()
            for place in (flagged[1:] != flagged[:-1]).nonzero()[0]:
                cell = line.iloc[int(place)]
                at = float(cell[f"{along}_high"])
                ends = float(cell[f"{across}_low"]), float(cell[f"{across}_high"])
                edges.append(
                    (at, ends[0], at, ends[1]) if along == "x" else (ends[0], at, ends[1], at)
                )
    return pd.DataFrame(edges, columns=["from_x", "from_y", "to_x", "to_y"])


def _box(cells: pd.DataFrame, box: Box) -> list[alt.Chart]:
    ends = [
        cells["x_low"].min(),
        cells["x_high"].max(),
        cells["y_low"].min(),
        cells["y_high"].max(),
    ]
    row = [float(end if given is None else given) for given, end in zip(box, ends, strict=True)]
    one = pd.DataFrame([row], columns=["from_x", "to_x", "from_y", "to_y"])
    drawn = alt.Chart(one).encode(x="from_x:Q", x2="to_x:Q", y="from_y:Q", y2="to_y:Q")
    return [
        drawn.mark_rect(fillOpacity=0, stroke=HALO, strokeWidth=4, clip=True),
        drawn.mark_rect(fillOpacity=0, stroke=INK, strokeWidth=2, strokeDash=[7, 4], clip=True),
    ]


def _place(case: tuple[float, float]) -> list[alt.Chart]:
    if any(value is None or value != value for value in case):
        return []
    one = alt.Chart(pd.DataFrame({"case_x": [case[0]], "case_y": [case[1]]}))
    mark: dict[str, Any] = {
        "filled": True,
        "size": 150,
        "opacity": 1,
        "shape": "diamond",
        "color": ORANGE,
    }
    place = one.encode(x="case_x:Q", y="case_y:Q")
    return [place.mark_point(**mark, stroke="white", strokeWidth=2)]


def _surface_words(threshold: float | None, box: Box | None) -> str:
    words = ["diamond: this case"]
    if threshold is not None:
        words.append(f"line: limit {number(threshold)}")
    if box is not None:
        words.append("dashed box: the rule")
    return " · ".join(words)
