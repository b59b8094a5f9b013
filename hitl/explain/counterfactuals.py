"""What would turn a verdict: few changes to values seen in training (counterfactuals)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hitl import models
from hitl.errors import InputError
from hitl.explain.scorers import Scorer
from hitl.explain.text import number, plural
from hitl.explain.whatif import (
    Value,
    check_names,
    check_values,
    decoded,
    is_flagged,
    limits_of,
    thinned,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MAX_DONORS = 20_000
"""Rows kept for the search: more make it dearer and hardly nearer."""

NEAREST = 15
SPREAD = 10
"""Donors of one search: the nearest ones, and others spread over all distances."""

BEAM = 10
"""Donors that go on after the first change."""

CLEARLY = 1.0
"""Standard deviations between two values that are not nearly the same answer."""


@dataclass(frozen=True)
class Donors:
    """Rows whose values a case may take over, scored once for all cases.

    Parameters
    ----------
    values
        Encoded rows, shape ``(n_rows, n_features)``.
    odds
        Their log-odds, shape ``(n_rows,)``.
    scale
        Standard deviation of each feature, above 0, shape ``(n_features,)``.
    limits
        Smallest and largest value of each feature that is a number.
    """

    values: Floats
    odds: Floats
    scale: Floats
    limits: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Counterfactual:
    """Changes that turn a verdict, and what the model would then say.

    Parameters
    ----------
    changes
        By feature: ``{"from": value, "to": value}``; a category by its name, missing as None.
    probability, score
        What the model would give: in ``[0, 1]`` and in log-odds.
    flagged
        The verdict it would then be: the opposite of the case's own.
    distance
        Sum of the changes in standard deviations; a change of category, or from or to missing,
        counts 1.
    """

    changes: dict[str, dict[str, Value]]
    probability: float
    score: float
    flagged: bool
    distance: float


def donors(scorer: Scorer, values: Floats, *, most: int = MAX_DONORS) -> Donors:
    """Prepare the rows that counterfactuals take values from; once per model.

    Parameters
    ----------
    scorer
        The model.
    values
        Encoded training rows, shape ``(n_rows, n_features)``.
    most
        Rows to keep, at least 2: both verdicts alike, each thinned evenly.

    Returns
    -------
    Donors
        `scale` and `limits` are those of all rows.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    FeatureMismatchError
        If the rows have another number of columns than the model has features.
    InputError
        If `most` is below 2.

    Examples
    --------
    >>> face = Scorer("sum", ("a",), encode=lambda rows: rows.to_numpy(),
    ...               odds=lambda values: values.sum(axis=1), threshold=0.5)
    >>> donors(face, np.array([[-1.0], [3.0]])).limits
    {'a': (-1.0, 3.0)}
    """
    check_values(scorer, values)
    if most < 2:
        raise InputError(f"most is {most}.", "Keep at least 2 rows.")
    odds = scorer.odds(values)
    side = is_flagged(scorer, odds)
    kept = np.sort(np.concatenate([thinned(np.flatnonzero(s), most // 2) for s in (side, ~side)]))
    return Donors(values[kept], odds[kept], _scale(values), limits_of(scorer, values))


def counterfactuals(
    scorer: Scorer,
    values: Floats,
    donors: Donors,
    *,
    immutable: Iterable[str] = (),
    ranges: Mapping[str, tuple[float, float]] | None = None,
    k: int = 3,
    max_changed: int = 3,
    unseen: Mapping[str, str] | None = None,
) -> list[Counterfactual]:
    """Find few changes after which the model's verdict would be the other one.

    Parameters
    ----------
    scorer
        The model.
    values
        The encoded case, shape ``(n_features,)``.
    donors
        Rows to take values from, as prepared by `donors`.
    immutable
        Features that stay as they are.
    ranges
        Smallest and largest value a feature may take; a feature with a range never goes missing.
    k
        Answers wanted, at least 1.
    max_changed
        Features an answer may change, at least 1.
    unseen
        What categories of the case are called that the model never saw, by feature, as
        `Scorer.unseen` says.

    Returns
    -------
    list of Counterfactual
        Fewest changes first, then nearest; at most `k`, and empty when no such change is known.
        No answer contains another, and none has a change it could do without. Two answers
        change different features, or, when those run out, at least one feature to values that
        are a standard deviation apart.

    Raises
    ------
    FeatureMismatchError
        If the case has another number of values than the model has features, or `immutable` or
        `ranges` name a feature the model does not have.
    InputError
        If `k` or `max_changed` is below 1, or a range ends before it starts.

    Notes
    -----
    Donors are rows of the other verdict: the nearest, and some spread over all distances. From
    each donor the case takes over one value at a time, always the one that moves the score
    furthest; all trials of a step are one prediction. So every value was observed, and the
    values of one answer were observed together. When answers are too few or too alike, a second
    search leaves the features of the first answer alone. Nothing is random.

    An answer speaks about the model. It says neither what would have been true nor what anybody
    should do.

    References
    ----------
    Wachter, Mittelstadt and Russell (2018), counterfactual explanations without opening the
    black box.

    Examples
    --------
    >>> face = Scorer("sum", ("a", "b"), encode=lambda rows: rows.to_numpy(),
    ...               odds=lambda values: values.sum(axis=1), threshold=0.5)
    >>> known = donors(face, np.array([[-9.0, 0.0], [0.0, -5.0], [8.0, 1.0]]))
    >>> [found.changes for found in counterfactuals(face, np.array([4.0, 1.0]), known)]
    [{'a': {'from': 4.0, 'to': -9.0}}, {'b': {'from': 1.0, 'to': -5.0}}]
    """
    _check_search(scorer, values, immutable, ranges or {}, k, max_changed)
    case = np.asarray(values, dtype=np.float64)
    search = _Search(scorer, case, donors, is_flagged(scorer, scorer.odds(case[None]))[0])
    fixed = set(immutable)
    free = np.array([feature not in fixed for feature in scorer.features], dtype=np.bool_)
    turned = _turned(search, free, ranges or {}, max_changed)
    chosen = _different(search, turned, k)
    if 0 < len(chosen) < k:
        free &= search.gaps(chosen[0], case) == 0
        more = _turned(search, free, ranges or {}, max_changed)
        chosen = _different(search, np.concatenate([turned, more]), k)
    return [_answer(search, row, unseen) for row in chosen]


def counterfactual_sentence(
    found: Counterfactual | None,
    names: Mapping[str, str] | None = None,
    *,
    write: Callable[[str, Value], str] | None = None,
    noun: str = "payment",
    max_changed: int = 3,
) -> str:
    """Say what would turn the verdict, or that nothing small is known to.

    Parameters
    ----------
    found
        One answer, or None when there is none.
    names
        What to call features; others keep their own name.
    write
        Writes a feature's value for people; otherwise it is rounded to three digits.
    noun
        What one row is, singular; used when there is no answer.
    max_changed
        Features an answer might change; used when there is no answer.

    Returns
    -------
    str
        One sentence about the model; it advises nobody.

    Examples
    --------
    >>> counterfactual_sentence(Counterfactual(
    ...     {"V14": {"from": -8.4, "to": -1.2}}, 0.004, -5.5, False, 7.2))
    'It would not be flagged if V14 were −1.2 instead of −8.4: the model would give 0.004.'
    >>> counterfactual_sentence(None)
    'No change of 3 features or fewer to values of other payments is known to turn the verdict.'
    """
    if found is None:
        most = "one feature" if max_changed == 1 else f"{max_changed} features or fewer"
        return (
            f"No change of {most} to values of other {plural(noun)} is known to turn the verdict."
        )
    say = write or (lambda _, value: _said(value))
    parts = [
        f"{(names or {}).get(feature, feature)} were {say(feature, change['to'])} instead of "
        f"{say(feature, change['from'])}"
        for feature, change in found.changes.items()
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    verb = "would be" if found.flagged else "would not be"
    return f"It {verb} flagged if {listed}: the model would give {number(found.probability)}."


@dataclass(frozen=True)
class _Search:
    scorer: Scorer
    case: Floats
    donors: Donors
    flagged: bool

    def towards(self, odds: Floats) -> Floats:
        """Turn log-odds into a number that shall become small."""
        return odds if self.flagged else -odds

    def crosses(self, odds: Floats) -> Bools:
        return np.asarray(is_flagged(self.scorer, odds) != self.flagged, dtype=np.bool_)

    def odds(self, rows: Floats) -> Floats:
        """Score rows, each distinct one once."""
        if not len(rows):
            return np.zeros(0)
        seen: dict[bytes, int] = {}
        places = [seen.setdefault(row.tobytes(), len(seen)) for row in rows]
        first = np.unique(places, return_index=True)[1]
        return np.asarray(self.scorer.odds(rows[first])[places], dtype=np.float64)

    def gaps(self, rows: Floats, other: Floats) -> Floats:
        """Give the distance between values, by feature, in standard deviations."""
        with np.errstate(invalid="ignore"):
            gaps = np.abs(rows - other) / self.donors.scale
        for i, feature in enumerate(self.scorer.features):
            if feature in self.scorer.categories:
                gaps[..., i] = gaps[..., i] > 0
        one_missing = np.isnan(rows) != np.isnan(other)
        return np.where(one_missing, 1.0, np.nan_to_num(gaps, nan=0.0))


def _turned(
    search: _Search, free: Bools, ranges: Mapping[str, tuple[float, float]], max_changed: int
) -> Floats:
    """Give rows of the other verdict that change the free features, and no more than needed."""
    near = _near(search, free)
    return _pruned(search, _greedy(search, near, _allowed(search, near, free, ranges), max_changed))


def _near(search: _Search, free: Bools) -> Floats:
    """Choose donors of the other verdict: the nearest, and some from all distances."""
    known = search.donors
    others = np.flatnonzero(search.crosses(known.odds))
    gaps = search.gaps(known.values[others], search.case)[:, free]
    order = others[np.argsort((gaps**2).sum(axis=1), kind="stable")]
    chosen = np.concatenate([order[:NEAREST], thinned(order[NEAREST:], SPREAD)])
    near: Floats = known.values[chosen]
    return near


def _greedy(search: _Search, near: Floats, allowed: Bools, max_changed: int) -> Floats:
    """Take over one value after the other until the verdict turns; give all rows that did."""
    rows = np.repeat(search.case[None], len(near), axis=0)
    turned = [rows[:0]]
    for _ in range(max_changed):
        which, feature = np.nonzero(allowed & (search.gaps(rows, near) > 0))
        if not len(which):
            break
        trials = rows[which]
        trials[np.arange(len(which)), feature] = near[which, feature]
        odds = search.odds(trials)
        done = search.crosses(odds)
        turned.append(trials[done])
        best = _best_trials(search, which, odds, np.setdiff1d(which, which[done]))
        rows, near, allowed = trials[best], near[which[best]], allowed[which[best]]
    return np.concatenate(turned)


def _allowed(
    search: _Search, near: Floats, free: Bools, ranges: Mapping[str, tuple[float, float]]
) -> Bools:
    allowed = np.repeat(free[None], len(near), axis=0)
    for feature, (low, high) in ranges.items():
        i = search.scorer.features.index(feature)
        allowed[:, i] &= (near[:, i] >= low) & (near[:, i] <= high)
    return allowed


def _best_trials(search: _Search, which: Ints, odds: Floats, going: Ints) -> Ints:
    """Give each unfinished donor's best trial, of the most promising donors only."""
    towards = search.towards(odds)
    order = np.lexsort((towards, which))
    firsts = order[np.unique(which[order], return_index=True)[1]]
    kept = firsts[np.isin(which[firsts], going)]
    return np.asarray(kept[np.argsort(towards[kept], kind="stable")][:BEAM], dtype=np.int64)


