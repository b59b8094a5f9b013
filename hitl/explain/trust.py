"""How far to trust a straight-line stand-in for the model around one row (LIME)."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hitl.explain.fitting import Fit

Floats = npt.NDArray[np.float64]

TOP = 5
"""Features that are compared between seeds, and with the contributions."""

GOOD_R2 = 0.6
WEAK_R2 = 0.3
GOOD_GAP = 0.15
WEAK_GAP = 0.2
"""Probability by which the stand-in may miss the model's own answer for the row."""

GOOD_STABILITY = 0.65
"""Two seeds that share four of their five heaviest features have 4/6, which is enough."""

FLAT_SPREAD = 1e-6
"""Answers that differ by less than this explain nothing."""


@dataclass(frozen=True)
class Surrogate:
    """A straight-line stand-in for the model around one row, and how far to trust it.

    Parameters
    ----------
    method
        ``"lime"`` (the lime package's own sample and fit) or ``"lime-local"`` (our variant).
    unit
        Unit of `weights`, `low`, `high`, `intercept` and `spread`: ``"probability"`` or
        ``"log-odds"``.
    weights
        By feature, heaviest first; what it is worth that the feature is in the row's own level.
        Those of the first seed for ``"lime"``, the mean over seeds for ``"lime-local"``.
    conditions
        What the row's own level is, in words, by feature.
    low, high
        Least and greatest weight over the seeds, by feature.
    intercept
        With the weights it adds up to the stand-in's answer for the row, in `unit`.
    r2
        Share of the model's answers' spread that the line explains, at most 1: of the first seed
        for ``"lime"``, the mean over seeds for ``"lime-local"``.
    local_prediction
        The stand-in's own probability; a line on probabilities may leave ``[0, 1]``.
    model_prediction
        The model's probability, in ``[0, 1]``.
    stability
        Mean share, in ``[0, 1]``, that the five heaviest features of two seeds have in common
        (Jaccard); None for a single seed, which cannot tell.
    shap_overlap
        Share of the five largest contributions that are among the five heaviest weights.
    sign_agreement
        Share of the five largest contributions whose weight has the same sign. Both are None
        without contributions.
    spread
        Largest less smallest answer of the model over the samples.
    kernel_width
        Width of the proximity kernel; None where all samples count alike.
    samples
        Rows per seed, the row itself included.
    seeds
        Seeds of the samples.
    kept
        Number of features in the line: its complexity.
    verdict
        ``"good"``, ``"weak"`` or ``"do not use"``.
    why
        What the verdict rests on, in one plain sentence.
    """

    method: str
    unit: str
    weights: dict[str, float]
    conditions: dict[str, str]
    low: dict[str, float]
    high: dict[str, float]
    intercept: float
    r2: float
    local_prediction: float
    model_prediction: float
    stability: float | None
    shap_overlap: float | None
    sign_agreement: float | None
    spread: float
    kernel_width: float | None
    samples: int
    seeds: tuple[int, ...]
    kept: int
    verdict: str
    why: str

    @property
    def is_flat(self) -> bool:
        """Whether the model gave every sample the same answer."""
        return self.spread < FLAT_SPREAD


def judged(
    fits: Sequence[Fit],
    *,
    shown: Fit,
    method: str,
    unit: str,
    conditions: Mapping[str, str],
    local_prediction: float,
    model_prediction: float,
    contributions: Floats | None,
    spread: float,
    kernel_width: float | None,
    samples: int,
    seeds: Sequence[int],
) -> Surrogate:
    """Put the fits of all seeds together and judge them; fields as in `Surrogate`.

    Parameters
    ----------
    fits
        One per seed.
    shown
        The line whose weights, intercept and R² are shown.
    contributions
        The model's own, shape ``(n_features,)``, or nothing.
    """
    names = list(conditions)
    if spread < FLAT_SPREAD:  # what is left is rounding: no bars for it
        nothing = np.zeros(len(names))
        shown = replace(shown, weights=nothing, intercept=shown.prediction, r2=0.0)
        fits = [shown for _ in fits]
    table = np.array([fit.weights for fit in fits])
    low, high = table.min(axis=0), table.max(axis=0)
    order = heaviest(shown.weights, len(names))
    overlap, signs = agreement(shown.weights, contributions)
    stability = seed_stability(table)
    verdict, why = verdict_of(shown.r2, local_prediction, model_prediction, stability, spread)
    return Surrogate(
        method=method,
        unit=unit,
        weights={names[j]: float(shown.weights[j]) for j in order},
        conditions=dict(conditions),
        low={names[j]: float(low[j]) for j in order},
        high={names[j]: float(high[j]) for j in order},
        intercept=shown.intercept,
        r2=shown.r2,
        local_prediction=local_prediction,
        model_prediction=model_prediction,
        stability=stability,
        shap_overlap=overlap,
        sign_agreement=signs,
        spread=spread,
        kernel_width=kernel_width,
        samples=samples,
        seeds=tuple(seeds),
        kept=len(names),
        verdict=verdict,
        why=why,
    )


