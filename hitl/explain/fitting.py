"""A straight line through weighted answers, from sums alone: what every LIME fits."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_GAIN = 1e-12
"""Share of the answers' spread below which one more feature explains nothing."""

ONE_THREAD = 250_000
"""Multiplications up to which OpenBLAS keeps a product on one thread (its limit is 262,144)."""

ROUNDING = 1e-14
"""Share of a column's squares that is no spread but rounding."""


@dataclass(frozen=True, eq=False)
class Fit:
    """One straight line: weights by feature, intercept, R², its answer for the case, its loss."""

    weights: Floats
    intercept: float
    r2: float
    prediction: float
    loss: float


def products(left: Floats, right: Floats) -> Floats:
    """Multiply two wide tables of shape ``(n_columns, n_rows)``, column by column.

    Notes
    -----
    Piece by piece, so that the linear algebra library takes each piece on one thread: on a busy
    machine its threads wait for one another ten times longer than they work, and the sum must
    not depend on their number.
    """
    step = max(1, ONE_THREAD // len(left) ** 2)
    found = np.zeros((len(left), len(left)))
    for start in range(0, left.shape[1], step):
        found += left[:, start : start + step] @ right[:, start : start + step].T
    return found


def sums(coding: Floats, answers: Floats, proximity: Floats) -> Floats:
    """Sum up all that a weighted fit needs.

    Parameters
    ----------
    coding
        Features as 0 or 1, shape ``(n_rows, n_features)``.
    answers
        What the model said, shape ``(n_rows,)``.
    proximity
        Weight of each row, at least 0, shape ``(n_rows,)``.

    Returns
    -------
    Floats
        Weighted sums of products of the columns features, answer and 1, shape
        ``(n_features + 2, n_features + 2)``.
    """
    columns = np.vstack([coding.T, answers, np.ones(len(answers))])
    return products(columns * proximity, columns)


def ridge(totals: Floats, alpha: float, *, middle: float = 0.0) -> Fit:
    """Fit a ridge regression whose intercept is free.

    Parameters
    ----------
    totals
        The table of `sums`.
    alpha
        Ridge penalty on the weights, above 0.
    middle
        What was taken from every answer before summing.

    Returns
    -------
    Fit
        `prediction` is the line's answer where every feature is 1: the case itself. `r2` is at
        most 1, and 0 where all answers are the same. `loss` is the weighted squared error.

    Source
    ------
    Hoerl and Kennard (1970); normal equations of the centred columns.

    Examples
    --------
    >>> coding, answers = np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([1.0, 3.0, 1.0, 3.0])
    >>> line = ridge(sums(coding, answers, np.ones(4)), 1e-12)
    >>> line.weights.round(9).tolist(), round(line.prediction, 9), round(line.r2, 9)
    ([2.0], 3.0, 1.0)
    """
    gram, slopes, spread, means, answer = _centred(totals)
    weights: Floats = np.linalg.solve(gram + alpha * np.eye(len(gram)), slopes).astype(np.float64)
    loss = max(0.0, spread - 2 * float(weights @ slopes) + float(weights @ gram @ weights))
    intercept = middle + answer - float(means @ weights)
    return Fit(
        weights=weights,
        intercept=intercept,
        r2=1 - loss / spread if spread > 0 else 0.0,
        prediction=intercept + float(weights.sum()),
        loss=loss,
    )


def forward(totals: Floats) -> list[tuple[int, float]]:
    """Add feature after feature, each time the one that explains most of what is left.

    Parameters
    ----------
    totals
        The table of `sums`.

    Returns
    -------
    list
        Every feature's place with the R² (least squares, in ``[0, 1]``) reached with it; never
        falling. Features that add nothing come last, in their own order.

    Source
    ------
    Forward selection by sweeping the table of centred products (Goodnight, 1979).

    Examples
    --------
    >>> coding = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> forward(sums(coding, coding @ [1.0, 3.0], np.ones(4)))
    [(1, 0.9), (0, 1.0)]
    """
    gram, slopes, spread, _, _ = _centred(totals)
    table = np.block([[gram, slopes[:, None]], [slopes[None, :], np.array([[spread]])]])
    left, reached = list(range(len(gram))), 0.0
    path: list[tuple[int, float]] = []
    whole = np.diag(gram).copy()
    while left:
        gains = np.array([_gain(table, whole, j) for j in left])
        best = int(np.argmax(gains))
        if gains[best] <= LEAST_GAIN * spread:
            return path + [(j, reached) for j in left]
        place = left.pop(best)
        _sweep(table, place)
        reached = max(reached, min(1.0, float(round(1 - table[-1, -1] / spread, 12))))
        path.append((place, reached))
    return path


def _centred(totals: Floats) -> tuple[Floats, Floats, float, Floats, float]:
    """Take the weighted means out: products of features, with answers, of answers, and means."""
    whole = totals[-1, -1]
    means = totals[:-1, -1] / whole
    centred = totals[:-1, :-1] - whole * np.outer(means, means)
    still = np.flatnonzero(np.diag(centred)[:-1] <= ROUNDING * whole)
    centred[still, :] = centred[:, still] = 0.0
    spread, slopes = float(centred[-1, -1]), centred[:-1, -1]
    if spread <= ROUNDING * totals[-2, -2]:
        spread, slopes = 0.0, np.zeros_like(slopes)
    return centred[:-1, :-1], slopes, spread, means[:-1], float(means[-1])


def _gain(table: Floats, whole: Floats, place: int) -> float:
    """Say how much of the answers' spread one more feature explains; copies explain nothing."""
    own = float(table[place, place])
    return float(table[place, -1]) ** 2 / own if own > 1e-9 * max(whole[place], 1e-9) else 0.0


def _sweep(table: Floats, place: int) -> None:
    """Take one feature out of all the others, in place."""
    column = table[:, place].copy()
    table -= np.outer(column, column) / column[place]
