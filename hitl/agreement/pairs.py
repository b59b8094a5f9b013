"""Two opinions on one case: how far they agree beyond chance, and why they do not."""

from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.agreement.shares import ALL, Bools, Floats, column, require, share, tidy
from hitl.errors import InputError
from hitl.fairness import MIN_ROWS, NAN

MEASURES = ("raw", "kappa", "ac1", "positive agreement", "prevalence")
MIN_POSITIVE = 10
"""Fewer cases that somebody called positive say nothing about kappa or positive agreement."""
DRAWS = 4_000
REASON_NAMES = ("first_reason", "second_reason")
BAND_EDGES = (-3.0, -1.0, 0.0, 1.0, 3.0)
"""Edges of the score bands: log-odds above the threshold."""
BANDS = ("far below", "below", "just below", "just above", "above", "far above")


def agreement(pairs: pd.DataFrame, *, seed: int = 0, confidence: float = 0.95) -> pd.DataFrame:
    """Measure how far two reviewers agree on the cases both decided.

    Parameters
    ----------
    pairs
        One row a case: ``first_reviewer, second_reviewer`` and their opinions ``first, second``
        (True, False, or missing for unsure). Opinions are independent: nobody saw the other's.
    seed
        Of the intervals' draws.
    confidence
        Of the intervals, in ``(0, 1)``.

    Returns
    -------
    DataFrame
        For all pairs together ("all") and each two people ("Ada and Bo", in order of name), one
        row for each of `MEASURES` and one for ``unsure``: ``people, measure, n`` (cases), ``value,
        low, high`` and ``can_tell``. Raw, positive agreement, prevalence and unsure are in
        ``[0, 1]``, kappa and AC1 in ``[-1, 1]``, NaN where not defined.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If an opinion is something else, or somebody is paired with themselves.

    Notes
    -----
    With a both positive, d both negative and b, c one of each among n cases: raw (a+d)/n; Cohen's
    kappa (raw − e)/(1 − e) with e from each one's own share of positives; Gwet's AC1 the same with
    e = 2q(1 − q) at prevalence q = (2a+b+c)/2n; positive agreement 2a/(2a+b+c). Read them
    together: kappa falls with prevalence although nobody's eye got worse.

    A case on which one of them was unsure is neither agreement nor disagreement about the truth;
    it is counted in ``unsure`` and listed by `disagreements`. Intervals are equal-tailed ones of
    `DRAWS` draws of the four cells' shares given the counts (Dirichlet, ½ added to each cell): a
    bootstrap by case that does not collapse when a cell is empty. Below 30 cases nothing can be
    told, below 10 cases that somebody called positive no kappa and no positive agreement.

    References
    ----------
    Cohen (1960), A coefficient of agreement for nominal scales. Gwet (2008), Computing inter-rater
    reliability and its variance in the presence of high agreement. Feinstein and Cicchetti (1990),
    High agreement but low kappa.

    Examples
    --------
    >>> rows = pd.DataFrame({"first_reviewer": "Ada", "second_reviewer": "Bo"}, index=range(40))
    >>> rows["first"] = [True] * 20 + [False] * 20
    >>> rows["second"] = [True] * 15 + [False] * 25
    >>> found = agreement(rows).set_index(["people", "measure"])["value"]
    >>> float(found["all", "raw"]), round(float(found["all", "kappa"]), 3)
    (0.875, 0.75)
    """
    named = _named(pairs)
    first, second = column(pairs, "first"), column(pairs, "second")
    groups = [(ALL, np.full(len(pairs), True))] if len(pairs) else []
    groups += [(name, (named == name).to_numpy()) for name in sorted(named.unique())]
    records = []
    for name, rows in groups:
        found = _measured(first[rows], second[rows], seed, confidence)
        records += [{"people": name, **record} for record in found]
    return tidy(records, "people", "measure", "n", "value", "low", "high", "can_tell")


def disagreements(pairs: pd.DataFrame) -> pd.DataFrame:
    """Show where two reviewers differ: by verdicts, reasons, score band and novelty.

    Parameters
    ----------
    pairs
        As for `agreement`; looked at further are, where there, ``first_reason, second_reason``,
        ``band`` (see `score_band`) and ``is_novel``.

    Returns
    -------
    DataFrame
        ``by, level, n, count, value, low, high, can_tell``. By "verdicts" and "reasons" the share
        that a combination has among all n cases on which they differ, largest first; by "score
        band" and "novelty" the share of the n cases of that level on which they differ.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If an opinion is something else.

    Notes
    -----
    One unsure and one sure opinion differ, because such a case needs a third person too. Reasons
    are named in the order of the alphabet, whoever gave them.

    Examples
    --------
    >>> rows = pd.DataFrame({"first_reviewer": "Ada", "second_reviewer": "Bo"}, index=range(3))
    >>> rows["first"], rows["second"] = [True, True, False], [True, None, True]
    >>> disagreements(rows)[["level", "count", "n"]].values.tolist()
    [['negative against positive', 1, 2], ['positive against unsure', 1, 2]]
    """
    _named(pairs)
    words = [_words(column(pairs, name)) for name in ("first", "second")]
    differ = words[0] != words[1]
    records = _combinations("verdicts", words[0][differ], words[1][differ])
    if set(REASON_NAMES) <= set(pairs):
        reasons = [pairs[name].fillna("none").to_numpy(np.str_) for name in REASON_NAMES]
        records += _combinations("reasons", reasons[0][differ], reasons[1][differ])
    for by, name in (("score band", "band"), ("novelty", "is_novel")):
        if name in pairs:
            records += _levels(by, pairs[name], differ)
    return tidy(records, "by", "level", "n", "count", "value", "low", "high", "can_tell")


