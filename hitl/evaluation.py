"""Balanced test sets, metrics and the paired comparison of two models."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hitl.errors import MissingValuesError, TooFewLabelsError

Floats = NDArray[np.float64]

FALSE_POSITIVE_RATE_CUT = 0.01
COMPARED = (
    "average_precision",
    "roc_auc",
    "brier",
    "recall",
    "precision",
    "balanced_accuracy",
    "false_positive_rate",
    "recall_at_fpr_0_01",
    "false_positives",
    "false_negatives",
)
"""Metrics that `compare` reports, in the order of its table."""
OPERATING = ("precision", "recall", "balanced_accuracy", "false_positives", "false_negatives")


@dataclass(frozen=True)
class _Ranking:
    """Rows sorted by falling probability, once, so that a resample only needs new weights."""

    order: NDArray[np.intp]
    ends: NDArray[np.intp]
    truth: NDArray[np.bool_]
    probability: Floats
    flagged: NDArray[np.bool_]


def metrics(
    truth: ArrayLike, probability: ArrayLike, threshold: float, *, weight: ArrayLike | None = None
) -> dict[str, float]:
    """Measure one model on labelled rows at one threshold.

    Parameters
    ----------
    truth
        Labels 0 or 1, shape ``(n_rows,)``; both classes must occur.
    probability
        Probability of class 1 in ``[0, 1]``, shape ``(n_rows,)``.
    threshold
        A row is flagged when its probability is at least this.
    weight
        How many original rows each row stands for, positive, shape ``(n_rows,)``;
        1 for each row when absent.

    Returns
    -------
    dict
        ``rows`` and ``positives`` count the given rows. Everything else is at the prevalence that
        the weights describe: the four cells are sums of weights, ``precision`` is NaN when nothing
        is flagged, ``recall_at_fpr_0_01`` is the best recall at a false-positive rate of at most
        1 %, and ``calibration`` is mean probability over observed rate (1 is right, 2 is twice
        too high).

    Raises
    ------
    TooFewLabelsError
        If a class is missing or a label is neither 0 nor 1.
    MissingValuesError
        If a probability is NaN.
    ValueError
        If lengths differ, a probability is outside ``[0, 1]`` or a weight is not positive.

    Notes
    -----
    Average precision is the step sum of recall gained times precision, ties taken together, and
    the area under the ROC curve gives half credit to ties.

    Examples
    --------
    >>> m = metrics([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], 0.5)
    >>> m["recall"], m["precision"], m["false_positives"], round(m["average_precision"], 3)
    (0.5, 0.5, 1.0, 0.833)
    """
    labels, scores, weights = _checked(truth, probability, weight)
    measured = _measure(_ranking(labels, scores, threshold), weights)
    return {"rows": len(labels), "positives": int(labels.sum()), **measured}


def balanced_rows(truth: ArrayLike, *, seed: int) -> NDArray[np.intp]:
    """Draw a balanced test set: all positives and as many negatives.

    Parameters
    ----------
    truth
        Labels 0 or 1, shape ``(n_rows,)``.
    seed
        Decides which negatives are drawn, without replacement.

    Returns
    -------
    ndarray
        Row positions in rising order, half of them of each class. Should positives be the more
        common class, all negatives are taken and as many positives.

    Raises
    ------
    TooFewLabelsError
        If a class is missing.

    Notes
    -----
    Such a set cannot see rare false positives: show every number from it beside its natural twin.

    Examples
    --------
    >>> rows = balanced_rows([0, 1, 0, 0, 1, 0], seed=0)
    >>> len(rows), [int(r) for r in rows if r in (1, 4)]
    (4, [1, 4])
    """
    labels = _labels(truth)
    rng = np.random.default_rng(seed)
    sides = [np.flatnonzero(labels), np.flatnonzero(~labels)]
    size = min(map(len, sides))
    drawn = [s if len(s) == size else rng.choice(s, size, replace=False) for s in sides]
    return np.sort(np.concatenate(drawn))


def evaluate(
    truth: ArrayLike,
    probability: ArrayLike,
    threshold: float,
    *,
    weight: ArrayLike | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure one model on a balanced test set and at natural prevalence, side by side.

    Parameters
    ----------
    truth, probability, threshold, weight
        As for `metrics`.
    seed
        Decides which negatives the balanced test set takes.

    Returns
    -------
    dict
        ``rows``, ``positives``, ``average_precision``, ``roc_auc``, ``recall_at_fpr_0_01``,
        ``brier`` and ``calibration`` at natural prevalence, ``threshold``, and two dicts,
        ``balanced`` (raw counts) and ``natural`` (counts are sums of weights), each with rows,
        precision, recall, balanced accuracy, false positives and false negatives.

    Raises
    ------
    TooFewLabelsError
        If a class is missing.

    Examples
    --------
    >>> found = evaluate([0] * 8 + [1], [0.1] * 7 + [0.9, 0.9], 0.5, weight=[10] * 8 + [1])
    >>> found["natural"]["false_positives"], round(found["natural"]["precision"], 3)
    (10.0, 0.091)
    """
    labels, scores, weights = _checked(truth, probability, weight)
    whole = metrics(labels, scores, threshold, weight=weights)
    rows = balanced_rows(labels, seed=seed)
    half = metrics(labels[rows], scores[rows], threshold)
    ranked = ("average_precision", "roc_auc", "recall_at_fpr_0_01", "brier", "calibration")
    return {
        "rows": whole["rows"],
        "positives": whole["positives"],
        **{name: whole[name] for name in ranked},
        "threshold": float(threshold),
        "balanced": {"rows": len(rows), **{name: half[name] for name in OPERATING}},
        "natural": {"rows": float(weights.sum()), **{name: whole[name] for name in OPERATING}},
    }


