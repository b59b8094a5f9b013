"""The story tape: real card payments, then constructed ones unlike anything in training."""

import numpy as np
import pandas as pd

from hitl.datasets import check_rows
from hitl.errors import InputError, TooFewLabelsError

TAPE_LENGTH = 30
FRAUD_POSITIONS = (3, 18)
UNKNOWN_POINTS = {
    9: (17.0, -24.0),
    10: (20.0, -27.0),
    11: (24.0, -30.0),
    24: (18.5, -25.5),
    25: (22.0, -28.5),
    26: (26.0, -32.0),
}
"""Position on the tape → (V4, V14) of a constructed row; the second pass differs from the first."""

UNKNOWN_V4 = (17.0, 27.0)
UNKNOWN_V14 = (-33.0, -24.0)
FRAUD_V4_ABOVE = 2.0
FRAUD_V14_BELOW = -5.0
LEGITIMATE_DEVIATIONS = 1.5

_COLUMNS = ["position", "Time", "V4", "V14", "Class", "origin", "known", "row"]


def story_tape(known: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Tell the teaching story in 30 rows: known payments, frauds and something new.

    A period of 15 rows is told twice. Positions 3 and 18 are real frauds, 9–11 and 24–26 are
    constructed payments far outside the training data, legitimate although they look like an
    extreme fraud, and every other row is a real legitimate payment. No row comes twice, so that a
    model taught by the first pass is tested on rows it has not seen.

    Parameters
    ----------
    known
        Real payments that no model was trained on, with columns row, V4, V14 and Class.
    seed
        Seed of the draw; the constructed rows do not depend on it.

    Returns
    -------
    DataFrame
        30 rows: position (0 … 29), Time (seconds, equal to position), V4, V14, Class, origin
        ("real" or "constructed"), known (False for constructed rows) and row (the number in the
        source, -1 for constructed rows).

    Raises
    ------
    DataError
        If a column is missing or not finite, or a row number stands twice (see `check_rows`).
    TooFewLabelsError
        If fewer than 2 frauds or 22 legitimate payments fit the rule below.

    Notes
    -----
    The tape is a teaching example, so it tells clear cases only. A fraud is drawn among those
    with V4 > 2 and V14 < -5: a booster on the two features misses none of these in the last third
    of the bundled sample, and 15 of the 26 others. A legitimate payment is drawn among those whose
    V4 and V14 both lie within 1.5 standard deviations of the mean of the legitimate rows given. A
    model's hit rate on the tape therefore says nothing about its hit rate on payments.
    """
    check_rows(known, features=("V4", "V14"), label="Class", id_column="row")
    rng = np.random.default_rng(seed)
    rows = [_constructed(position, *point) for position, point in UNKNOWN_POINTS.items()]
    rows += _drawn(_clear_fraud(known), FRAUD_POSITIONS, "frauds", rng)
    taken = {*UNKNOWN_POINTS, *FRAUD_POSITIONS}
    places = tuple(place for place in range(TAPE_LENGTH) if place not in taken)
    rows += _drawn(_clear_legitimate(known), places, "legitimate payments", rng)
    return _table(rows)


def story_waiting(*, n: int = 12, seed: int = 0) -> pd.DataFrame:
    """Make constructed payments that wait for review before the tape starts.

    They are like the unknown rows of `story_tape`, so that a reviewer can confirm enough of them
    to teach a model: three rows alone are too few for a leaf.

    Parameters
    ----------
    n
        How many, at least 1.
    seed
        Seed of the positions in the plane.

    Returns
    -------
    DataFrame
        Columns as in `story_tape`; position and Time run from ``-n`` to -1, V4 lies in
        ``[17, 27]``, V14 in ``[-33, -24]``, Class is 0.

    Raises
    ------
    InputError
        If `n` is below 1.

    Examples
    --------
    >>> story_waiting(n=2)["position"].tolist()
    [-2, -1]
    """
    if n < 1:
        raise InputError(f"n is {n}.", "Ask for at least one waiting payment.")
    rng = np.random.default_rng(seed)
    v4 = rng.uniform(*UNKNOWN_V4, n).round(4)
    v14 = rng.uniform(*UNKNOWN_V14, n).round(4)
    return _table([_constructed(i - n, float(v4[i]), float(v14[i])) for i in range(n)])


def _clear_fraud(known: pd.DataFrame) -> pd.DataFrame:
    clear = (known["V4"] > FRAUD_V4_ABOVE) & (known["V14"] < FRAUD_V14_BELOW)
    return known[(known["Class"] == 1) & clear]


def _clear_legitimate(known: pd.DataFrame) -> pd.DataFrame:
    rows = known[known["Class"] == 0]
    plane = rows[["V4", "V14"]]
    distance = (plane - plane.mean()).abs()
    return rows[(distance <= LEGITIMATE_DEVIATIONS * plane.std(ddof=0)).all(axis=1)]


def _drawn(
    pool: pd.DataFrame, places: tuple[int, ...], what: str, rng: np.random.Generator
) -> list[tuple[object, ...]]:
    if len(pool) < len(places):
        raise TooFewLabelsError(
            f"The tape needs {len(places)} clear {what}, and there are {len(pool)}.",
            "Give more held-out rows.",
        )
    chosen = pool.iloc[rng.choice(len(pool), len(places), replace=False)]
    return [
        (place, place, float(v4), float(v14), int(label), "real", True, int(row))
        for place, v4, v14, label, row in zip(
            places, chosen["V4"], chosen["V14"], chosen["Class"], chosen["row"], strict=True
        )
    ]


def _constructed(position: int, v4: float, v14: float) -> tuple[object, ...]:
    return (position, position, v4, v14, 0, "constructed", False, -1)


def _table(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.sort_values("position", ignore_index=True)