def score_band(probability: npt.ArrayLike, threshold: npt.ArrayLike) -> pd.Categorical:
    """Put scores into bands by their distance from the threshold.

    Parameters
    ----------
    probability
        The model's probabilities in ``[0, 1]``, shape ``(n_cases,)``; NaN stays missing.
    threshold
        In ``(0, 1)``, one for all or one a case.

    Returns
    -------
    Categorical
        Ordered, `BANDS`: more than 3, 1 to 3, or less than 1 log-odds below or above. A score on
        the threshold is just above it, as it is flagged.

    Raises
    ------
    InputError
        If a probability or threshold is out of range.

    Examples
    --------
    >>> list(score_band([0.001, 0.4, 0.5, 0.999], 0.5))
    ['far below', 'just below', 'just above', 'far above']
    """
    p, limit = np.broadcast_arrays(
        np.asarray(probability, dtype=np.float64), np.asarray(threshold, dtype=np.float64)
    )
    if ((p < 0) | (p > 1)).any() or not ((limit > 0) & (limit < 1)).all():
        raise InputError(
            "A probability or threshold is out of range.",
            "Give probabilities from 0 to 1 and a threshold between 0 and 1.",
        )
    with np.errstate(divide="ignore"):
        away = np.log(p) - np.log1p(-p) - (np.log(limit) - np.log1p(-limit))
    away = np.where(p == limit, 0.0, away)
    codes = np.where(np.isnan(p), -1, np.searchsorted(np.array(BAND_EDGES), away, side="right"))
    kind = pd.CategoricalDtype(list(BANDS), ordered=True)
    return pd.Categorical.from_codes(codes.astype(np.int64), dtype=kind)


def _named(pairs: pd.DataFrame) -> "pd.Series[str]":
    """Name the two people of each row, in order of name."""
    require(pairs, "first_reviewer", "second_reviewer", "first", "second")
    one, other = (pairs[name].astype(str) for name in ("first_reviewer", "second_reviewer"))
    if (one == other).any():
        raise InputError(
            f"{one[one == other].iloc[0]} is paired with themselves.",
            "Give the opinions of two people on each case.",
        )
    return (one + " and " + other).where(one < other, other + " and " + one)


def _measured(
    first: Floats, second: Floats, seed: int, confidence: float
) -> list[dict[str, object]]:
    sure = ~(np.isnan(first) | np.isnan(second))
    one, other = first[sure] == 1, second[sure] == 1
    cells = np.array(
        [(one & other).sum(), (one & ~other).sum(), (~one & other).sum(), (~one & ~other).sum()]
    )
    n, positive = int(cells.sum()), int(cells[:3].sum())
    values, limits = _coefficients(cells[None, :].astype(np.float64))[0], np.full((2, 5), NAN)
    if n:
        draws = np.random.default_rng(seed).dirichlet(cells + 0.5, DRAWS)
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        limits = np.quantile(_coefficients(draws), tails, axis=0)
    records: list[dict[str, object]] = []
    for measure, value, low, high in zip(MEASURES, values, *limits, strict=True):
        enough = n >= MIN_ROWS and not np.isnan(value)
        if measure in ("kappa", "positive agreement"):
            enough = enough and positive >= MIN_POSITIVE
        bounds = (float(np.fmin(low, value)), float(np.fmax(high, value)))
        records.append(_record(measure, n, float(value), bounds, enough))
    unsure = share(~sure)
    limit = (unsure.low, unsure.high)
    records.append(_record("unsure", unsure.n, unsure.value, limit, unsure.can_tell))
    return records


def _record(
    measure: str, n: int, value: float, limits: tuple[float, float], enough: bool
) -> dict[str, object]:
    low, high = limits
    return {
        "measure": measure,
        "n": n,
        "value": value,
        "low": low,
        "high": high,
        "can_tell": bool(enough),
    }


def _coefficients(cells: Floats) -> Floats:
    """Give the five measures of tables (a, b, c, d), shape ``(n_tables, 5)``."""
    a, b, c, d = cells.T
    n = a + b + c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        raw, q = (a + d) / n, (2 * a + b + c) / (2 * n)
        by_own = ((a + b) * (a + c) + (c + d) * (b + d)) / n**2
        by_both = 2 * q * (1 - q)
        kappa = (raw - by_own) / (1 - by_own)
        ac1 = (raw - by_both) / (1 - by_both)
        positive = 2 * a / (2 * a + b + c)
    return np.stack([raw, kappa, ac1, positive, q], axis=1)


def _words(opinion: Floats) -> npt.NDArray[np.str_]:
    return np.select([opinion == 1, opinion == 0], ["positive", "negative"], "unsure")


def _combinations(
    by: str, first: npt.NDArray[np.str_], second: npt.NDArray[np.str_]
) -> list[dict[str, object]]:
    both = zip(first.tolist(), second.tolist(), strict=True)
    named = np.array([" against ".join(sorted(two)) for two in both], dtype=object)
    counted = {name: int((named == name).sum()) for name in sorted(set(named))}
    order = sorted(counted, key=lambda name: (-counted[name], name))
    return [{"by": by, "level": name, **vars(share(named == name))} for name in order]


def _levels(by: str, values: "pd.Series[Any]", differ: Bools) -> list[dict[str, object]]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        order = [level for level in values.cat.categories if (values == level).any()]
    else:
        order = sorted(values.dropna().unique().tolist())
    words = {True: "novel", False: "not novel"} if by == "novelty" else {}
    there = [(words.get(level, str(level)), (values == level).to_numpy()) for level in order]
    gone = values.isna().to_numpy()
    rows = chain(there, [("unknown", gone)] if gone.any() else [])
    return [{"by": by, "level": name, **vars(share(differ[here]))} for name, here in rows]
