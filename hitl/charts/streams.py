"""The stream over time: features, score, novelty and truth on one axis; shares; distributions."""

from functools import lru_cache
from typing import Any, cast

import altair as alt

STATE_COLOURS = {
    "normal": "#2f8a57",
    "known anomaly": "#d1453b",
    "novel": "#8f5bd6",
    "novel and flagged": "#c2600a",
}
STATE_SHAPES = {
    "normal": "circle",
    "known anomaly": "diamond",
    "novel": "triangle-up",
    "novel and flagged": "cross",
}
"""Shape and colour say the same, so neither is needed to read the other."""

NOT_KNOWN = "not known yet"
HIDDEN = "known, hidden until decided"
"""Truth of a case that waits for a decision: seeing it would decide the case."""

NEUTRAL = "#7a8699"
BLUE = "#3b7dd8"
PARTS = ("training", "this window")
TABLE = "rows"
"""Name of the table each chart draws; handed over apart from the chart, which never changes."""

NEAREST = {
    "type": "point",
    "on": "pointermove",
    "clear": "pointerout",
    "nearest": True,
    "encodings": ["x"],
}
SMALLEST = 1e-5
"""Probabilities below this are drawn at it; the tooltip says the true one."""

LABELS_PIXELS = 84
INSIDE: dict[str, Any] = {
    "tickCount": 4,
    "ticks": False,
    "domain": False,
    "labelAlign": "left",
    "labelPadding": -2,
}
"""Labels stand inside the panel, left of the first point: a stretched stack counts no margin."""

LANE = f"datum.label === '{HIDDEN}' ? 'hidden' : datum.label"
CLOCK = "'day ' + utcdate(datum.value) + utcFormat(datum.value, ' %H:%M:%S')"


@lru_cache(maxsize=64)
def panels(
    upper: str, lower: str, *, positive: str = "fraud", negative: str = "legitimate"
) -> dict[str, Any]:
    """Stack two features, score, novelty and truth over one time axis with one shared hover.

    Parameters
    ----------
    upper, lower
        Names of the two features; the table holds them as ``upper`` and ``lower``.
    positive, negative
        Words of the two classes.

    Returns
    -------
    dict
        A Vega-Lite specification without rows. The table `TABLE` has one row per scored instance:
        ``occurred_ms`` (UTC epoch milliseconds), ``upper``, ``lower``, ``probability`` and
        ``threshold`` (0 to 1), ``novelty_times`` (novelty over its limit), ``truth`` (one of the
        two classes, `NOT_KNOWN` or `HIDDEN`), ``state`` and the words
        of the tooltip: ``case``, ``clock``, ``decision``, ``origin``.
    """
    words = _tooltip(upper, lower)
    log = alt.Scale(type="log", domain=[SMALLEST, 1], clamp=True)
    stack = alt.vconcat(
        _panel("upper", upper, words),
        _panel("lower", lower, words),
        _panel(
            "probability",
            f"Model: probability of {positive} on a log scale, dashed where it starts to flag",
            words,
            scale=log,
            limit="threshold",
        ),
        _panel(
            "novelty_times",
            "Novelty: distance from known rows, in multiples of its limit (novel above 1)",
            words,
            scale=alt.Scale(zero=True),
            limit="one",
        ),
        _truth(words, positive, negative),
        spacing=6,
    )
    found: dict[str, Any] = (
        stack.resolve_scale(x="shared", color="shared", shape="shared")
        .configure_view(strokeOpacity=0.15)
        .to_dict()
    )
    # One selection for all panels, named by hand: Altair makes one of each panel's and warns.
    views = [rule["layer"][-1]["name"] for rule in found["vconcat"]]
    return {**found, "params": [{"name": "hover", "select": NEAREST, "views": views}]}


@lru_cache(maxsize=64)
def distribution(feature: str) -> dict[str, Any]:
    """Draw where this window's values lie beside the training rows' values.

    Parameters
    ----------
    feature
        Name of the feature, for the axis.

    Returns
    -------
    dict
        A Vega-Lite specification without rows. The table `TABLE` holds bins: ``low``, ``high``
        (in the feature's unit), ``share`` (0 to 1) and ``part`` (one of `PARTS`).
    """
    base = alt.Chart(alt.NamedData(TABLE)).encode(
        x=alt.X(
            "low:Q",
            bin="binned",
            title=feature,
            axis=alt.Axis(grid=False),
            scale=alt.Scale(zero=False),
        ),
        x2="high:Q",
        y=alt.Y("share:Q", title="share of rows", axis=alt.Axis(format="%", tickCount=4)),
        color=alt.Color(
            "part:N",
            title=None,
            scale=alt.Scale(domain=list(PARTS), range=[NEUTRAL, BLUE]),
            legend=alt.Legend(orient="top", symbolStrokeWidth=0, symbolOpacity=1),
        ),
        tooltip=[
            alt.Tooltip("part:N", title="part"),
            alt.Tooltip("low:Q", title="from", format=".3~f"),
            alt.Tooltip("high:Q", title="to", format=".3~f"),
            alt.Tooltip("share:Q", title="share", format=".1%"),
        ],
    )
    before = base.transform_filter(alt.datum.part == PARTS[0]).mark_bar(fillOpacity=0.45)
    now = base.transform_filter(alt.datum.part == PARTS[1]).mark_bar(
        fillOpacity=0.08, strokeWidth=2, stroke=BLUE
    )
    found: dict[str, Any] = alt.layer(before, now).properties(height=260).to_dict()
    return found


