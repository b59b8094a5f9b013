"""One face for whatever gives scores: the trees we keep, or any function of rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import models

Floats = npt.NDArray[np.float64]
Split = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True)
class Scorer:
    """Rows in, calibrated log-odds out; every explanation but the exact one needs no more.

    Parameters
    ----------
    name
        The model's id, or the name somebody gave a function.
    features
        Columns in the order of an encoded row.
    encode
        Rows to numbers, shape ``(n_rows, n_features)``: a category is its place in `categories`
        (-1 for one never seen), a missing value NaN.
    odds
        Encoded rows to log-odds, shape ``(n_rows,)``.
    threshold
        Probability in ``[0, 1]`` from which a row is flagged.
    categories
        The values of each feature that is not a number, in the order of their codes.
    split
        Encoded rows to base value and exact contributions in log-odds, shape
        ``(n_rows, n_features)``; nothing where no exact method is known.
    """

    name: str
    features: tuple[str, ...]
    encode: Callable[[pd.DataFrame], Floats]
    odds: Callable[[Floats], Floats]
    threshold: float
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: Split | None = None

    def probabilities(self, values: Floats) -> Floats:
        """Return probabilities of encoded rows, shape ``(n_rows,)``."""
        return models.sigmoid(self.odds(values))


def scorer(model: models.Model) -> Scorer:
    """Give a LightGBM model the common face, with its exact contributions.

    Examples
    --------
    >>> from hitl.models import fit
    >>> rows = pd.DataFrame({"x": range(80), "Class": [0] * 40 + [1] * 40})
    >>> face = scorer(fit(rows, features=("x",), rounds=20))
    >>> face.features, face.odds(face.encode(rows.iloc[[0]])).shape
    (('x',), (1,))
    """

    def framed(values: Floats) -> pd.DataFrame:
        return pd.DataFrame(values, columns=list(model.features))

    return Scorer(
        name=model.model_id,
        features=model.features,
        encode=lambda rows: models.matrix(model.features, rows),
        odds=lambda values: models.scores(model, framed(values)),
        threshold=model.threshold,
        split=lambda values: models.contributions(model, framed(values)),
    )