def _pruned(search: _Search, rows: Floats) -> Floats:
    """Take back every change that the verdict does not need."""
    pending, finished = rows, [rows[:0]]
    while len(pending):
        which, feature = np.nonzero(search.gaps(pending, search.case) > 0)
        count = np.bincount(which, minlength=len(pending))
        several = count[which] > 1
        which, feature = which[several], feature[several]
        trials = pending[which]
        trials[np.arange(len(which)), feature] = search.case[feature]
        needless = search.crosses(search.odds(trials))
        finished.append(np.delete(pending, np.unique(which[needless]), axis=0))
        pending = trials[needless]
    return np.concatenate(finished)


def _different(search: _Search, rows: Floats, k: int) -> list[Floats]:
    """Choose the fewest and nearest changes that differ from one another."""
    gaps = search.gaps(rows, search.case)
    sets = gaps > 0
    order = np.lexsort((gaps.sum(axis=1), sets.sum(axis=1)))
    chosen: list[int] = []
    for again in (False, True):
        for i in order.tolist():
            if len(chosen) == k:
                break
            if all(_differ(search, rows, sets, i, j, again) for j in chosen):
                chosen.append(i)
    rank = {row: place for place, row in enumerate(order.tolist())}
    return [rows[i] for i in sorted(chosen, key=rank.__getitem__)]


