"""From raw scores to probabilities at natural prevalence, and to a threshold from a budget."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hitl.errors import DivergedModelError

Floats = npt.NDArray[np.float64]
_WEAK_PENALTY = 1e4
_ROUNDING = 1e-9
"""Scores that differ by less than this are equal but for how they were added up."""


@dataclass(frozen=True)
class Budgeted:
    """A threshold and what it rests on."""

    threshold: float
    share: float
    rows: int


def platt(raw: Floats, truth: Floats, weight: Floats) -> tuple[float, float]:
    """Fit slope and intercept so that log-odds are ``slope * raw + intercept``.

    Parameters
    ----------
    raw
        Out-of-fold raw scores, shape ``(n_rows,)``.
    truth
        Labels 0 or 1, shape ``(n_rows,)``.
    weight
        Original rows each row stands for, shape ``(n_rows,)``, > 0.

    Returns
    -------
    tuple
        Slope (> 0) and intercept.

    Raises
    ------
    DivergedModelError
        If the scores do not rise with the label.

    References
    ----------
    Platt (1999), probabilistic outputs for support vector machines.
    """
    from sklearn.linear_model import LogisticRegression

    middle, spread = float(np.mean(raw)), float(np.std(raw))
    slope = intercept = 0.0
    if spread > _ROUNDING * max(1.0, abs(middle)):
        line = LogisticRegression(C=_WEAK_PENALTY, solver="newton-cholesky", max_iter=200, tol=1e-8)
        line.fit(((raw - middle) / spread)[:, None], truth, sample_weight=weight)
        slope = float(line.coef_[0, 0]) / spread
        intercept = float(line.intercept_[0]) - slope * middle
    if slope <= 0:
        raise DivergedModelError(
            f"Scores of rows not seen in training do not rise with the label (slope {slope:.3g}).",
            "Give more labelled rows, or features that tell the classes apart.",
        )
    return slope, intercept


def threshold_for(probability: Floats, weight: Floats, budget: float) -> Budgeted:
    """Find the smallest threshold that flags at most a share of legitimate rows.

    Parameters
    ----------
    probability
        Out-of-fold probabilities of legitimate rows, shape ``(n_rows,)``.
    weight
        Original rows each row stands for, shape ``(n_rows,)``.
    budget
        Largest weighted share with ``probability >= threshold``, in ``(0, 1)``.

    Returns
    -------
    Budgeted
        The threshold (with equal weights and k affordable rows the k-th largest probability),
        the share it flags and the number of rows it rests on. If not one row is affordable,
        a threshold just above the largest probability, resting on 0 rows.

    Examples
    --------
    >>> threshold_for(np.array([0.1, 0.2, 0.3, 0.9]), np.ones(4), 0.5)
    Budgeted(threshold=0.3, share=0.5, rows=2)
    """
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    shares = np.cumsum(weight[order]) / np.sum(weight)
    ends = np.append(falling[1:] != falling[:-1], True)
    fits = np.flatnonzero(ends & (shares <= budget + 1e-12))
    if not len(fits):
        return Budgeted(float(np.nextafter(falling[0], np.inf)), 0.0, 0)
    last = int(fits[-1])
    return Budgeted(float(falling[last]), float(shares[last]), last + 1)
