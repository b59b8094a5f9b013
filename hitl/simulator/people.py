"""Simulated reviewers: verdicts with planted errors and a planted bias against a group."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import InputError, MissingColumnsError


@dataclass(frozen=True)
class SimulatedReviewer:
    """One reviewer: wrong in a share of all cases, harsher towards one group.

    `error_rate` is the share of cases decided against the truth, `bias` the further share of the
    group's legitimate cases that is called positive; both in ``[0, 1]``, together at most 1. The
    group is the rows in which the column `attribute` equals `group`.
    """

    name: str
    error_rate: float = 0.05
    bias: float = 0.0
    attribute: str = "region"
    group: str = "south"

    def __post_init__(self) -> None:
        shares = (self.error_rate, self.bias, self.error_rate + self.bias)
        if not all(0 <= share <= 1 for share in shares):
            raise InputError(
                f"{self.name} has an error rate of {self.error_rate} and a bias of {self.bias}.",
                "Give shares from 0 to 1 that add up to at most 1.",
            )


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
    needed = [id_column, *([reviewer.attribute] if reviewer.bias else [])]
    missing = [name for name in needed if name not in rows]
    if missing:
        raise MissingColumnsError(
            f"Missing columns: {', '.join(missing)}.", "Give the cases with their groups."
        )
    true = np.asarray(truth).astype(bool)
    if true.shape != (len(rows),):
        raise InputError(
            f"There are {true.size} truths for {len(rows)} rows.", "Give one truth a row."
        )
    chance = _chances(f"{seed}|{reviewer.name}", rows[id_column])
    slips = chance < reviewer.error_rate
    biased = np.zeros(len(rows), dtype=bool)
    if reviewer.bias:
        in_group = (rows[reviewer.attribute] == reviewer.group).to_numpy()
        biased = in_group & ~true & ~slips & (chance < reviewer.error_rate + reviewer.bias)
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


def _chances(salt: str, ids: pd.Series) -> npt.NDArray[np.float64]:
    """Draw a number in ``[0, 1)`` for each id, always the same."""
    digests = (hashlib.sha256(f"{salt}|{one}".encode()).digest() for one in ids)
    return np.array([int.from_bytes(d[:6]) / 2**48 for d in digests], dtype=np.float64)
