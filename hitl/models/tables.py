"""Labelled rows as LightGBM takes them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import datasets
from hitl.errors import InputError, TooFewLabelsError
from hitl.models.artefact import Model
from hitl.models.encoding import encode, levels, refuse_empty

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Rows as LightGBM takes them; `weight` is the sampling weight, not used in training.

    Categories are codes, -1 for one the table's model never saw; missing values are NaN.
    """

    features: tuple[str, ...]
    values: Floats
    truth: Floats
    weight: Floats
    source: pd.DataFrame
    categories: Mapping[str, tuple[str, ...]]

    @property
    def missing(self) -> list[str]:
        """Features in which a value is missing."""
        gaps = np.flatnonzero(np.isnan(self.values).any(axis=0))
        return [self.features[place] for place in gaps]


def joined(
    rows: pd.DataFrame, reviewed: pd.DataFrame, copies: int, weight: str | None
) -> pd.DataFrame:
    """Append reviewed rows, copied; one without a sampling weight stands for itself."""
    both = pd.concat([rows, *[reviewed] * copies], ignore_index=True)
    if weight in both.columns:
        both[weight] = both[weight].fillna(1.0)
    return both


def table_of(
    rows: pd.DataFrame,
    features: tuple[str, ...],
    label: str,
    weight: str | None,
    categorical: Collection[str] = (),
    champion: Model | None = None,
) -> Table:
    """Check labelled rows and take out what training needs.

    Categories and the features that may have missing values are the champion's; without one they
    are learnt from the rows.

    Raises
    ------
    DataError
        If they cannot be used; `TooFewLabelsError` if a class has fewer than two rows.
    InputError
        If a sampling weight is not above 0.
    """
    named = champion.categories if champion else categorical
    gaps = champion.missing if champion else features
    datasets.check_rows(rows, features=features, label=label, categorical=named, missing=gaps)
    truth = rows[label].to_numpy(dtype=np.float64)
    smallest = int(min(truth.sum(), (1 - truth).sum()))
    if smallest < 2:
        raise TooFewLabelsError(
            f"The smaller class of {label!r} has {smallest} row.", "Label at least two of each."
        )
    for feature in features:
        refuse_empty(rows[feature])
    weighted = weight is not None and weight in rows.columns
    shares = rows[weight].to_numpy(dtype=np.float64) if weighted else np.ones(len(rows))
    if not (np.isfinite(shares) & (shares > 0)).all():
        raise InputError(f"Column {weight!r} has a weight that is not above 0.", "Correct it.")
    source = rows[[*features, label, *([weight] if weighted else [])]]
    known = (
        champion.categories if champion else {f: levels(rows[f]) for f in features if f in named}
    )
    values = encode(features, rows, known, gaps)
    return Table(features, values, truth, shares, source, known)