def compare(
    truth: ArrayLike,
    champion_probability: ArrayLike,
    champion_threshold: float,
    challenger_probability: ArrayLike,
    challenger_threshold: float,
    *,
    weight: ArrayLike | None = None,
    seed: int,
    draws: int = 400,
) -> pd.DataFrame:
    """Compare two models on the same rows, with an interval on every difference.

    Parameters
    ----------
    truth, weight
        As for `metrics`.
    champion_probability, challenger_probability
        Probabilities of class 1 in ``[0, 1]``, each of shape ``(n_rows,)``.
    champion_threshold, challenger_threshold
        The threshold of each model.
    seed
        Decides the balanced test set and the resamples.
    draws
        Number of bootstrap resamples, at least 1.

    Returns
    -------
    DataFrame
        One row per test set (``balanced``, ``natural``) and metric, with columns ``test_set,
        metric, champion, challenger, difference, low, high``. ``difference`` is challenger minus
        champion and ``low``–``high`` its 95 % percentile interval. The natural set uses the
        weights, the balanced one does not. A metric that cannot be computed is NaN.

    Raises
    ------
    TooFewLabelsError
        If a class is missing.

    Notes
    -----
    A paired bootstrap: each resample draws rows with replacement within each class and measures
    both models on the same draw. It resamples the rows that are there, so an interval never
    claims the precision of the rows that the weights stand for.

    References
    ----------
    Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, chapter 16.

    Examples
    --------
    >>> table = compare([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], 0.5, [0.1, 0.2, 0.6, 0.9], 0.5, seed=0)
    >>> natural = table.query("test_set == 'natural'").set_index("metric")
    >>> [float(v) for v in natural.loc["recall", ["champion", "challenger", "difference"]]]
    [0.5, 1.0, 0.5]
    """
    labels, old, weights = _checked(truth, champion_probability, weight)
    _, new, _ = _checked(truth, challenger_probability, weight)
    half = balanced_rows(labels, seed=seed)
    everything = np.arange(len(labels))
    tables = []
    sets = (("balanced", half, np.ones(len(half))), ("natural", everything, weights))
    for test_set, rows, row_weights in sets:
        pair = (
            _ranking(labels[rows], old[rows], champion_threshold),
            _ranking(labels[rows], new[rows], challenger_threshold),
        )
        table = _paired(pair, labels[rows], row_weights, np.random.default_rng(seed), draws)
        table.insert(0, "test_set", test_set)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def changed(truth: ArrayLike, champion_flag: ArrayLike, challenger_flag: ArrayLike) -> pd.DataFrame:
    """List every row on which the challenger's verdict differs from the champion's.

    Parameters
    ----------
    truth
        Labels 0 or 1, shape ``(n_rows,)``.
    champion_flag, challenger_flag
        Whether each model flags the row, shape ``(n_rows,)``.

    Returns
    -------
    DataFrame
        ``row_number`` (position in the input) and ``change``, "newly right" or "newly wrong".
        Empty when the models agree everywhere.

    Raises
    ------
    ValueError
        If lengths differ.

    Examples
    --------
    >>> changed([1, 0, 1], [True, True, False], [False, False, False]).values.tolist()
    [[0, 'newly wrong'], [1, 'newly right']]
    """
    labels, old, new = (np.asarray(x, dtype=bool) for x in (truth, champion_flag, challenger_flag))
    if not len(labels) == len(old) == len(new):
        raise ValueError(f"Lengths differ: {len(labels)}, {len(old)} and {len(new)}.")
    rows = np.flatnonzero(old != new)
    change = np.where(new[rows] == labels[rows], "newly right", "newly wrong")
    return pd.DataFrame({"row_number": rows, "change": change})


