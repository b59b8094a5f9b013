"""Why one score: contributions, LIME's weights, how far the two agree, and old against new."""

from typing import Any, cast

import altair as alt
import pandas as pd

from hitl.charts.rows import (
    LOWERS,
    OTHER,
    RAISES,
    SCORE,
    STANDS,
    START,
    log_odds,
    names,
    probability_ticks,
    rank_rows,
    steps,
    surrogate_rows,
)
from hitl.explain.text import number

__all__ = [
    "LOWERS",
    "OTHER",
    "RAISES",
    "SCORE",
    "STANDS",
    "START",
    "old_and_new",
    "rank_rows",
    "ranks",
    "steps",
    "surrogate_bars",
    "surrogate_rows",
    "waterfall",
]

ORANGE, BLUE, PURPLE, GREY = "#c2600a", "#3b7dd8", "#8f5bd6", "#717783"
"""Told apart by colour-blind eyes, and seen on light and on dark ground."""

COLOURS = {RAISES: ORANGE, LOWERS: BLUE, STANDS: GREY}
METHODS = ("contributions", "LIME")
VERSIONS = ("old model", "new model")
ROW_PIXELS = 26
AROUND_PIXELS = 140
"""What legend, axis and its title take from a chart's height."""
DASHES = [4, 3]
TEXT: dict[str, Any] = {"color": GREY, "fontSize": 12, "fontWeight": 600}
ROOM, LONG_ROOM = 0.85, 0.6
"""A number stands to the right of a bar that ends in this share of the width, else to the left; the
first and the last number are longer."""

UNITS = {
    "probability": "weight in probability (1 is certainty)",
    "log-odds": "weight in log-odds (+1 is 2.7 times the odds)",
}


def waterfall(
    bars: pd.DataFrame, *, threshold: float | None = None, name_pixels: int = 240
) -> alt.LayerChart:
    """Draw `steps` as a waterfall: where a score starts, what moves it, where it ends.

    Parameters
    ----------
    bars
        The rows of `steps`: ``position``, ``label``, ``start``, ``end`` and ``amount`` (log-odds),
        ``effect`` and ``written``.
    threshold
        Probability in ``[0, 1]`` from which a case is flagged; a dashed line, if given.
    name_pixels
        Room for a feature's name; a longer one is cut.

    Returns
    -------
    LayerChart
        Log-odds below, the same axis in probability above.
    """
    limit = None if threshold is None else log_odds(threshold)
    low, high = _reach(bars, limit)
    shown = _with_places(bars, low, high)
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    start = alt.X("start:Q", scale=scale, axis=None)
    order = [""] * (limit is not None) + shown["label"].tolist()
    y = alt.Y("label:N", title=None, axis=_names(name_pixels), scale=alt.Scale(domain=order))
    base = alt.Chart(shown).encode(
        y=y,
        color=_effect(list(COLOURS)),
        tooltip=[
            alt.Tooltip("label:N", title="feature"),
            alt.Tooltip("written:N", title="log-odds"),
            alt.Tooltip("effect:N", title="effect"),
        ],
    )
    below = alt.Axis(
        title="score in log-odds (0 is even odds, +1 is 2.7 times the odds)", tickCount=6
    )
    moves = base.transform_filter(alt.datum.effect != STANDS)
    ends = base.transform_filter(alt.datum.effect == STANDS)
    layers = [
        moves.mark_bar(height=14, cornerRadius=2).encode(x=start.axis(below), x2="end:Q"),
        ends.mark_tick(thickness=4, size=20).encode(x=start.axis(_probabilities(low, high))),
        *_numbers(base, scale),
    ]
    if limit is not None and threshold is not None:
        layers += _limit(limit, f"limit {number(threshold)}", (low, high), scale, y)
    return cast(
        alt.LayerChart,
        alt.layer(*layers)
        .resolve_axis(x="independent")
        .properties(height=ROW_PIXELS * len(order) + AROUND_PIXELS),
    )


