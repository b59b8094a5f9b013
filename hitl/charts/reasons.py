"""Why one score: a waterfall of contributions, and LIME's weights as bars."""

from collections.abc import Mapping
from typing import Any, cast

import altair as alt
import pandas as pd

RAISES, LOWERS, STANDS = "raises the score", "lowers the score", "start and score"
COLOURS = {RAISES: "#c2600a", LOWERS: "#3b7dd8", STANDS: "#7a8699"}
ROW_PIXELS = 26
AROUND_PIXELS = 140
"""What legend, axis and its title take from a chart's height."""

START, SCORE = "start of every score", "this score"


def steps(evidence: Mapping[str, Any]) -> pd.DataFrame:
    """Lay contributions end to end, from the base value to the score.

    Parameters
    ----------
    evidence
        ``base_value``, ``score`` and ``table`` (``feature`` and ``contribution``, heaviest first),
        all in log-odds.

    Returns
    -------
    DataFrame
        One row per bar, in drawing order: ``position``, ``label``, ``start``, ``end``, ``amount``
        (what the bar adds; the value itself for the first and the last bar) and ``effect``.

    Examples
    --------
    >>> table = [{"feature": "V14", "contribution": 3.0}, {"feature": "V4", "contribution": -1.0}]
    >>> bars = steps({"base_value": -6.0, "score": -4.0, "table": table})
    >>> bars[["label", "start", "end"]].to_numpy().tolist()[1:3]
    [['V14', -6.0, -3.0], ['V4', -3.0, -4.0]]
    """
    base, score = float(evidence["base_value"]), float(evidence["score"])
    bars: list[tuple[str, float, float, float, str]] = [(START, base, base, base, STANDS)]
    here = base
    for part in evidence["table"]:
        amount = float(part["contribution"])
        effect = RAISES if amount >= 0 else LOWERS
        bars.append((str(part["feature"]), here, here + amount, amount, effect))
        here += amount
    bars.append((SCORE, score, score, score, STANDS))
    columns = ["label", "start", "end", "amount", "effect"]
    table = pd.DataFrame(bars, columns=columns)
    table.insert(0, "position", range(len(table)))
    return table


def waterfall(bars: pd.DataFrame) -> alt.LayerChart:
    """Draw `steps` as a waterfall: where a score starts, what moves it, where it ends.

    Parameters
    ----------
    bars
        The rows of `steps`.
    """
    base = alt.Chart(bars).encode(
        y=alt.Y("label:N", sort=alt.SortField("position"), title=None, axis=_names()),
        color=_effect(list(COLOURS)),
        tooltip=[
            alt.Tooltip("label:N", title="feature"),
            alt.Tooltip("amount:Q", title="log-odds", format="+.3~r"),
            alt.Tooltip("effect:N", title="effect"),
        ],
    )
    x = alt.X("start:Q", title="score in log-odds (0 is even odds, +1 is 2.7 times the odds)")
    moves = base.transform_filter(alt.datum.effect != STANDS)
    ends = base.transform_filter(alt.datum.effect == STANDS)
    chart = alt.layer(
        moves.mark_bar(height=14, cornerRadius=2).encode(x=x.scale(zero=False), x2="end:Q"),
        ends.mark_tick(thickness=4, size=20).encode(x=x.scale(zero=False)),
        base.transform_calculate(
            right="max(datum.start, datum.end)",
            written=f"format(datum.amount, datum.effect == '{STANDS}' ? '.3~r' : '+.3~r')",
        )
        .mark_text(align="left", dx=6)
        .encode(x="right:Q", text="written:N", color=alt.value("#7a8699")),
    ).properties(height=ROW_PIXELS * len(bars) + AROUND_PIXELS)
    return cast(alt.LayerChart, chart)


def surrogate_rows(surrogate: Mapping[str, Any]) -> pd.DataFrame:
    """Write LIME's weights as rows, heaviest first.

    Parameters
    ----------
    surrogate
        ``weights``: probability points by condition.

    Returns
    -------
    DataFrame
        ``condition``, ``weight`` and ``effect``.
    """
    weights = surrogate["weights"]
    return pd.DataFrame(
        {
            "condition": list(weights),
            "weight": [float(weight) for weight in weights.values()],
            "effect": [RAISES if weight >= 0 else LOWERS for weight in weights.values()],
        }
    )


def surrogate_bars(rows: pd.DataFrame) -> alt.Chart:
    """Draw LIME's weights as bars to either side of nothing.

    Parameters
    ----------
    rows
        The rows of `surrogate_rows`.
    """
    chart: alt.Chart = (
        alt.Chart(rows, height=ROW_PIXELS * len(rows) + AROUND_PIXELS)
        .mark_bar(height=14, cornerRadius=2)
        .encode(
            y=alt.Y("condition:N", sort=None, title=None, axis=_names()),
            x=alt.X("weight:Q", title="weight in probability (1 is certainty)"),
            color=_effect([RAISES, LOWERS]),
            tooltip=[
                alt.Tooltip("condition:N", title="condition"),
                alt.Tooltip("weight:Q", title="weight", format="+.3~r"),
            ],
        )
    )
    return chart


def _names() -> alt.Axis:
    return alt.Axis(labelLimit=220, ticks=False, domain=False)


def _effect(effects: list[str]) -> alt.Color:
    return alt.Color(
        "effect:N",
        title=None,
        scale=alt.Scale(domain=effects, range=[COLOURS[effect] for effect in effects]),
        legend=alt.Legend(orient="top"),
    )
