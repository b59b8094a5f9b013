"""Charts that compare: a share by group with its interval, and the difference of two models."""

import altair as alt
import pandas as pd

from hitl.fairness import MIN_ROWS

ROW_HEIGHT, SURROUND, LEGEND = 24, 76, 64
"""Pixels for one group or metric, for title and axis, and for legend and axis title."""
GREY = "#808080"
"""Seen on light and on dark ground."""
STANDINGS = ("cannot tell", "worse", "better", "the same")
SHAPES = ("circle", "triangle-left", "triangle-right", "square")


def group_intervals(rows: pd.DataFrame, *, title: str) -> alt.LayerChart | alt.FacetChart:
    """Draw one share by group: a dot with its 95 % interval, n beside the group's name.

    Parameters
    ----------
    rows
        One row per group in the order to draw, with ``group_name``, ``n`` and ``share, low, high``
        in ``[0, 1]``; NaN where there is nothing to count.
    title
        Subject of the chart: which share of what, by which groups.

    Returns
    -------
    Chart
        A line from low to high and a dot at the share; a group without rows keeps its place. The
        line of a group with fewer than 30 rows may leave the chart, so that it does not squeeze
        the others.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {"group_name": ["a"], "n": [40], "share": [0.5], "low": [0.35], "high": [0.65]}
    ... )
    >>> group_intervals(rows, title="Flagged, by group").to_dict()["title"]
    'Flagged, by group'
    """
    labels = [f"{g} · n {int(n):,}" for g, n in zip(rows["group_name"], rows["n"], strict=True)]
    table = rows[["share", "low", "high", "n"]].assign(group=labels)
    y = alt.Y("group:N", sort=labels, title=None, scale=alt.Scale(domain=labels), axis=_names())
    axis = alt.Axis(format="~%", tickCount=5)
    x = alt.X("low:Q", title=None, axis=axis, scale=alt.Scale(domain=_domain(rows)))
    tooltip = [
        alt.Tooltip("group:N", title="Group"),
        alt.Tooltip("share:Q", title="Share", format=".3~%"),
        alt.Tooltip("low:Q", title="95 % from", format=".3~%"),
        alt.Tooltip("high:Q", title="95 % to", format=".3~%"),
    ]
    base = alt.Chart(table.dropna(subset=["share"])).encode(y=y, tooltip=tooltip)
    lines = base.mark_bar(size=3, clip=True).encode(x=x, x2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="share:Q")
    return alt.layer(lines, dots).properties(title=title, height=_height(len(table)))


def metric_differences(rows: pd.DataFrame, *, title: str) -> alt.LayerChart | alt.FacetChart:
    """Draw how far the new model is from the old one, metric by metric, better to the right.

    Parameters
    ----------
    rows
        One row per metric in the order to draw: ``label``; ``gain, gain_low, gain_high`` in
        percentage points, positive when the new model is better; ``standing``, one of
        `STANDINGS`.
    title
        Subject of the chart.

    Returns
    -------
    Chart
        A line for the paired 95 % interval, a mark whose shape and colour say the standing, and a
        rule at no difference.
    """
    x = alt.X("gain_low:Q", title="worse ←  percentage points  → better")
    y = alt.Y("label:N", sort=None, title=None, axis=_names())
    tooltip = [
        alt.Tooltip("label:N", title="Measure"),
        alt.Tooltip("gain:Q", title="Points better", format="+.3~r"),
        alt.Tooltip("gain_low:Q", title="95 % from", format="+.3~r"),
        alt.Tooltip("gain_high:Q", title="95 % to", format="+.3~r"),
        alt.Tooltip("standing:N", title="Standing"),
    ]
    colour = alt.Color(
        "standing:N",
        title=None,
        scale=alt.Scale(domain=list(STANDINGS)),
        legend=alt.Legend(orient="bottom"),
    )
    shape = alt.Shape("standing:N", scale=alt.Scale(domain=list(STANDINGS), range=list(SHAPES)))
    base = alt.Chart(rows.dropna(subset=["gain"])).encode(y=y, color=colour, tooltip=tooltip)
    lines = base.mark_bar(size=3).encode(x=x, x2="gain_high:Q")
    marks = base.mark_point(filled=True, size=90, opacity=1).encode(x="gain:Q", shape=shape)
    nothing = alt.Chart(pd.DataFrame({"at": [0.0]}))
    zero = nothing.mark_rule(strokeDash=[4, 3], color=GREY).encode(x="at:Q")
    return alt.layer(zero, lines, marks).properties(title=title, height=LEGEND + _height(len(rows)))


def _domain(rows: pd.DataFrame) -> list[float]:
    large = rows[rows["n"] >= MIN_ROWS]
    limits = (large if len(large) > 1 else rows)["high"].max()
    ends = pd.Series([limits, rows["share"].max()]).dropna()
    return [0.0, min(1.0, 1.05 * float(ends.max()))] if len(ends) else [0.0, 1.0]


def _height(rows: int) -> int:
    return SURROUND + ROW_HEIGHT * max(rows, 1)


def _names() -> alt.Axis:
    return alt.Axis(labelLimit=260, labelOverlap=False, ticks=False, domain=False)
