"""How one LIME explanation was made: its samples, their weights, the fit, and what size buys."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import models
from hitl.errors import InputError
from hitl.explain import local, surrogates
from hitl.explain.fitting import forward, ridge, sums
from hitl.explain.levels import (
    Background,
    Rows,
    conditions,
    decoded,
    levels_of,
    prepare,
    unseen_names,
)
from hitl.explain.scorers import Scorer
from hitl.explain.trust import TOP, heaviest

Floats = npt.NDArray[np.float64]
Shown = dict[str, float | str | None]

METHODS = ("lime", "lime-local")
WIDTHS = (0.15, 0.25, 0.5, 0.75, 1.5)
"""Kernel widths to try, in square roots of the number of features; the package takes 0.75."""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """All samples of one explanation; the first is the case itself.

    Parameters
    ----------
    values
        Encoded rows that the model was asked about, shape ``(samples, n_features)``.
    coding
        1 where a feature is as in the case, else 0; same shape.
    answers
        What the model said, in `unit`, shape ``(samples,)``.
    proximity
        How much each sample counts, in ``(0, 1]``, shape ``(samples,)``.
    unit
        ``"probability"`` or ``"log-odds"``.
    alpha
        Ridge penalty of the fit.
    width
        Kernel width; None where all samples count alike.
    """

    values: Floats
    coding: Floats
    answers: Floats
    proximity: Floats
    unit: str
    alpha: float
    width: float | None


@dataclass(frozen=True)
class Making:
    """The five steps of one explanation, in plain values.

    Parameters
    ----------
    method, unit, seed, samples
        As in `Surrogate`; one seed.
    case
        Step 1: the row, its original values by feature; None is missing.
    conditions
        What "as in the case" means for each feature, in words.
    rows
        Step 2: the first samples in original values, the case first.
    coding
        The same samples as the line sees them: 1 as in the case, 0 changed.
    answers
        What the model says of them, in `unit`.
    proximity
        Step 3: how much each counts, in ``(0, 1]``.
    weights, intercept, r2
        Step 4: the line fitted to all samples; `weights` by feature, heaviest first.
    kernel_width, alpha
        Width of the proximity kernel (None: all samples count alike) and ridge penalty.
    loss
        Weighted squared error of the line over all samples: L in the formula.
    complexity
        Number of features in the line: Ω in the formula.
    distances
        Median distance of the samples to the case by method, in standard deviations.
    """

    method: str
    unit: str
    seed: int
    samples: int
    case: Shown
    conditions: dict[str, str]
    rows: list[Shown]
    coding: list[dict[str, int]]
    answers: list[float]
    proximity: list[float]
    weights: dict[str, float]
    intercept: float
    r2: float
    kernel_width: float | None
    alpha: float
    loss: float
    complexity: int
    distances: dict[str, float]


def making(
    scorer: Scorer,
    row: Rows,
    background: Rows | Background,
    *,
    method: str,
    seed: int,
    samples: int | None = None,
    rows: int = 8,
) -> Making:
    """Show how an explanation was made, with the samples that were really used.

    Parameters
    ----------
    scorer
        The model.
    row
        The row: a table of one row, or encoded, shape ``(n_features,)``.
    background
        Known rows, as in `draw_sample` and `local_lime`.
    method
        ``"lime"`` or ``"lime-local"``.
    seed
        Seed of the samples: one of those of the explanation.
    samples
        Number of samples; by default the method's own.
    rows
        How many samples to show, at least 1.

    Returns
    -------
    Making
        The same seed and samples give the line of that explanation's seed.

    Raises
    ------
    EmptyDataError, FeatureMismatchError
        As in `draw_sample`.
    InputError
        If there is no such method.
    ValueError
        If it is not exactly one row, or `rows` is below 1.

    Source
    ------
    The five steps and the formula ``argmin L(f, g, π) + Ω(g)``: Ribeiro, Singh and Guestrin (2016).
    """
    if rows < 1:
        raise ValueError(f"rows is {rows}; it must be at least 1.")
    known, case = prepare(scorer, background), local.single(scorer, row)
    found = neighbourhood(scorer, case, known, method=method, seed=seed, samples=samples)
    fit = ridge(sums(found.coding, found.answers, found.proximity), found.alpha)
    names, unseen = scorer.features, unseen_names(scorer, row)[0]
    return Making(
        method=method,
        unit=found.unit,
        seed=seed,
        samples=len(found.values),
        case=decoded(known, case, unseen),
        conditions=conditions(known, case, levels_of(known, case[None, :])[0], unseen),
        rows=[decoded(known, values, unseen) for values in found.values[:rows]],
        coding=[
            {name: int(bit) for name, bit in zip(names, bits, strict=True)}
            for bits in found.coding[:rows]
        ],
        answers=found.answers[:rows].tolist(),
        proximity=found.proximity[:rows].tolist(),
        weights={names[j]: float(fit.weights[j]) for j in heaviest(fit.weights, len(names))},
        intercept=fit.intercept,
        r2=fit.r2,
        kernel_width=found.width,
        alpha=found.alpha,
        loss=fit.loss,
        complexity=len(names),
        distances=sample_distances(scorer, case, known, seed=seed, drawn={method: found.values}),
    )


def fidelity_by_size(
    scorer: Scorer,
    row: Rows,
    background: Rows | Background,
    *,
    method: str,
    seed: int,
    samples: int | None = None,
) -> pd.DataFrame:
    """Say how well a line with k features fits, for every k, on one fixed sample.

    Parameters
    ----------
    scorer, row, background, method, seed, samples
        As in `making`.

    Returns
    -------
    DataFrame
        Columns `k` (1 to the number of features), `feature` (the one that joins, the most useful
        first) and `r2` in ``[0, 1]``, never falling: each line holds all features of the one
        before.

    Raises
    ------
    EmptyDataError, FeatureMismatchError, InputError, ValueError
        As in `making`.

    Notes
    -----
    Least squares without a ridge penalty, so that more features never fit worse.
    """
    known, case = prepare(scorer, background), local.single(scorer, row)
    found = neighbourhood(scorer, case, known, method=method, seed=seed, samples=samples)
    path = forward(sums(found.coding, found.answers, found.proximity))
    lines = [(k, scorer.features[j], r2) for k, (j, r2) in enumerate(path, 1)]
    return pd.DataFrame(lines, columns=["k", "feature", "r2"])


def fidelity_by_width(
    scorer: Scorer,
    row: Rows,
    background: Rows | Background,
    *,
    seed: int,
    samples: int | None = None,
    widths: Sequence[float] = WIDTHS,
) -> pd.DataFrame:
    """Say what stock LIME would answer with other kernel widths, on one fixed sample.

    Parameters
    ----------
    scorer, row, background, seed, samples
        As in `making`.
    widths
        Kernel widths in square roots of the number of features, above 0.

    Returns
    -------
    DataFrame
        Columns `width`, `r2`, `local_prediction`, `effective` (how many equal samples the
        weighted ones are worth, from 1 up; a high R² on few proves nothing) and `top` (the five
        heaviest features, heaviest first).

    Raises
    ------
    EmptyDataError, FeatureMismatchError, InputError, ValueError
        As in `making`.

    Source
    ------
    Effective sample size: Kish (1965), squared sum of weights over sum of squares.
    """
    known, case = prepare(scorer, background), local.single(scorer, row)
    found = neighbourhood(scorer, case, known, method="lime", seed=seed, samples=samples)
    differing = found.coding.shape[1] - found.coding.sum(axis=1)
    lines = []
    for width in widths:
        near = surrogates.proximity(differing, width * float(np.sqrt(len(case))))
        fit = ridge(sums(found.coding, found.answers, near), found.alpha)
        effective = float(near.sum() ** 2 / (near**2).sum())
        top = [scorer.features[j] for j in heaviest(fit.weights, TOP)]
        lines.append((width, fit.r2, fit.prediction, effective, top))
    columns = ["width", "r2", "local_prediction", "effective", "top"]
    return pd.DataFrame(lines, columns=columns)


def neighbourhood(
    scorer: Scorer,
    case: Floats,
    background: Background,
    *,
    method: str,
    seed: int,
    samples: int | None = None,
) -> Neighbourhood:
    """Draw the samples of one explanation and ask the model; arguments as in `making`."""
    values, coding = _drawn(case, background, method=method, seed=seed, samples=samples)
    odds = scorer.odds(values)
    if method == "lime-local":
        return Neighbourhood(
            values, coding, odds, np.ones(len(values)), "log-odds", local.ALPHA, None
        )
    width = surrogates.kernel_width(len(case))
    near = surrogates.proximity(coding.shape[1] - coding.sum(axis=1), width)
    answers = models.sigmoid(odds)
    return Neighbourhood(values, coding, answers, near, "probability", surrogates.ALPHA, width)


def sample_distances(
    scorer: Scorer,
    row: Rows,
    background: Rows | Background,
    *,
    seed: int,
    drawn: dict[str, Floats] | None = None,
) -> dict[str, float]:
    """Say how far from the case each method looks.

    Parameters
    ----------
    scorer, row, background, seed
        As in `making`.
    drawn
        Samples that were drawn already, by method.

    Returns
    -------
    dict
        By method the median Euclidean distance of the samples to the case, at least 0: numbers
        in standard deviations of the background, a changed category or a value missing on one
        side counts 1, a column that never changes counts nothing.
    """
    known, case = prepare(scorer, background), local.single(scorer, row)
    found = {}
    for method in METHODS:
        values = (drawn or {}).get(method)
        if values is None:
            values, _ = _drawn(case, known, method=method, seed=seed, samples=None)
        found[method] = float(np.median(_distances(known, case, values[1:])))
    return found


def _drawn(
    case: Floats, background: Background, *, method: str, seed: int, samples: int | None
) -> tuple[Floats, Floats]:
    """Draw a method's samples, the case first, with their coding."""
    if method == "lime-local":
        return local.around(background, case, seed=seed, samples=samples or local.SAMPLES)
    if method != "lime":
        raise InputError(f"There is no method {method!r}.", f"Choose one of: {', '.join(METHODS)}.")
    values, drawn = surrogates.spread_out(
        background, seed=seed, samples=samples or surrogates.SAMPLES
    )
    coding = (drawn == levels_of(background, case[None, :])[0]).astype(np.float64)
    return np.vstack([case, values]), np.vstack([np.ones(len(case)), coding])


def _distances(background: Background, case: Floats, values: Floats) -> Floats:
    """Measure how far rows lie from the case, in standard deviations of the background."""
    gaps = (values != case).astype(np.float64)  # categories, and what is missing on one side
    gaps[np.isnan(values) & np.isnan(case)] = 0.0
    for j, column in enumerate(background.columns):
        both = ~np.isnan(values[:, j]) & ~np.isnan(case[j])
        if column and both.any():
            spread = float(np.nanstd(background.values[:, j])) or np.inf
            gaps[both, j] = (values[both, j] - case[j]) / spread
    return np.asarray(np.sqrt((gaps**2).sum(axis=1)), dtype=np.float64)
