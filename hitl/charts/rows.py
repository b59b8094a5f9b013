"""Evidence in, the rows out that the charts of reasons draw; on screen and on paper alike."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from hitl.explain.text import number

RAISES, LOWERS, STANDS = "raises the score", "lowers the score", "start and score"
START, SCORE, OTHER = "model's starting point", "this score", "other features"
TOP = 8
"""How many features or conditions get a bar of their own."""

SAME, OPPOSITE, ALONE = "same direction", "opposite direction", "not named by LIME"
AGREEMENTS = (SAME, OPPOSITE, ALONE)

CASE, AVERAGE = "this case", "average"

COARSE = (1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
FINE = (
    *(digit * 10.0**power for power in (-6, -5, -4, -3, -2) for digit in (1, 2, 5)),
    *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999),
    *(0.9995, 0.9998, 0.9999),
)
FEWEST_TICKS = 3
SMALLEST, LARGEST = 1e-5, 1 - 1e-5
"""Probabilities beyond these are drawn at them."""

RARE, DECADE = 0.02, 10
"""A log scale is drawn when the smallest probability is below the one and the range above the
other."""


def steps(evidence: Mapping[str, Any], *, top: int = TOP) -> pd.DataFrame:
    """Lay contributions end to end, from the base value to the score.

    Parameters
    ----------
    evidence
        ``base_value``, ``score`` and ``table`` (``feature``, ``contribution`` and perhaps
        ``label``, a name for people; heaviest first), all in log-odds.
    top
        How many features get a bar of their own, at least 0; the others are one bar.

    Returns
    -------
    DataFrame
        One row per bar, in drawing order: ``position``, ``label`` (each one once), ``start``,
        ``end``, ``amount`` (what the bar adds; the value itself for the first and the last bar),
        ``effect`` and ``written`` (the amount as text, with its probability for the first and the
        last bar).

    Examples
    --------
    >>> table = [{"feature": "V14", "contribution": 3.0}, {"feature": "V4", "contribution": -1.0}]
    >>> bars = steps({"base_value": -6.0, "score": -4.0, "table": table})
    >>> bars[["label", "start", "end", "written"]].to_numpy().tolist()[1:3]
    [['V14', -6.0, -3.0, '+3'], ['V4', -3.0, -4.0, '−1']]
    """
    base, score = float(evidence["base_value"]), float(evidence["score"])
    bars: list[tuple[str, float, float, float, str]] = [(START, base, base, base, STANDS)]
    here = base
    for label, amount in _folded(evidence["table"], top):
        effect = RAISES if amount >= 0 else LOWERS
        bars.append((label, here, here + amount, amount, effect))
        here += amount
    bars.append((SCORE, score, score, score, STANDS))
    table = pd.DataFrame(bars, columns=["label", "start", "end", "amount", "effect"])
    table["label"] = distinct(table["label"].tolist())
    table["written"] = [
        stand(amount) if effect == STANDS else signed(amount)
        for amount, effect in zip(table["amount"], table["effect"], strict=True)
    ]
    table.insert(0, "position", range(len(table)))
    return table


def surrogate_rows(surrogate: Mapping[str, Any], *, top: int = TOP) -> pd.DataFrame:
    """Write LIME's weights as rows, heaviest first.

    Parameters
    ----------
    surrogate
        ``weights`` by condition or by feature, in probability or log-odds; perhaps ``conditions``
        (text by feature), and ``low`` and ``high`` (the range of each weight over several seeds).
    top
        How many rows, at least 0.

    Returns
    -------
    DataFrame
        ``condition`` (each one once), ``weight``, ``low``, ``high`` (NaN where no range is known)
        and ``effect``.

    Examples
    --------
    >>> rows = surrogate_rows({"weights": {"V14": 0.3}, "conditions": {"V14": "V14 <= -1"}})
    >>> rows[["condition", "weight", "effect"]].to_numpy().tolist()
    [['V14 <= -1', 0.3, 'raises the score']]
    """
    weights: Mapping[str, float] = surrogate["weights"]
    names = sorted(weights, key=lambda name: -abs(float(weights[name])))[:top]
    conditions: Mapping[str, str] = surrogate.get("conditions") or {}
    kept = [float(weights[name]) for name in names]
    return pd.DataFrame(
        {
            "condition": distinct([str(conditions.get(name, name)) for name in names]),
            "weight": pd.Series(kept, dtype=float),
            "low": _by_name(surrogate.get("low"), names),
            "high": _by_name(surrogate.get("high"), names),
            "effect": [RAISES if weight >= 0 else LOWERS for weight in kept],
        }
    )


def rank_rows(
    contributions: Mapping[str, float], weights: Mapping[str, float], *, top: int = TOP
) -> pd.DataFrame:
    """Set the ranks of two methods side by side.

    Parameters
    ----------
    contributions
        Exact contributions by feature.
    weights
        LIME's weights by the same features; it may name fewer.
    top
        How many features, the heaviest contributions first.

    Returns
    -------
    DataFrame
        ``feature``, ``shap_rank`` and ``lime_rank`` (1 is heaviest; NaN for a feature LIME does not
        name) and ``agreement``, one of `AGREEMENTS`.

    Examples
    --------
    >>> rank_rows({"a": 2.0, "b": -1.0}, {"b": 0.2, "a": 0.1}).to_numpy().tolist()
    [['a', 1, 2.0, 'same direction'], ['b', 2, 1.0, 'opposite direction']]
    """
    exact, stand_in = _ranks(contributions), _ranks(weights)
    names = list(exact)[:top]
    words = []
    for name in names:
        alike = (contributions[name] >= 0) == (weights.get(name, 0.0) >= 0)
        words.append((SAME if alike else OPPOSITE) if name in stand_in else ALONE)
    return pd.DataFrame(
        {
            "feature": names,
            "shap_rank": [exact[name] for name in names],
            "lime_rank": pd.Series([stand_in.get(name, math.nan) for name in names], dtype=float),
            "agreement": words,
        }
    )


def probability_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Give the places of round probabilities on an axis in log-odds.

    Parameters
    ----------
    low, high
        Ends of the axis, in log-odds.

    Returns
    -------
    list of (float, str)
        Log-odds and the probability as text, ascending, only those between the ends. A short axis
        gets finer steps.

    Examples
    --------
    >>> [label for _, label in probability_ticks(-5.0, 3.0)]
    ['0.01', '0.1', '0.5', '0.9']
    """
    for chosen in (COARSE, FINE):
        found = [(log_odds(p), _plain(p)) for p in chosen if low <= log_odds(p) <= high]
        if len(found) >= FEWEST_TICKS:
            break
    return found


