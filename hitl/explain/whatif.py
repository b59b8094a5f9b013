"""One case with values changed by hand, and how single values are written for a model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hitl import models
from hitl.errors import EmptyDataError, FeatureMismatchError, NotNumericError
from hitl.explain.scorers import Scorer

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Value = float | str | None

NEVER_SEEN = "never seen"
"""What a category is called that is not among the model's, where its name is not known."""


@dataclass(frozen=True)
class WhatIf:
    """What the model would say of a case with some values changed by hand.

    Parameters
    ----------
    probability, score
        In ``[0, 1]`` and in log-odds.
    flagged
        Whether the probability reaches the threshold.
    base_value, contributions
        The score split by feature, in log-odds; None where no exact method is known.
    out_of_range
        Features whose value, changed or not, was never seen in training or lies outside.
    """

    probability: float
    score: float
    flagged: bool
    base_value: float | None
    contributions: dict[str, float] | None
    out_of_range: list[str]


def what_if(
    scorer: Scorer,
    values: Floats,
    changes: Mapping[str, Value],
    limits: Mapping[str, tuple[float, float]],
) -> WhatIf:
    """Say what the model would make of a case with some values changed.

    Parameters
    ----------
    scorer
        The model.
    values
        The encoded case, shape ``(n_features,)``.
    changes
        New values by feature; a category by its name, missing as None.
    limits
        Smallest and largest training value by feature, as in `Donors.limits`.

    Returns
    -------
    WhatIf
        One prediction and, where the model allows it, one exact split.

    Raises
    ------
    FeatureMismatchError
        If the case does not fit the model, or a changed feature is not the model's.
    NotNumericError
        If a feature that is a number is given text.

    Examples
    --------
    >>> face = Scorer("sum", ("a",), encode=lambda rows: rows.to_numpy(),
    ...               odds=lambda values: values.sum(axis=1), threshold=0.5)
    >>> found = what_if(face, np.array([4.0]), {"a": -2.0}, {"a": (0.0, 9.0)})
    >>> found.score, found.flagged, found.out_of_range
    (-2.0, False, ['a'])
    """
    check_values(scorer, np.asarray(values)[None])
    check_names(scorer, changes)
    case = np.array(values, dtype=np.float64)
    for feature, value in changes.items():
        case[scorer.features.index(feature)] = coded(scorer, feature, value)
    odds = scorer.odds(case[None])
    split = scorer.split(case[None]) if scorer.split else None
    return WhatIf(
        probability=float(models.sigmoid(odds)[0]),
        score=float(odds[0]),
        flagged=bool(is_flagged(scorer, odds)[0]),
        base_value=float(split[0]) if split else None,
        contributions=dict(zip(scorer.features, split[1][0].tolist(), strict=True))
        if split
        else None,
        out_of_range=out_of_range(scorer, case, limits),
    )


def limits_of(scorer: Scorer, values: Floats) -> dict[str, tuple[float, float]]:
    """Give the smallest and largest known value of each feature that is a number.

    `values` are encoded training rows, shape ``(n_rows, n_features)``.
    """
    return {
        feature: (float(np.nanmin(values[:, i])), float(np.nanmax(values[:, i])))
        for i, feature in enumerate(scorer.features)
        if feature not in scorer.categories and not np.isnan(values[:, i]).all()
    }


def out_of_range(
    scorer: Scorer, values: Floats, limits: Mapping[str, tuple[float, float]]
) -> list[str]:
    """Name the features of an encoded case that training never saw, or saw only smaller or larger.

    `values` has shape ``(n_features,)``; `limits` are those of `limits_of`.
    """
    return [
        feature
        for feature, value in zip(scorer.features, values.tolist(), strict=True)
        if _is_outside(scorer, feature, value, limits)
    ]


def coded(scorer: Scorer, feature: str, value: Value) -> float:
    """Write one value as the model reads it: a category as its code, missing as NaN.

    Raises
    ------
    NotNumericError
        If a feature that is a number is given text.
    """
    if value is None:
        return float("nan")
    if feature in scorer.categories:
        names = scorer.categories[feature]
        return float(names.index(str(value))) if str(value) in names else -1.0
    try:
        return float(value)
    except ValueError as error:
        raise NotNumericError(
            f"{feature} is given {value!r}, which is not a number.", "Give a number."
        ) from error


def decoded(
    scorer: Scorer, feature: str, code: float, unseen: Mapping[str, str] | None = None
) -> Value:
    """Write one encoded value for people: a category by its name, missing as None.

    `unseen` names categories that the model never saw, by feature; without it they are called so.
    """
    if np.isnan(code):
        return None
    if feature not in scorer.categories:
        return float(code)
    names = scorer.categories[feature]
    known = 0 <= code < len(names)
    return names[int(code)] if known else (unseen or {}).get(feature, NEVER_SEEN)


def is_flagged(scorer: Scorer, odds: Floats) -> Bools:
    """Say which log-odds reach the threshold, shape ``(n_rows,)``."""
    return np.asarray(models.sigmoid(odds) >= scorer.threshold, dtype=np.bool_)


def thinned(places: Ints, most: int) -> Ints:
    """Keep at most so many places, evenly spread."""
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(np.int64)]


def check_values(scorer: Scorer, values: Floats) -> None:
    """Refuse no rows, and rows that are not as wide as the model."""
    if not len(values):
        raise EmptyDataError("There are no rows to work on.", "Give at least one row.")
    if values.shape[1:] != (len(scorer.features),):
        raise FeatureMismatchError(
            f"The rows have shape {values.shape}; the model has {len(scorer.features)} features.",
            "Encode the rows with the model's own scorer.",
        )


def check_names(scorer: Scorer, names: Iterable[str]) -> None:
    """Refuse names that are no features of the model."""
    strange = [name for name in names if name not in scorer.features]
    if strange:
        raise FeatureMismatchError(
            f"The model has no feature {strange[0]!r}.",
            f"Choose among: {', '.join(scorer.features[:8])}"
            f"{' …' if len(scorer.features) > 8 else ''}.",
        )


def _is_outside(
    scorer: Scorer, feature: str, value: float, limits: Mapping[str, tuple[float, float]]
) -> bool:
    if feature in scorer.categories:
        return value < 0
    low, high = limits.get(feature, (-np.inf, np.inf))
    return value < low or value > high
