"""How far today's scores and features have moved from a reference."""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import EmptyDataError, MissingValuesError

Floats = npt.NDArray[np.float64]
PARTS = ("reference", "window")


@dataclass(frozen=True)
class KS:
    """Result of a two-sample Kolmogorov-Smirnov test with the sizes it rests on."""

    statistic: float
    p_value: float
    n_reference: int
    n_window: int


def ks(reference: npt.ArrayLike, window: npt.ArrayLike) -> KS:
    """Measure the largest gap between two cumulative distributions.

    Parameters
    ----------
    reference
        Values of one feature or score in the past, any unit, shape ``(n_reference,)``.
    window
        Values of the same quantity now, same unit, shape ``(n_window,)``.

    Returns
    -------
    KS
        `statistic` in ``[0, 1]``: 0 is the same distribution, 1 no overlap at all. `p_value` in
        ``[0, 1]``: how often two samples of one distribution would lie at least this far apart.

    Raises
    ------
    EmptyDataError
        If one of the samples has no values.
    MissingValuesError
        If a value is missing or infinite.

    Notes
    -----
    The p-value is exact while both samples have at most 10,000 values and asymptotic above.
    With many values a gap nobody would care about has a small p-value: read the statistic too.

    References
    ----------
    Hodges (1958), the significance probability of the Smirnov two-sample test.

    Examples
    --------
    >>> ks([1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0]).statistic
    0.5
    """
    from scipy.stats import ks_2samp

    before, now = _sample(reference, "reference"), _sample(window, "window")
    with warnings.catch_warnings():
        # Where the exact p-value is 1, rounding can lift it above 1; scipy then warns and takes the
        # asymptotic one, which is what we want.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful")
        result = ks_2samp(before, now)
    return KS(float(result.statistic), float(result.pvalue), len(before), len(now))


def density(
    reference: npt.ArrayLike,
    window: npt.ArrayLike,
    bins: int = 30,
    *,
    reference_weight: npt.ArrayLike | None = None,
    window_weight: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Count both samples in the same bins, so that they can be drawn on one axis.

    Parameters
    ----------
    reference
        Values of one feature or score in the past, any unit, shape ``(n_reference,)``.
    window
        Values of the same quantity now, same unit, shape ``(n_window,)``.
    bins
        Number of equally wide bins between the smallest and the largest value of both, at least 1.
    reference_weight, window_weight
        How many original rows each value stands for, not negative, sum above 0; 1 if absent.

    Returns
    -------
    DataFrame
        ``2 * bins`` rows: `low` and `high` (edges of the bin), `share` in ``[0, 1]`` (summing to 1
        in each part) and `part`, ``"reference"`` or ``"window"``.

    Raises
    ------
    EmptyDataError
        If one of the samples has no values, or its weights sum to 0.
    MissingValuesError
        If a value or weight is missing or infinite.
    ValueError
        If `bins` is below 1, or weights are negative or of another length than their values.

    Examples
    --------
    >>> density([0.0, 1.0, 2.0, 4.0], [4.0], bins=2)["share"].tolist()
    [0.5, 0.5, 0.0, 1.0]
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; it must be at least 1.")
    samples = (_sample(reference, PARTS[0]), _sample(window, PARTS[1]))
    weights = (
        _weights(reference_weight, samples[0], PARTS[0]),
        _weights(window_weight, samples[1], PARTS[1]),
    )
    edges = np.histogram_bin_edges(np.concatenate(samples), bins=bins)
    tables = [
        pd.DataFrame(
            {
                "low": edges[:-1],
                "high": edges[1:],
                "share": np.histogram(values, edges, weights=weight)[0] / weight.sum(),
                "part": part,
            }
        )
        for part, values, weight in zip(PARTS, samples, weights, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def _sample(values: npt.ArrayLike, name: str) -> Floats:
    sample = np.asarray(values, dtype=np.float64).ravel()
    if not sample.size:
        raise EmptyDataError(
            f"The {name} has no values to compare.", "Wait for rows, or choose a longer period."
        )
    if not np.isfinite(sample).all():
        first = int(np.flatnonzero(~np.isfinite(sample))[0])
        raise MissingValuesError(
            f"Value {first} of the {name} is {sample[first]}, not a finite number.",
            "Leave such rows out before comparing.",
        )
    return sample


def _weights(weight: npt.ArrayLike | None, values: Floats, name: str) -> Floats:
    if weight is None:
        return np.ones_like(values)
    weights = _sample(weight, f"{name} weight")
    if weights.shape != values.shape:
        raise ValueError(f"{len(values)} values but {len(weights)} weights in the {name}.")
    if (weights < 0).any():
        raise ValueError(f"A weight of the {name} is {weights.min()}; none may be negative.")
    if not weights.sum() > 0:
        raise EmptyDataError(
            f"The weights of the {name} sum to 0.", "At least one row must stand for something."
        )
    return weights