def natural_precision(recall: float, fpr: float, prevalence: float) -> float:
    """Translate a recall and a false-positive rate into precision at a prevalence.

    Parameters
    ----------
    recall
        Share of positives that are flagged, in ``[0, 1]``.
    fpr
        Share of negatives that are flagged, in ``[0, 1]``.
    prevalence
        Share of positives in real life, in ``[0, 1]``.

    Returns
    -------
    float
        Share of alerts that are right, in ``[0, 1]``; NaN when nothing is flagged.

    Raises
    ------
    ValueError
        If a share is outside ``[0, 1]``.

    Examples
    --------
    >>> [round(natural_precision(0.9, 0.01, p), 3) for p in (0.5, 0.001727)]
    [0.989, 0.135]
    """
    alerts = alerts_per_10_000(recall, fpr, prevalence) / 10_000
    return recall * prevalence / alerts if alerts > 0 else float("nan")


def alerts_per_10_000(recall: float, fpr: float, prevalence: float) -> float:
    """Say how many of 10,000 cases are flagged at a prevalence.

    Parameters
    ----------
    recall, fpr, prevalence
        As for `natural_precision`.

    Returns
    -------
    float
        Alerts, in ``[0, 10000]``.

    Raises
    ------
    ValueError
        If a share is outside ``[0, 1]``.

    Examples
    --------
    >>> round(alerts_per_10_000(0.9, 0.01, 0.001727))
    115
    """
    for name, share in (("recall", recall), ("fpr", fpr), ("prevalence", prevalence)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share!r}, which is not a share between 0 and 1.")
    return 10_000 * (recall * prevalence + fpr * (1 - prevalence))


def _labels(truth: ArrayLike) -> NDArray[np.bool_]:
    values = np.asarray(truth)
    if not np.isin(values, (0, 1)).all():
        wrong = values[~np.isin(values, (0, 1))][0]
        raise TooFewLabelsError(
            f"A label is {wrong!r}, which is neither 0 nor 1.", "Compare on labelled rows only."
        )
    labels = values.astype(bool)
    if labels.all() or not labels.any():
        raise TooFewLabelsError(
            f"Of {len(labels)} rows, {int(labels.sum())} are positive.",
            "Add rows of the missing class: a comparison needs both.",
        )
    return labels