def log_odds(probability: float) -> float:
    """Turn a probability into log-odds; 0 and 1 are drawn a little inside.

    Examples
    --------
    >>> log_odds(0.5)
    0.0
    """
    inside = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside))


def probability(value: float) -> float:
    """Turn log-odds into a probability.

    Examples
    --------
    >>> probability(0.0)
    0.5
    """
    if value < 0:
        return math.exp(value) / (1 + math.exp(value))
    return 1 / (1 + math.exp(-value))


def probability_axis(values: Sequence[float]) -> tuple[Literal["log", "linear"], float, float]:
    """Choose how an axis of probabilities is drawn: small ones next to large ones need a log scale.

    Parameters
    ----------
    values
        All probabilities that will be drawn, the limit included, each in ``[0, 1]``.

    Returns
    -------
    tuple of (str, float, float)
        ``"log"`` or ``"linear"``, and the ends of the axis.

    Examples
    --------
    >>> probability_axis([0.0004, 0.0153, 0.9])
    ('log', 0.0001, 1.0)
    >>> probability_axis([0.2, 0.75])
    ('linear', 0.0, 1.0)
    """
    finite = [v for v in values if math.isfinite(v)] or [1.0]
    smallest, largest = max(min(finite), SMALLEST), max(*finite, SMALLEST)
    if smallest < RARE and largest >= DECADE * smallest:
        low = 10.0 ** math.floor(math.log10(smallest) + 1e-9)
        return "log", low, 10.0 ** math.ceil(math.log10(largest) - 1e-9)
    return "linear", 0.0, next(top for top in _TOPS if top >= min(1.02 * largest, 1.0))


def distinct(labels: Sequence[str]) -> list[str]:
    """Tell names apart that stand more than once: two bars of one name would be drawn as one.

    Examples
    --------
    >>> distinct(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    found: list[str] = []
    for label in labels:
        name, count = label, 1
        while name in found:
            count += 1
            name = f"{label} ({count})"
        found.append(name)
    return found


def names(rows: pd.DataFrame) -> list[str]:
    """Name features for people: by ``label`` where there is one, else by ``feature``; each once.

    Examples
    --------
    >>> names(pd.DataFrame({"feature": ["V14", "V4"], "label": ["size", None]}))
    ['size', 'V4']
    """
    labels = rows["label"] if "label" in rows else [None] * len(rows)
    pairs = zip(labels, rows["feature"], strict=True)
    return distinct([label if isinstance(label, str) and label else str(f) for label, f in pairs])


def signed(value: float) -> str:
    """Write a number with its sign.

    Examples
    --------
    >>> signed(1.84), signed(-0.5), signed(0.0)
    ('+1.84', '−0.5', '0')
    """
    return f"+{number(value)}" if value > 0 else number(value)


def stand(value: float) -> str:
    """Write log-odds with the probability they are.

    Examples
    --------
    >>> stand(-2.0)
    '−2 (probability 0.119)'
    """
    return f"{number(value)} (probability {number(probability(value))})"


_TOPS = (
    *(round(digit * 10.0**power, 9) for power in range(-6, 0) for digit in (1, 2, 3, 5, 7)),
    1.0,
)


def _folded(table: Sequence[Mapping[str, Any]], top: int) -> list[tuple[str, float]]:
    named = [part for part in table if part["feature"] != OTHER]
    rest = [*named[top:], *(part for part in table if part["feature"] == OTHER)]
    bars = [
        (str(part.get("label") or part["feature"]), float(part["contribution"]))
        for part in named[:top]
    ]
    return [*bars, (OTHER, sum(float(part["contribution"]) for part in rest))] if rest else bars


def _by_name(values: Mapping[str, float] | None, names: Sequence[str]) -> pd.Series:
    found = [(values or {}).get(name) for name in names]
    return pd.Series([math.nan if value is None else float(value) for value in found], dtype=float)


def _ranks(values: Mapping[str, float]) -> dict[str, int]:
    order = sorted(values, key=lambda name: -abs(values[name]))
    return {name: place for place, name in enumerate(order, 1)}


def _plain(value: float) -> str:
    return f"{value:.9f}".rstrip("0")