def heaviest(weights: Floats, k: int) -> list[int]:
    """Give the places of the k heaviest weights, heaviest first, equals in their own order."""
    return [int(j) for j in np.argsort(-np.abs(weights), kind="stable")[:k]]


def seed_stability(weights: Floats) -> float | None:
    """Say how much the heaviest features of two seeds have in common, on average.

    Parameters
    ----------
    weights
        One line per seed, shape ``(n_seeds, n_features)``.

    Returns
    -------
    float or None
        Mean Jaccard index over all pairs of seeds, in ``[0, 1]``; None for a single seed. A
        weight of exactly 0 is not among the heaviest.

    Examples
    --------
    >>> seed_stability(np.array([[1.0, 2.0], [3.0, 1.0]])), seed_stability(np.ones((1, 2)))
    (1.0, None)
    """
    if len(weights) < 2:
        return None
    tops = [{j for j in heaviest(line, TOP) if line[j]} for line in weights]
    shares = [
        len(one & other) / len(one | other) if one | other else 1.0
        for one, other in itertools.combinations(tops, 2)
    ]
    return sum(shares) / len(shares)


def agreement(weights: Floats, contributions: Floats | None) -> tuple[float | None, float | None]:
    """Compare a line with the model's own contributions by rank and sign, never by size.

    Returns
    -------
    tuple
        Of the five largest contributions: the share among the five heaviest weights, and the
        share whose sign agrees (contributions of 0 have none); None where there is nothing to
        compare.

    Examples
    --------
    >>> agreement(np.array([1.0, -2.0]), np.array([0.5, 0.1]))
    (1.0, 0.5)
    """
    if contributions is None:
        return None, None
    largest = heaviest(contributions, TOP)
    shared = len(set(largest) & set(heaviest(weights, TOP)))
    signed = [j for j in largest if contributions[j]]
    same = sum(bool(weights[j] * contributions[j] > 0) for j in signed)
    return shared / len(largest), same / len(signed) if signed else None


def verdict_of(
    r2: float, local: float, model: float, stability: float | None, spread: float
) -> tuple[str, str]:
    """Judge a line by its fit, by its own answer for the row, and by its seeds.

    Parameters
    ----------
    r2, local, model, stability, spread
        As in `Surrogate`.

    Returns
    -------
    tuple
        ``"good"``, ``"weak"`` or ``"do not use"``, and one sentence that says why.

    Examples
    --------
    >>> verdict_of(0.8, 0.85, 0.9, 0.8, 3.0)[0], verdict_of(0.1, 0.85, 0.9, 0.8, 3.0)[0]
    ('good', 'do not use')
    """
    if spread < FLAT_SPREAD:
        return "do not use", "No single feature changes the model's answer."
    gap, share = abs(local - model), f"{int(100 * max(0.0, r2))} %"
    apart = f"it is off by {gap:.2f} in probability for this very case"
    if r2 < WEAK_R2:
        return "do not use", f"It explains only {share} of how the model's answers vary."
    if gap > WEAK_GAP:
        return "do not use", f"{apart[0].upper()}{apart[1:]}."
    doubts = {
        f"it explains only {share} of how the model's answers vary": r2 < GOOD_R2,
        apart: gap > GOOD_GAP,
        "another seed names other features": stability is not None and stability < GOOD_STABILITY,
    }
    found = "; ".join(doubt for doubt, holds in doubts.items() if holds)
    if found:
        return "weak", f"{found[0].upper()}{found[1:]}."
    return "good", f"It explains {share} of how the model's answers vary and meets its answer here."