def _differ(search: _Search, rows: Floats, sets: Bools, i: int, j: int, again: bool) -> bool:
    if (sets[i] == sets[j]).all():
        return again and bool((search.gaps(rows[i], rows[j]) >= CLEARLY).any())
    return not (sets[i] >= sets[j]).all()


def _answer(search: _Search, row: Floats, unseen: Mapping[str, str] | None) -> Counterfactual:
    gaps = search.gaps(row, search.case)
    odds = search.scorer.odds(row[None])
    order = sorted(np.flatnonzero(gaps > 0).tolist(), key=lambda i: (-gaps[i], i))
    changes = {}
    for i in order:
        feature = search.scorer.features[i]
        changes[feature] = {
            "from": decoded(search.scorer, feature, search.case[i], unseen),
            "to": decoded(search.scorer, feature, row[i]),
        }
    return Counterfactual(
        changes=changes,
        probability=float(models.sigmoid(odds)[0]),
        score=float(odds[0]),
        flagged=bool(is_flagged(search.scorer, odds)[0]),
        distance=float(gaps.sum()),
    )


def _said(value: Value) -> str:
    if value is None:
        return "missing"
    return value if isinstance(value, str) else number(value)


def _scale(values: Floats) -> Floats:
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.nansum(values, axis=0) / count
    spread = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / count)
    return np.where(spread > 0, spread, 1.0)


def _check_search(
    scorer: Scorer,
    values: Floats,
    immutable: Iterable[str],
    ranges: Mapping[str, Sequence[Any]],
    k: int,
    max_changed: int,
) -> None:
    check_values(scorer, np.asarray(values)[None])
    check_names(scorer, [*immutable, *ranges])
    for name, count in (("k", k), ("max_changed", max_changed)):
        if count < 1:
            raise InputError(f"{name} is {count}.", "Give a whole number of at least 1.")
    for feature, (low, high) in ranges.items():
        if low > high:
            raise InputError(
                f"The range of {feature} goes from {low} to {high}.", "Put the smaller end first."
            )
