"""Simulated reviewers: opinions and times with planted errors, bias, anchoring and fatigue."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import InputError, MissingColumnsError

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ExplanationEffect:
    """What an explanation does: errors added (below 0 taken away), and time as a multiple."""

    errors: float = 0.0
    time: float = 1.0


@dataclass(frozen=True)
class SimulatedReviewer:
    """One reviewer with everything that is planted in their decisions.

    `error_rate` is the share of cases decided against the truth; `false_alarms` (of legitimate
    cases) and `misses` (of positive ones) take its place where given. `bias` is the further share
    of the group's legitimate cases that is called positive; the group is the rows in which the
    column `attribute` equals `group`. `unsure` is the share of cases without an opinion.
    `anchoring` is the share of opinions unlike the flag that give way to it once it is shown.

    `fatigue` are the errors added within an hour of the shift, `haste` the share by which the time
    for a case falls within one. Times are log-normal: median `seconds`, and `spread` the standard
    deviation of their logarithm. `effects` says what each arm's explanation does to errors and
    time; an arm that is not named does nothing.
    """

    name: str
    error_rate: float = 0.05
    bias: float = 0.0
    attribute: str = "region"
    group: str = "south"
    false_alarms: float | None = None
    misses: float | None = None
    unsure: float = 0.0
    anchoring: float = 0.0
    fatigue: float = 0.0
    haste: float = 0.0
    seconds: float = 30.0
    spread: float = 0.5
    effects: Mapping[str, ExplanationEffect] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = (self.error_rate, self.bias, self.error_rate + self.bias)
        if not all(0 <= share <= 1 for share in shares):
            raise InputError(
                f"{self.name} has an error rate of {self.error_rate} and a bias of {self.bias}.",
                "Give shares from 0 to 1 that add up to at most 1.",
            )
        others = (*self.errors, self.errors[0] + self.bias, self.unsure, self.anchoring)
        if not all(0 <= share <= 1 for share in (*others, self.fatigue, self.haste)):
            raise InputError(
                f"Something planted in {self.name} is no share.",
                "Give shares from 0 to 1; false alarms and bias add up to at most 1.",
            )
        times = (self.seconds, *(effect.time for effect in self.effects.values()))
        if min(times) <= 0 or self.spread < 0:
            raise InputError(
                f"{self.name} takes {self.seconds} s with a spread of {self.spread}.",
                "Give times above 0 and a spread of at least 0.",
            )

    @property
    def errors(self) -> tuple[float, float]:
        """Share of legitimate cases called positive, and of positive ones called legitimate."""
        false_alarms = self.error_rate if self.false_alarms is None else self.false_alarms
        return false_alarms, self.error_rate if self.misses is None else self.misses


def review(
    reviewer: SimulatedReviewer,
    rows: pd.DataFrame,
    truth: npt.ArrayLike,
    *,
    seed: int = 0,
    id_column: str = "payment",
) -> pd.DataFrame:
    """Let a simulated reviewer decide rows whose truth is known.

    Parameters
    ----------
    reviewer
        Who decides.
    rows
        Cases, with `id_column` and, for a biased reviewer, the attribute's column.
    truth
        Booleans or 0 and 1, True for positive, shape ``(n_rows,)``.
    seed
        Seed of the slips. A row's verdict follows from seed, reviewer and the row's id alone: one
        by one or all at once, in any order, the verdicts are the same.
    id_column
        Names the row.

    Returns
    -------
    DataFrame
        With the index of `rows`: the id, ``reviewer``, ``says_positive`` (bool), ``truth`` (bool)
        and ``planted``: "bias" or "error" where that made the verdict wrong, else "".

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If there are not as many truths as rows.

    Examples
    --------
    >>> rows = pd.DataFrame({"payment": [1, 2], "region": ["south", "north"]})
    >>> harsh = SimulatedReviewer("Ada", error_rate=0.0, bias=1.0)
    >>> review(harsh, rows, [0, 0])["says_positive"].tolist()
    [True, False]
    """
    true = _truth(reviewer, rows, truth, id_column)
    chance = _chances(f"{seed}|{reviewer.name}", rows[id_column])
    slips = chance < np.where(true, reviewer.errors[1], reviewer.errors[0])
    biased = _biased(reviewer, rows, true) & ~slips
    biased &= chance < reviewer.errors[0] + reviewer.bias
    return pd.DataFrame(
        {
            id_column: rows[id_column],
            "reviewer": reviewer.name,
            "says_positive": true ^ (slips | biased),
            "truth": true,
            "planted": np.select([biased, slips], ["bias", "error"], ""),
        },
        index=rows.index,
    )


def work(
    reviewer: SimulatedReviewer,
    rows: pd.DataFrame,
    truth: npt.ArrayLike,
    *,
    flagged: npt.ArrayLike | None = None,
    arms: npt.ArrayLike | None = None,
    minutes: npt.ArrayLike | None = None,
    seed: int = 0,
    id_column: str = "payment",
) -> pd.DataFrame:
    """Let a simulated reviewer work a shift: a first opinion, a final one, and the time taken.

    Parameters
    ----------
    reviewer
        Who decides.
    rows
        Cases, with `id_column` and, for a biased reviewer, the attribute's column.
    truth
        Booleans or 0 and 1, True for positive, shape ``(n_rows,)``.
    flagged
        What the model says and the reviewer is shown after the first opinion, shape ``(n_rows,)``;
        none where nothing is revealed.
    arms
        Name of the explanation shown with each case, shape ``(n_rows,)``; none without a trial.
    minutes
        Minutes into the shift at which each case is decided, at least 0, shape ``(n_rows,)``; 0
        if absent.
    seed
        Seed of the slips. A row's opinions and time follow from seed, reviewer, the row's id, and
        what is shown and when: one by one or all at once, in any order, they are the same.
    id_column
        Names the row.

    Returns
    -------
    DataFrame
        With the index of `rows`: the id, ``reviewer``, ``first`` (opinion before score and
        explanation) and ``is_positive`` (final one; both True, False, or missing for unsure),
        ``seconds``, ``truth`` (bool) and ``planted``: what made the final opinion wrong, "error",
        "fatigue", "bias" or "anchoring", else "".

    Raises
    ------
    MissingColumnsError
        If a column is not there.
    InputError
        If there are not as many truths, flags, arms or minutes as rows, or a minute is negative.

    Notes
    -----
    With the defaults the final opinions are the verdicts of `review`. An unsure case stays unsure.
    Where nothing is shown and nothing explained, first and final opinion are the same.

    Examples
    --------
    >>> rows = pd.DataFrame({"payment": [1, 2]})
    >>> meek = SimulatedReviewer("Ada", error_rate=0.0, anchoring=1.0)
    >>> found = work(meek, rows, [1, 0], flagged=[0, 0])
    >>> found["first"].tolist(), found["is_positive"].tolist(), found["planted"].tolist()
    ([True, False], [False, False], ['anchoring', ''])
    """
    true = _truth(reviewer, rows, truth, id_column)
    salt, ids = f"{seed}|{reviewer.name}", rows[id_column]
    hours = _minutes(minutes, len(rows)) / 60
    change, time = _effects(reviewer, arms, len(rows))
    chance, turned = _chances(salt, ids), _biased(reviewer, rows, true)
    first, _ = _opinion(reviewer, true, turned, chance, reviewer.fatigue * hours, change * 0)
    final, planted = _opinion(reviewer, true, turned, chance, reviewer.fatigue * hours, change)
    if flagged is not None:
        flag = _column(flagged, len(rows), "flags").astype(bool)
        yields = (final != flag) & (_chances(f"{salt}|anchoring", ids) < reviewer.anchoring)
        final = np.where(yields, flag, final)
        planted = np.where(yields, np.where(final == true, "", "anchoring"), planted)
    unsure = _chances(f"{salt}|unsure", ids) < reviewer.unsure
    seconds = time * _seconds(reviewer, _chances(f"{salt}|seconds", ids), hours)
    return pd.DataFrame(
        {
            id_column: ids,
            "reviewer": reviewer.name,
            "first": _opinions(first, unsure),
            "is_positive": _opinions(final, unsure),
            "seconds": seconds,
            "truth": true,
            "planted": np.where(unsure, "", planted),
        },
        index=rows.index,
    )


def _opinion(
    reviewer: SimulatedReviewer,
    true: Bools,
    turned: Bools,
    chance: Floats,
    fatigue: Floats,
    change: Floats,
) -> tuple[Bools, npt.NDArray[np.str_]]:
    """Give opinions and what made them wrong, with `change` added to the chance of an error."""
    usual = np.clip(np.where(true, reviewer.errors[1], reviewer.errors[0]) + change, 0, 1)
    tired = np.clip(usual + fatigue, 0, 1)
    slips = chance < tired
    biased = turned & ~slips & (chance < tired + reviewer.bias)
    reasons = [biased, slips & (chance >= usual), slips]
    return true ^ (slips | biased), np.select(reasons, ["bias", "fatigue", "error"], "")


def _opinions(positive: Bools, unsure: Bools) -> pd.arrays.BooleanArray:
    return pd.arrays.BooleanArray(positive.astype(bool), unsure.copy())


def _biased(reviewer: SimulatedReviewer, rows: pd.DataFrame, true: Bools) -> Bools:
    """Say which cases the reviewer's bias can turn: the group's legitimate ones."""
    if not reviewer.bias:
        return np.zeros(len(rows), dtype=bool)
    in_group: Bools = (rows[reviewer.attribute] == reviewer.group).to_numpy(dtype=bool)
    return in_group & ~true


def _truth(
    reviewer: SimulatedReviewer, rows: pd.DataFrame, truth: npt.ArrayLike, id_column: str
) -> Bools:
    needed = [id_column, *([reviewer.attribute] if reviewer.bias else [])]
    missing = [name for name in needed if name not in rows]
    if missing:
        raise MissingColumnsError(
            f"Missing columns: {', '.join(missing)}.", "Give the cases with their groups."
        )
    return _column(truth, len(rows), "truths").astype(bool)


def _column(values: npt.ArrayLike, n: int, noun: str) -> npt.NDArray[np.generic]:
    found = np.asarray(values)
    if found.shape != (n,):
        raise InputError(
            f"There are {found.size} {noun} for {n} rows.", f"Give as many {noun} as rows."
        )
    return found


def _minutes(minutes: npt.ArrayLike | None, n: int) -> Floats:
    if minutes is None:
        return np.zeros(n)
    found = _column(minutes, n, "minutes").astype(np.float64)
    if not (found >= 0).all():
        raise InputError("A minute of the shift is below 0.", "Count from the shift's beginning.")
    return found


def _effects(
    reviewer: SimulatedReviewer, arms: npt.ArrayLike | None, n: int
) -> tuple[Floats, Floats]:
    """Give the errors that each case's explanation adds, and the multiple of its time."""
    shown = np.full(n, "") if arms is None else _column(arms, n, "arms")
    found = [reviewer.effects.get(str(one), ExplanationEffect()) for one in shown]
    errors = np.array([effect.errors for effect in found], dtype=np.float64)
    return errors, np.array([effect.time for effect in found], dtype=np.float64)


def _seconds(reviewer: SimulatedReviewer, chance: Floats, hours: Floats) -> Floats:
    """Draw log-normal times that fall with the hours."""
    normal = NormalDist()
    deviation = np.array([normal.inv_cdf(float(one)) for one in np.clip(chance, 1e-9, 1 - 1e-9)])
    slower = np.exp(reviewer.spread * deviation)
    return np.asarray(reviewer.seconds * slower * (1 - reviewer.haste) ** hours, dtype=np.float64)


def _chances(salt: str, ids: pd.Series) -> npt.NDArray[np.float64]:
    """Draw a number in ``[0, 1)`` for each id, always the same."""
    digests = (hashlib.sha256(f"{salt}|{one}".encode()).digest() for one in ids)
    return np.array([int.from_bytes(d[:6]) / 2**48 for d in digests], dtype=np.float64)