def _checked(
    truth: ArrayLike, probability: ArrayLike, weight: ArrayLike | None
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    labels = _labels(truth)
    scores = np.asarray(probability, dtype=float)
    weights = np.ones(len(labels)) if weight is None else np.asarray(weight, dtype=float)
    if not len(labels) == len(scores) == len(weights):
        raise ValueError(f"Lengths differ: {len(labels)}, {len(scores)} and {len(weights)}.")
    if np.isnan(scores).any():
        first = int(np.flatnonzero(np.isnan(scores))[0])
        raise MissingValuesError(
            f"The probability of row {first} is NaN.", "Score the rows again before comparing."
        )
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError(f"Probabilities run from {scores.min()} to {scores.max()}, not in [0, 1].")
    if not (weights > 0).all() or not np.isfinite(weights).all():
        raise ValueError(f"The smallest weight is {weights.min()}; weights are positive numbers.")
    return labels, scores, weights


def _ranking(labels: NDArray[np.bool_], probability: Floats, threshold: float) -> _Ranking:
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return _Ranking(order, ends, labels[order], ranked, ranked >= threshold)


def _measure(ranking: _Ranking, weights: Floats) -> dict[str, float]:
    w = weights[ranking.order]
    positive = np.where(ranking.truth, w, 0.0)
    hits = np.cumsum(positive)[ranking.ends]
    alarms = np.cumsum(w - positive)[ranking.ends]
    positives, negatives = hits[-1], alarms[-1]
    expected = np.dot(w, ranking.probability)
    return {
        **_areas(hits, alarms),
        "brier": float(np.dot(w, (ranking.probability - ranking.truth) ** 2) / w.sum()),
        **_cells(ranking, w, float(positives), float(negatives)),
        "calibration": float(expected / positives),
    }


def _areas(hits: Floats, alarms: Floats) -> dict[str, float]:
    gained = np.diff(hits, prepend=0.0)
    passed = np.diff(alarms, prepend=0.0)
    seen = hits + alarms
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    below = alarms <= alarms[-1] * (FALSE_POSITIVE_RATE_CUT + 1e-12)
    area = np.dot(passed, hits - gained / 2)
    return {
        "average_precision": float(np.dot(gained, precision) / hits[-1]),
        "roc_auc": float(area / (hits[-1] * alarms[-1])),
        "recall_at_fpr_0_01": float(hits[below].max(initial=0.0) / hits[-1]),
    }


def _cells(ranking: _Ranking, w: Floats, positives: float, negatives: float) -> dict[str, float]:
    hits = float(w[ranking.flagged & ranking.truth].sum())
    alarms = float(w[ranking.flagged & ~ranking.truth].sum())
    recall, fpr = hits / positives, alarms / negatives
    return {
        "recall": recall,
        "precision": hits / (hits + alarms) if hits + alarms > 0 else float("nan"),
        "balanced_accuracy": (recall + 1 - fpr) / 2,
        "true_positives": hits,
        "false_positives": alarms,
        "false_negatives": positives - hits,
        "true_negatives": negatives - alarms,
        "false_positive_rate": fpr,
    }


def _paired(
    pair: tuple[_Ranking, _Ranking],
    labels: NDArray[np.bool_],
    weights: Floats,
    rng: np.random.Generator,
    draws: int,
) -> pd.DataFrame:
    old, new = (_measure(ranking, weights) for ranking in pair)
    sides = (np.flatnonzero(labels), np.flatnonzero(~labels))
    differences = np.empty((draws, len(COMPARED)))
    for draw in range(draws):
        times = np.zeros(len(labels))
        for rows in sides:
            times[rows] = np.bincount(rng.integers(0, len(rows), len(rows)), minlength=len(rows))
        before, after = (_measure(ranking, weights * times) for ranking in pair)
        differences[draw] = [after[name] - before[name] for name in COMPARED]
    low, high = _interval(differences)
    champion = np.array([old[name] for name in COMPARED])
    challenger = np.array([new[name] for name in COMPARED])
    return pd.DataFrame(
        {
            "metric": COMPARED,
            "champion": champion,
            "challenger": challenger,
            "difference": challenger - champion,
            "low": low,
            "high": high,
        }
    )


def _interval(differences: Floats) -> tuple[Floats, Floats]:
    """Take the 95 % percentile interval of each column, leaving out what could not be computed."""
    low, high = np.full((2, differences.shape[1]), np.nan)
    for column in range(differences.shape[1]):
        known = differences[~np.isnan(differences[:, column]), column]
        if len(known):
            low[column], high[column] = np.quantile(known, (0.025, 0.975))
    return low, high
