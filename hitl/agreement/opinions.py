"""Opinions against the truth: what a reveal changed, and how often people are right."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.agreement.shares import (
    ALL,
    Bools,
    Floats,
    Share,
    column,
    people,
    require,
    share,
    tidy,
)

FLIPS = ("right at first", "right in the end", "right to wrong", "wrong to right", "followed")


def flips(opinions: pd.DataFrame, *, by: str = "model_id") -> pd.DataFrame:
    """Measure what the sight of score and explanation did to opinions given before it.

    Parameters
    ----------
    opinions
        One row a case decided blind-first: ``first`` and ``final`` (True, False, or missing for
        unsure), ``is_flagged`` (what was revealed), ``truth`` (missing where not known yet) and
        the column `by`.
    by
        Column that splits the rows: "model_id" or "reviewer".

    Returns
    -------
    DataFrame
        For all rows together ("all") and each value of `by`, one row for each of `FLIPS`:
        `by`, ``measure, n, count, value, low, high, can_tell``; values in ``[0, 1]``.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If an opinion is neither true, false nor missing.

    Notes
    -----
    "Right to wrong" counts among cases that were right at first and sure in the end, "wrong to
    right" among those wrong at first; both need the truth. "Followed" counts, among cases whose
    first opinion was not the model's, those whose final one is: following is not wrong in itself,
    and shows anchoring when it is as frequent where the model is wrong. Cases whose truth is known
    are those that were reviewed or whose outcome arrived.

    References
    ----------
    Buçinca, Malaya and Gajos (2021), To trust or to think.

    Examples
    --------
    >>> rows = pd.DataFrame({"first": [True, False], "final": [False, False], "model_id": "m1"})
    >>> rows["truth"], rows["is_flagged"] = [True, True], [False, False]
    >>> found = flips(rows).set_index(["model_id", "measure"])["value"]
    >>> float(found["m1", "right to wrong"]), float(found["all", "wrong to right"])
    (1.0, 0.0)
    """
    require(opinions, by, "first", "final", "is_flagged", "truth")
    read = [column(opinions, name) for name in ("first", "final", "is_flagged", "truth")]
    names = opinions[by].to_numpy(dtype=np.str_)
    records = []
    for name in [ALL, *sorted(set(names.tolist()))]:
        here = np.full(len(names), True) if name == ALL else names == name
        for measure, found in zip(FLIPS, _flips(*(one[here] for one in read)), strict=True):
            records.append({by: name, "measure": measure, **vars(found)})
    return tidy(records, by, "measure", "n", "count", "value", "low", "high", "can_tell")


def gold(decisions: pd.DataFrame) -> pd.DataFrame:
    """Measure how often each person is right on cases whose truth is known.

    Parameters
    ----------
    decisions
        One row a decision: ``reviewer``, ``is_positive`` (True, False, or missing for unsure) and
        ``truth`` (True or False; rows without it are left out).

    Returns
    -------
    DataFrame
        For everybody together ("all") and per reviewer, one row for each measure: ``reviewer,
        measure, n, count, value, low, high, can_tell``. "accuracy" counts right ones among sure
        ones, "sensitivity" those called positive among positives, "specificity" those called
        negative among negatives, "unsure" unsure ones among all; values in ``[0, 1]``.

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If an opinion is neither true, false nor missing.

    Notes
    -----
    Gold cases are drawn for their truth to be known, so their mix of positives is not the
    queue's: accuracy speaks about the gold cases, sensitivity and specificity carry over.

    Examples
    --------
    >>> rows = pd.DataFrame({"reviewer": "Ada", "is_positive": [True, False, None]})
    >>> rows["truth"] = [True, True, False]
    >>> found = gold(rows).set_index(["reviewer", "measure"])["value"]
    >>> float(found["Ada", "accuracy"]), round(float(found["Ada", "unsure"]), 2)
    (0.5, 0.33)
    """
    require(decisions, "reviewer", "is_positive", "truth")
    verdict, truth = column(decisions, "is_positive"), column(decisions, "truth")
    names = decisions["reviewer"].to_numpy(dtype=np.str_)
    records = []
    for name in [ALL, *people(decisions)]:
        here = ~np.isnan(truth) & ((names == name) | (name == ALL))
        for measure, found in _accuracy(verdict[here], truth[here]):
            records.append({"reviewer": name, "measure": measure, **vars(found)})
    return tidy(records, "reviewer", "measure", "n", "count", "value", "low", "high", "can_tell")


def followed(first: Floats, final: Floats, flag: Floats) -> tuple[Bools, Bools]:
    """Say which first opinions were not the model's, and which of them became it.

    Parameters
    ----------
    first, final, flag
        1, 0 or NaN, shape ``(n_cases,)``.

    Returns
    -------
    tuple
        Two boolean arrays, shape ``(n_cases,)``: sure opinions other than the flag, and those of
        them that ended as the flag. A final unsure opinion leaves both.

    Examples
    --------
    >>> other, gave_way = followed(np.array([1.0, 0.0]), np.array([0.0, 0.0]), np.array([0.0, 0.0]))
    >>> other.tolist(), gave_way.tolist()
    ([True, False], [True, False])
    """
    other = ~(np.isnan(first) | np.isnan(final) | np.isnan(flag)) & (first != flag)
    return other, other & (final == flag)


def _flips(first: Floats, final: Floats, flag: Floats, truth: Floats) -> Iterable[Share]:
    known = ~(np.isnan(first) | np.isnan(final) | np.isnan(truth))
    right, ends_right = known & (first == truth), known & (final == truth)
    other, gave_way = followed(first, final, flag)
    yield share(right[known])
    yield share(ends_right[known])
    yield share(~ends_right[right])
    yield share(ends_right[known & ~right])
    yield share(gave_way[other])


def _accuracy(verdict: Floats, truth: Floats) -> list[tuple[str, Share]]:
    sure: npt.NDArray[np.bool_] = ~np.isnan(verdict)
    right = verdict == truth
    return [
        ("accuracy", share(right[sure])),
        ("sensitivity", share(right[sure & (truth == 1)])),
        ("specificity", share(right[sure & (truth == 0)])),
        ("unsure", share(~sure)),
    ]
