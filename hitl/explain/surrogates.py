"""LIME for a whole queue: one shared sample, and for each case the stock package's own numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hitl.explain.fitting import Fit, products, ridge
from hitl.explain.levels import (
    MISSING,
    Background,
    Column,
    Levels,
    Rows,
    conditions,
    encoded,
    levels_of,
    prepare,
    unseen_names,
)
from hitl.explain.scorers import Scorer
from hitl.explain.trust import Surrogate, judged

Floats = npt.NDArray[np.float64]

SAMPLES = 5_000
ALPHA = 1.0
"""Ridge penalty of the lime package."""

WIDTH = 0.75
"""Kernel width in square roots of the number of features: the lime package's default."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Perturbed rows and what the model says of them; they serve every case.

    Parameters
    ----------
    scorer
        Name of the model that answered.
    background
        What the rows were drawn from.
    seed
        Seed of the draw.
    values
        Encoded rows, shape ``(samples - 1, n_features)``; the case itself is the first sample.
    levels
        Level of every value, same shape.
    answers
        The model's probabilities, shape ``(samples - 1,)``.
    """

    scorer: str
    background: Background
    seed: int
    values: Floats
    levels: Levels
    answers: Floats

    @property
    def samples(self) -> int:
        """Number of samples, the case itself included."""
        return len(self.values) + 1


def draw_sample(
    scorer: Scorer, background: Rows | Background, *, seed: int, samples: int = SAMPLES
) -> Sample:
    """Draw the perturbed rows that a fresh stock explainer with this seed would draw.

    Parameters
    ----------
    scorer
        The model.
    background
        Known rows: a table, encoded rows of shape ``(n_rows, n_features)``, or a prepared
        background.
    seed
        Seed, from 0 to 2³² − 1.
    samples
        Number of samples, the case itself included, at least 2.

    Returns
    -------
    Sample
        Rows whose features are drawn one by one: a level by its share of the background, then a
        number from the normal curve of that level, cut off at its edges. They depend on no case.

    Raises
    ------
    EmptyDataError
        If the background has no rows.
    FeatureMismatchError
        If the background lacks a feature.
    ValueError
        If `samples` is below 2.

    Notes
    -----
    Where the background has no missing value, these are to the last bit the rows of
    ``LimeTabularExplainer(background, random_state=seed)`` in its first explanation, of whatever
    case, one oddity included: in a level that holds a single value the package draws 0. A
    missing value is a level of its own, which the package does not know.
    """
    known = prepare(scorer, background)
    values, drawn = spread_out(known, seed=seed, samples=samples)
    return Sample(scorer.name, known, seed, values, drawn, scorer.probabilities(values))


def spread_out(background: Background, *, seed: int, samples: int) -> tuple[Floats, Levels]:
    """Draw the rows of `draw_sample` and their levels without asking a model.

    Returns
    -------
    tuple
        Encoded rows and levels, both of shape ``(samples - 1, n_features)``.
    """
    if samples < 2:
        raise ValueError(f"samples is {samples}; it must be at least 2.")
    random = np.random.RandomState(seed)
    drawn = np.column_stack([_choice(random, own, samples) for own in background.levels.T])[1:]
    columns = [_inside(random, column, drawn[:, j]) for j, column in enumerate(background.columns)]
    return np.column_stack(columns), drawn


def shared_lime(
    scorer: Scorer,
    values: Rows,
    samples: Sequence[Sample],
    contributions: Floats | None = None,
) -> list[Surrogate]:
    """Explain every row of a queue by LIME on samples drawn once.

    Parameters
    ----------
    scorer
        The model.
    values
        Rows to explain: a table, or encoded rows of shape ``(n_rows, n_features)``, which do not
        tell what a category is called that the model never saw.
    samples
        Samples of `draw_sample`, all of one size. The first gives the weights that are shown;
        the others, drawn with other seeds, give the band and the stability.
    contributions
        The model's own contributions, shape ``(n_rows, n_features)``, to compare with.

    Returns
    -------
    list of Surrogate
        One per row, in units of probability, ``method`` ``"lime"``.

    Raises
    ------
    FeatureMismatchError
        If the rows do not fit the model.
    ValueError
        If there is no sample, or a sample is another model's, background's or size.

    Notes
    -----
    Weights, intercept, R² and prediction are those of the `lime` package (quartile bins, default
    kernel, all features, ridge penalty 1) fed the same sample. Its samples spread over the whole
    background, not around the case: on rare classes expect a poor R², and the verdict says so.

    Source
    ------
    Ribeiro, Singh and Guestrin (2016), "Why should I trust you?" Explaining the predictions of
    any classifier; the samples do not depend on the case, so they are drawn and scored once.
    """
    _check(scorer, samples)
    rows = encoded(scorer, values)
    if not len(rows):
        return []
    answers = scorer.probabilities(rows)
    first = samples[0]
    own = levels_of(first.background, rows)
    tables = [_fits(sample, own, answers) for sample in samples]
    ends = [(sample.answers.min(), sample.answers.max()) for sample in samples]
    least, most = min(low for low, _ in ends), max(high for _, high in ends)
    names, found = unseen_names(scorer, values), []
    for i, row in enumerate(rows):
        fits = [table[i] for table in tables]
        surrogate = judged(
            fits,
            shown=fits[0],
            method="lime",
            unit="probability",
            conditions=conditions(first.background, row, own[i], names[i]),
            local_prediction=fits[0].prediction,
            model_prediction=float(answers[i]),
            contributions=None if contributions is None else contributions[i],
            spread=float(max(most, answers[i]) - min(least, answers[i])),
            kernel_width=kernel_width(len(scorer.features)),
            samples=first.samples,
            seeds=[sample.seed for sample in samples],
        )
        found.append(surrogate)
    return found


def kernel_width(n_features: int) -> float:
    """Return the stock kernel's width for a number of features."""
    return WIDTH * float(np.sqrt(n_features))