@lru_cache(maxsize=1)
def leanings() -> dict[str, Any]:
    """Draw what the model leans on: each feature's share of all contributions.

    Returns
    -------
    dict
        A Vega-Lite specification without rows. The table `TABLE` holds ``feature``, ``share``
        (0 to 1) and ``position``, the place from the top.
    """
    base = alt.Chart(alt.NamedData(TABLE)).encode(
        y=alt.Y(
            "feature:N",
            sort=alt.SortField("position"),
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelLimit=140),
        ),
        x=alt.X(
            "share:Q", title="share of all contributions", axis=alt.Axis(format="%", tickCount=5)
        ),
        tooltip=[
            alt.Tooltip("feature:N", title="feature"),
            alt.Tooltip("share:Q", title="share", format=".1%"),
        ],
    )
    found: dict[str, Any] = (
        alt.layer(
            base.mark_bar(color=BLUE, height=13, cornerRadius=2),
            base.mark_text(align="left", dx=5, color=NEUTRAL).encode(
                text=alt.Text("share:Q", format=".1%")
            ),
        )
        .properties(height=260)
        .to_dict()
    )
    return found


def _panel(
    field: str,
    title: str,
    words: list[alt.Tooltip],
    *,
    scale: alt.Scale | None = None,
    limit: str = "",
) -> alt.LayerChart:
    y = alt.Y(
        f"{field}:Q",
        title=None,
        axis=alt.Axis(format=".3~r", **INSIDE),
        scale=scale or alt.Scale(zero=False, nice=True),
    )
    base = alt.Chart(alt.NamedData(TABLE), height=76).encode(x=_time(labels=False))
    layers = [
        base.mark_line(strokeWidth=1, color=NEUTRAL, opacity=0.7).encode(y=y),
        base.mark_point(filled=True, opacity=1).encode(y=y, **_state()),
        _hover(base, field, words),
    ]
    if limit:
        layers.insert(0, _limit(limit))
    return cast(alt.LayerChart, alt.layer(*layers).properties(title=_title(title)))


def _truth(words: list[alt.Tooltip], positive: str, negative: str) -> alt.LayerChart:
    base = alt.Chart(alt.NamedData(TABLE), height=84).encode(x=_time(labels=True))
    lanes = alt.Y(
        "truth:N",
        title=None,
        scale=alt.Scale(domain=[positive, negative, NOT_KNOWN, HIDDEN]),
        axis=alt.Axis(labelExpr=LANE, **INSIDE),
    )
    colour = {
        "condition": [
            {"test": f"datum.truth === '{positive}'", "value": STATE_COLOURS["known anomaly"]},
            {"test": f"datum.truth === '{negative}'", "value": STATE_COLOURS["normal"]},
        ],
        "value": NEUTRAL,
    }
    ticks = base.mark_tick(thickness=2, size=15).encode(y=lanes, color=colour)
    title = "Truth as far as it is known; hidden while a case waits for its decision"
    rule = _hover(base, "truth", words)
    return cast(alt.LayerChart, alt.layer(ticks, rule).properties(title=_title(title)))


def _limit(limit: str) -> alt.Chart:
    base = alt.Chart(alt.NamedData(TABLE))
    rule = (
        base.transform_calculate(one="1").transform_aggregate(n="count()", groupby=["one"])
        if limit == "one"
        else base.transform_aggregate(n="count()", groupby=[limit])
    )
    line: alt.Chart = rule.mark_rule(strokeDash=[6, 4], color=NEUTRAL, strokeWidth=1.5).encode(
        y=f"{limit}:Q"
    )
    return line


def _hover(base: alt.Chart, field: str, words: list[alt.Tooltip]) -> alt.Chart:
    shown = {"condition": {"param": "hover", "empty": False, "value": 0.9}, "value": 0}
    rule: alt.Chart = (
        base.mark_rule(color=NEUTRAL, strokeWidth=1.5)
        .encode(opacity=shown, tooltip=words)
        .properties(name=f"hover_{field}")
    )
    return rule


def _time(*, labels: bool) -> alt.X:
    axis = (
        alt.Axis(labelExpr=CLOCK, tickCount=6, grid=True, labelOverlap=True)
        if labels
        else alt.Axis(labels=False, ticks=False, domain=False, tickCount=6, grid=True)
    )
    title = "event time" if labels else None
    return alt.X(
        "occurred_ms:T", title=title, axis=axis, scale=alt.Scale(type="utc", rangeMin=LABELS_PIXELS)
    )


def _state() -> dict[str, Any]:
    legend = alt.Legend(orient="top", title=None, symbolSize=90, symbolOpacity=1)
    names = list(STATE_COLOURS)
    return {
        "color": alt.Color(
            "state:N",
            scale=alt.Scale(domain=names, range=list(STATE_COLOURS.values())),
            legend=legend,
        ),
        "shape": alt.Shape(
            "state:N",
            scale=alt.Scale(domain=names, range=list(STATE_SHAPES.values())),
            legend=legend,
        ),
        "size": alt.condition("datum.state === 'normal'", alt.value(16), alt.value(95)),
    }


def _tooltip(upper: str, lower: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("case:N", title="case"),
        alt.Tooltip("clock:N", title="event time"),
        alt.Tooltip("state:N", title="state"),
        alt.Tooltip("upper:Q", title=upper, format=".3~r"),
        alt.Tooltip("lower:Q", title=lower, format=".3~r"),
        alt.Tooltip("probability:Q", title="probability", format=".3~r"),
        alt.Tooltip("novelty_times:Q", title="novelty, × limit", format=".3~r"),
        alt.Tooltip("truth:N", title="truth"),
        alt.Tooltip("decision:N", title="decision"),
        alt.Tooltip("origin:N", title="origin"),
    ]


def _title(text: str) -> alt.Title:
    return alt.Title(text, anchor="start", fontSize=12, fontWeight="normal", offset=2)