def surrogate_bars(rows: pd.DataFrame, *, unit: str = "probability") -> alt.LayerChart:
    """Draw LIME's weights as bars to either side of nothing, with their range over the seeds.

    Parameters
    ----------
    rows
        The rows of `surrogate_rows`: ``condition``, ``weight``, ``low``, ``high`` (NaN where no
        range is known) and ``effect``.
    unit
        What the weights are in: ``"probability"`` or ``"log-odds"``.

    Returns
    -------
    LayerChart
        A bar for each condition, and a thin line from the lowest to the highest weight.
    """
    tooltip = [
        alt.Tooltip("condition:N", title="condition"),
        alt.Tooltip("weight:Q", title="weight", format="+.3~r"),
        alt.Tooltip("effect:N", title="effect"),
    ]
    y = alt.Y("condition:N", sort=None, title=None, axis=_names())
    base = alt.Chart(rows).encode(y=y, tooltip=tooltip)
    bars = base.mark_bar(height=12, cornerRadius=2).encode(
        x=alt.X("weight:Q", title=UNITS[unit], axis=alt.Axis(tickCount=6)),
        color=_effect([RAISES, LOWERS]),
    )
    banded = rows.dropna(subset=["low", "high"])
    layers: list[alt.Chart | alt.LayerChart] = [bars]
    if len(banded):
        tooltip = [
            *tooltip,
            alt.Tooltip("low:Q", title="lowest of the seeds", format="+.3~r"),
            alt.Tooltip("high:Q", title="highest of the seeds", format="+.3~r"),
        ]
        over = alt.Chart(banded).encode(y=y, tooltip=tooltip)
        lines = over.mark_rule(strokeWidth=2.5, color=GREY).encode(x="low:Q", x2="high:Q")
        tips: dict[str, Any] = {"size": 20, "thickness": 2.5, "color": GREY}
        layers += [lines, over.mark_tick(**tips).encode(x="low:Q")]
        layers += [over.mark_tick(**tips).encode(x="high:Q")]
    height = ROW_PIXELS * len(rows) + AROUND_PIXELS
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height))


def ranks(rows: pd.DataFrame) -> alt.LayerChart:
    """Draw how two methods rank the same features: one line a feature, crossing where they differ.

    Parameters
    ----------
    rows
        The rows of `rank_rows`: ``feature``, ``shap_rank``, ``lime_rank`` (1 is heaviest, NaN for
        none) and ``agreement``, one of `AGREEMENTS`.

    Returns
    -------
    LayerChart
        Dots at the two ranks, joined by a line; shape and colour say whether the directions agree,
        and so does the word behind the feature's name.
    """
    labels = [
        f"{feature} · {word}"
        for feature, word in zip(rows["feature"], rows["agreement"], strict=True)
    ]
    table = rows.assign(label=labels)
    ends = table.melt(
        id_vars=["label", "agreement"],
        value_vars=["shap_rank", "lime_rank"],
        var_name="method",
        value_name="rank",
    ).dropna(subset=["rank"])
    ends["method"] = ends["method"].map(dict(zip(("shap_rank", "lime_rank"), METHODS, strict=True)))
    y = alt.Y("label:N", sort=labels, title=None, scale=alt.Scale(domain=labels), axis=_names(340))
    last = float(ends["rank"].max()) if len(ends) else 1.0
    rank_axis = alt.Axis(tickMinStep=1, format="d", grid=True)
    title, scale = "rank (1 is the heaviest)", alt.Scale(domain=[0.5, last + 0.5], nice=False)
    joined = alt.Chart(table.dropna(subset=["lime_rank"])).mark_rule(color=GREY, strokeWidth=2)
    dots = _two_marks(alt.Chart(ends), "method", {METHODS[0]: PURPLE, METHODS[1]: ORANGE}).encode(
        x=alt.X("rank:Q", title=title, axis=rank_axis, scale=scale),
        y=y,
        tooltip=[
            alt.Tooltip("label:N", title="feature"),
            alt.Tooltip("method:N", title="method"),
            alt.Tooltip("rank:Q", title="rank"),
        ],
    )
    x = alt.X("shap_rank:Q", title=title, axis=rank_axis, scale=scale)
    lines = joined.encode(x=x, x2="lime_rank:Q", y=y)
    height = ROW_PIXELS * len(rows) + AROUND_PIXELS
    return cast(alt.LayerChart, alt.layer(lines, dots).properties(height=height))