def proximity(differing: Floats, width: float) -> Floats:
    """Weigh samples by how many features differ from the case; none is 1."""
    return np.asarray(np.sqrt(np.exp(-differing / width**2)), dtype=np.float64)


def _fits(sample: Sample, own: Levels, answers: Floats) -> list[Fit]:
    """Fit one line per row; the same two tables are filled anew for each."""
    n_features = own.shape[1]
    nearness = proximity(np.arange(n_features + 1.0), kernel_width(n_features))
    by_feature = np.ascontiguousarray(sample.levels.T)
    middle = float(sample.answers.mean())
    table = np.ones((n_features + 2, sample.samples))
    table[-2, 1:] = sample.answers - middle
    scaled = np.empty_like(table)
    found = []
    for level, answer in zip(own, answers, strict=True):
        same = by_feature == level[:, None]
        table[:-2, 1:] = same
        table[-2, 0] = answer - middle
        scale = nearness[n_features - same.sum(axis=0, dtype=np.int16)]
        np.multiply(table, np.append(1.0, scale), out=scaled)
        found.append(ridge(products(scaled, table), ALPHA, middle=middle))
    return found


def _choice(random: np.random.RandomState, column: Levels, samples: int) -> Levels:
    """Draw levels by their shares, with the numbers the lime package would take."""
    kinds, counts = np.unique(column, return_counts=True)
    shares = counts / float(counts.sum())
    return np.asarray(random.choice(kinds, size=samples, replace=True, p=shares), dtype=np.int16)


def _inside(random: np.random.RandomState, column: Column | None, drawn: Levels) -> Floats:
    """Draw a number inside each level."""
    from scipy.stats import truncnorm

    found = drawn.astype(np.float64)
    found[drawn == MISSING] = np.nan
    if column is None:
        return found
    places = np.flatnonzero(drawn != MISSING)
    level = drawn[places]
    means, spreads = column.means[level], column.spreads[level]
    low, high = (column.lowest[level] - means) / spreads, (column.highest[level] - means) / spreads
    wide = low != high
    found[places] = low
    if wide.any():
        found[places[wide]] = truncnorm.rvs(
            low[wide], high[wide], loc=means[wide], scale=spreads[wide], random_state=random
        )
    return found


def _check(scorer: Scorer, samples: Sequence[Sample]) -> None:
    if not samples:
        raise ValueError("There is no sample; draw one with draw_sample.")
    others = [sample.scorer for sample in samples if sample.scorer != scorer.name]
    if others:
        raise ValueError(f"A sample was drawn for {others[0]}, not for {scorer.name}.")
    first = samples[0]
    for sample in samples[1:]:
        same = sample.background is first.background or np.array_equal(
            sample.background.values, first.background.values, equal_nan=True
        )
        if not same or sample.samples != first.samples:
            raise ValueError("The samples differ in background or size.")
