"""LIME close to one row: most features stay, the others come together from one known row."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hitl import models
from hitl.explain.fitting import Fit, ridge, sums
from hitl.explain.levels import (
    Background,
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
Places = npt.NDArray[np.intp]

KEEP = 0.9
"""Chance that a feature stays as it is; the others come together from one background row."""

SAMPLES = 1_500
SEEDS = (0, 1, 2, 3, 4)
ALPHA = 0.1
"""Ridge penalty: small beside the 1,500 samples, enough for a column that never changes."""

OTHERS = 200
"""Background rows whose values take the place of a deleted feature's."""


def local_lime(
    scorer: Scorer,
    row: Rows,
    background: Rows | Background,
    *,
    seeds: Sequence[int] = SEEDS,
    samples: int = SAMPLES,
    keep: float = KEEP,
    contributions: Floats | None = None,
) -> Surrogate:
    """Explain one row by a straight line through its own neighbourhood, in log-odds.

    Parameters
    ----------
    scorer
        The model.
    row
        The row: a table of one row, or encoded, shape ``(n_features,)``.
    background
        Known rows: a table, encoded rows of shape ``(n_rows, n_features)``, or a prepared
        background, which is the quickest for many rows.
    seeds
        One sample per seed; the model is asked once for all of them together.
    samples
        Samples per seed, the row itself included, at least 2.
    keep
        Chance that a feature keeps the row's value, in ``(0, 1)``.
    contributions
        The model's own contributions, shape ``(n_features,)``, to compare with.

    Returns
    -------
    Surrogate
        ``method`` ``"lime-local"``, in log-odds, the mean over seeds; `local_prediction` is the
        line's log-odds turned into a probability.

    Raises
    ------
    EmptyDataError
        If the background has no rows.
    FeatureMismatchError
        If row or background do not fit the model.
    ValueError
        If it is not exactly one row, there is no seed, `samples` is below 2 or `keep` is not
        between 0 and 1.

    Notes
    -----
    A variant, not stock LIME, in five points: (1) each feature keeps the row's value with chance
    `keep`; (2) the others come jointly from one background row, so what belongs together stays
    together; (3) the target is the log-odds; (4) all samples count alike; (5) the ridge penalty
    is 0.1 and takes in all features. A feature is coded 1 where it kept its value or fell into
    the same level.

    Source
    ------
    After Ribeiro, Singh and Guestrin (2016); sampling changed as said.
    """
    known, one = prepare(scorer, background), single(scorer, row)
    if not seeds or samples < 2 or not 0 < keep < 1:
        raise ValueError(
            f"{len(seeds)} seeds, {samples} samples and keep {keep}: there must be at least one "
            "seed, two samples, and keep between 0 and 1."
        )
    own = levels_of(known, one[None, :])[0]
    drawn = [around(known, one, seed=seed, samples=samples, keep=keep) for seed in seeds]
    odds = scorer.odds(np.concatenate([values for values, _ in drawn])).reshape(len(seeds), -1)
    near = np.ones(samples)
    fits = [
        ridge(sums(coding, answers, near), ALPHA)
        for (_, coding), answers in zip(drawn, odds, strict=True)
    ]
    shown = mean_fit(fits)
    return judged(
        fits,
        shown=shown,
        method="lime-local",
        unit="log-odds",
        conditions=conditions(known, one, own, unseen_names(scorer, row)[0]),
        local_prediction=probability(shown.prediction),
        model_prediction=probability(float(odds[0, 0])),
        contributions=contributions,
        spread=float(odds.max() - odds.min()),
        kernel_width=None,
        samples=samples,
        seeds=seeds,
    )


def around(
    background: Background, row: Floats, *, seed: int, samples: int, keep: float = KEEP
) -> tuple[Floats, Floats]:
    """Draw samples close to a row; the first is the row itself.

    Parameters
    ----------
    background
        Where changed values come from.
    row
        Encoded row, shape ``(n_features,)``.
    seed, samples, keep
        As in `local_lime`.

    Returns
    -------
    tuple
        Encoded rows, and 1 where a feature kept its value or its level, else 0; both of shape
        ``(samples, n_features)``.
    """
    rng = np.random.default_rng(seed)
    kept = rng.random((samples, len(row))) < keep
    kept[0] = True
    donors = rng.integers(0, len(background.values), samples)
    values = np.where(kept, row, background.values[donors])
    own = levels_of(background, row[None, :])[0]
    return values, (kept | (background.levels[donors] == own)).astype(np.float64)


def deletion(
    scorer: Scorer,
    values: Rows,
    background: Rows | Background,
    tops: Places,
    *,
    seed: int,
    others: int = OTHERS,
) -> Floats:
    """Measure reasons without believing any method: swap the named features and ask again.

    Parameters
    ----------
    scorer
        The model.
    values
        Rows: a table, or encoded rows of shape ``(n_rows, n_features)``.
    background
        Known rows whose values take the features' place, all features of one row together.
    tops
        Places of the features to swap, shape ``(n_rows, k)``; −1 stands for none.
    seed
        Seed of the draw of background rows, the same for every row.
    others
        Number of background rows.

    Returns
    -------
    Floats
        Mean fall of each row's log-odds, shape ``(n_rows,)``; below 0 where they rise.

    Examples
    --------
    >>> line = Scorer("line", ("x", "y"), lambda rows: rows.to_numpy(float), lambda v: v[:, 0], 0.5)
    >>> deletion(line, np.array([[3.0, 9.0]]), np.zeros((4, 2)), np.array([[0]]), seed=0).tolist()
    [3.0]
    """
    rows, known = encoded(scorer, values), prepare(scorer, background)
    rng = np.random.default_rng(seed)
    donors = known.values[rng.integers(0, len(known.values), others)]
    falls = np.empty(len(rows))
    before = scorer.odds(rows)
    for i, row in enumerate(rows):
        swapped = np.tile(row, (others, 1))
        places = [int(j) for j in tops[i] if j >= 0]
        swapped[:, places] = donors[:, places]
        falls[i] = before[i] - scorer.odds(swapped).mean()
    return falls


def positive_tops(weights: Floats, k: int) -> Places:
    """Name the k features that speak most for the positive class; −1 where there are fewer.

    Parameters
    ----------
    weights
        Weights or contributions, shape ``(n_rows, n_features)``.
    k
        How many, at least 1.

    Examples
    --------
    >>> positive_tops(np.array([[0.1, -3.0, 2.0]]), 3).tolist()
    [[2, 0, -1]]
    """
    order = np.argsort(-weights, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(weights, order, axis=1) > 0, order, -1)


def single(scorer: Scorer, row: Rows) -> Floats:
    """Encode exactly one row, shape ``(n_features,)``."""
    rows = encoded(scorer, row)
    if len(rows) != 1:
        raise ValueError(f"LIME explains one row; {len(rows)} were given.")
    return np.asarray(rows[0], dtype=np.float64)


def mean_fit(fits: Sequence[Fit]) -> Fit:
    """Average lines; the mean line answers with the mean of their answers."""
    return Fit(
        weights=np.mean([fit.weights for fit in fits], axis=0),
        intercept=float(np.mean([fit.intercept for fit in fits])),
        r2=float(np.mean([fit.r2 for fit in fits])),
        prediction=float(np.mean([fit.prediction for fit in fits])),
        loss=float(np.mean([fit.loss for fit in fits])),
    )


def probability(log_odds: float) -> float:
    """Turn one log-odds into a probability."""
    return float(models.sigmoid(np.array([log_odds]))[0])