def old_and_new(rows: pd.DataFrame) -> alt.LayerChart:
    """Draw how each contribution changed from one model to another.

    Parameters
    ----------
    rows
        One row a feature in drawing order: ``feature`` (or ``label`` beside it, a name for people),
        ``old`` and ``new`` (log-odds, NaN where a model lacks the feature) and ``change``.

    Returns
    -------
    LayerChart
        A large dot for the old model, a small diamond for the new one, a line between them.
    """
    table = rows.assign(name=names(rows))
    order = table["name"].tolist()
    ends = table.melt(
        id_vars=["name", "change"], value_vars=["old", "new"], var_name="end", value_name="amount"
    ).dropna(subset=["amount"])
    ends["model"] = ends["end"].map(dict(zip(("old", "new"), VERSIONS, strict=True)))
    y = alt.Y("name:N", sort=order, title=None, axis=_names(), scale=alt.Scale(domain=order))
    dots = _two_marks(alt.Chart(ends), "model", {VERSIONS[0]: GREY, VERSIONS[1]: PURPLE}).encode(
        y=y,
        x=alt.X("amount:Q", title="contribution in log-odds (+1 is 2.7 times the odds)"),
        tooltip=[
            alt.Tooltip("name:N", title="feature"),
            alt.Tooltip("model:N", title="model"),
            alt.Tooltip("amount:Q", title="log-odds", format="+.3~r"),
            alt.Tooltip("change:Q", title="change", format="+.3~r"),
        ],
    )
    zero = alt.Chart(pd.DataFrame({"amount": [0.0]}))
    layers = [
        zero.mark_rule(strokeDash=DASHES, color=GREY).encode(x="amount:Q"),
        alt.Chart(table.dropna(subset=["old", "new"]))
        .mark_rule(color=GREY, strokeWidth=2)
        .encode(x="old:Q", x2="new:Q", y=y),
        dots,
    ]
    height = ROW_PIXELS * max(len(rows), 1) + AROUND_PIXELS
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height))


def _reach(bars: pd.DataFrame, limit: float | None) -> tuple[float, float]:
    ends = [*bars["start"], *bars["end"], *([] if limit is None else [limit])]
    room = max(0.04 * (max(ends) - min(ends)), 0.25)
    return min(ends) - room, max(ends) + room


def _with_places(bars: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    left, right = bars[["start", "end"]].min(axis=1), bars[["start", "end"]].max(axis=1)
    room = bars["effect"].eq(STANDS).map({True: LONG_ROOM, False: ROOM})
    fits = right <= low + room * (high - low)
    return bars.assign(at=right.where(fits, left), side=fits.map({True: "right", False: "left"}))


def _numbers(base: alt.Chart, scale: alt.Scale) -> list[alt.Chart]:
    x = alt.X("at:Q", scale=scale, axis=None)
    return [
        base.transform_filter(alt.datum.side == side)
        .mark_text(align="left" if side == "right" else "right", dx=dx, **TEXT)
        .encode(x=x, text="written:N", color=alt.value(GREY))
        for side, dx in (("right", 7), ("left", -7))
    ]


def _limit(
    limit: float, word: str, ends: tuple[float, float], scale: alt.Scale, y: alt.Y
) -> list[alt.Chart]:
    fits = limit <= ends[0] + ROOM * (ends[1] - ends[0])
    one = alt.Chart(pd.DataFrame({"limit": [limit], "word": [word], "label": [""]}))
    x = alt.X("limit:Q", scale=scale, axis=None)
    beside: dict[str, Any] = {"align": "left" if fits else "right", "dx": 5 if fits else -5}
    return [
        one.mark_rule(strokeDash=DASHES, strokeWidth=1.5, color=GREY).encode(x=x),
        one.mark_text(**beside, **TEXT).encode(x=x, y=y, text="word:N"),
    ]


def _probabilities(low: float, high: float) -> alt.Axis:
    """Give the upper axis: round probabilities at their places in log-odds."""
    return alt.Axis(
        orient="top",
        title="the same as a probability",
        values=[place for place, _ in probability_ticks(low, high)],
        labelExpr="format(1 / (1 + exp(-datum.value)), '.6~r')",
        grid=False,
        labelOverlap=True,
    )


def _two_marks(base: alt.Chart, column: str, colours: dict[str, str]) -> alt.Chart:
    """Draw the first word as a large dot and the second as a small diamond, seen on top of it."""
    words = list(colours)
    shape = alt.Shape(f"{column}:N", scale=alt.Scale(domain=words, range=["circle", "diamond"]))
    size = alt.Size(f"{column}:N", scale=alt.Scale(domain=words, range=[260, 120]), legend=None)
    marks = base.mark_point(filled=True, opacity=1)
    return cast(
        alt.Chart,
        marks.encode(color=_words(column, colours, symbolSize=120), shape=shape, size=size),
    )


def _names(limit: int = 240) -> alt.Axis:
    return alt.Axis(labelLimit=limit, labelOverlap=False, ticks=False, domain=False)


def _effect(effects: list[str]) -> alt.Color:
    colours = {effect: COLOURS[effect] for effect in effects}
    return _words("effect", colours, symbolType="square", symbolStrokeWidth=0)


def _words(column: str, colours: dict[str, str], **legend: Any) -> alt.Color:
    return alt.Color(
        f"{column}:N",
        title=None,
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(orient="top", labelLimit=0, symbolOpacity=1, **legend),
    )
