"""One face for whatever gives scores: the trees we keep, or any function of rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import datasets, models
from hitl.errors import EmptyDataError, InputError, ModelError

Floats = npt.NDArray[np.float64]
Split = Callable[[Floats], tuple[float, Floats]]
Column = Any  # a pandas Series of any type
Predict = Callable[[pd.DataFrame], npt.ArrayLike]

PROBABILITY_CLIP = 1e-12
"""Probabilities nearer to 0 or 1 are moved here, so that log-odds stay within ±27.63."""

UNSEEN_NAME = "(unseen)"
"""What a function of rows is given for a category that its background does not have."""


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

    def unseen(self, row: pd.DataFrame) -> dict[str, str]:
        """Return the categories of one row that the scorer does not know, by feature."""
        return models.unseen_values(self.features, row, self.categories)


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
    return Scorer(
        name=model.model_id,
        features=model.features,
        encode=lambda rows: models.encoded(model, rows),
        odds=lambda values: models.odds(model, values),
        threshold=model.threshold,
        categories=model.categories,
        split=lambda values: models.split(model, values),
    )


def black_box(
    predict: Predict,
    background: pd.DataFrame,
    *,
    name: str,
    threshold: float = 0.5,
    categories: Mapping[str, tuple[str, ...]] | None = None,
) -> Scorer:
    """Give any function of rows the common face: a scikit-learn pipeline's ``predict_proba``, say.

    Parameters
    ----------
    predict
        Takes a DataFrame with the background's columns in their order, their own values and types
        where these can hold what is asked (`UNSEEN_NAME` for a category never seen; what the
        background has for a missing one, else NaN), and returns probabilities of the positive
        class: shape ``(n_rows,)``, or ``(n_rows, 2)`` with the positive class last.
    background
        Rows the function knows, its features and nothing else; they say what each column holds.
    name
        What to call it, in reports and messages.
    threshold
        Probability in ``[0, 1]`` from which a row is flagged.
    categories
        Values of categorical columns in the order of their codes, as text. Without it, columns of
        text, categories and truth values are categorical, with the background's values, sorted.

    Returns
    -------
    Scorer
        Without exact contributions. Missing values are accepted everywhere; what they mean is the
        function's own affair. Probabilities are clipped to ``[1e-12, 1 - 1e-12]`` before they
        become log-odds, so these stay within ±27.63.

    Raises
    ------
    EmptyDataError
        If the background has no rows or no columns.
    MissingValuesError
        If a column of the background has no value at all, or an infinite one.
    NotNumericError
        If a column holds dates.
    InputError
        If the threshold is not a probability, or `categories` names a column that is not there.
    ModelError
        When scoring, if the function fails or its answer is not one probability per row.

    Examples
    --------
    >>> known = pd.DataFrame({"amount": [1.0, 3.0], "shop": ["a", "b"]})
    >>> face = black_box(lambda rows: rows["amount"] / 4, known, name="quarter")
    >>> face.encode(known).tolist(), face.probabilities(face.encode(known)).round(6).tolist()
    ([[1.0, 0.0], [3.0, 1.0]], [0.25, 0.75])
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"The threshold is {threshold}.", "Give a probability.")
    features = tuple(map(str, background.columns))
    named = _categories(background, categories)

    def encode(rows: pd.DataFrame) -> Floats:
        return models.encode(features, rows, named, features)

    def odds(values: Floats) -> Floats:
        if not len(values):
            return np.zeros(0)
        columns = zip(decoders.items(), values.T, strict=True)
        rows = pd.DataFrame({column: decode(part) for (column, decode), part in columns})
        return _log_odds(_answer(predict, rows, name), len(values), name)

    encode(background)
    decoders = {
        str(column): _name_decoder(known, named[str(column)])
        if column in named
        else _number_decoder(known)
        for column, known in background.items()
    }
    return Scorer(name, features, encode, odds, threshold, named)


def _categories(
    background: pd.DataFrame, given: Mapping[str, tuple[str, ...]] | None
) -> dict[str, tuple[str, ...]]:
    """Find the categorical columns of a background and their values."""
    if background.empty:
        raise EmptyDataError(
            "The background has no rows or no columns.", "Give the rows the function learnt from."
        )
    strange = [column for column in given or {} if column not in background.columns]
    if strange:
        raise InputError(f"There is no column {strange[0]!r}.", "Correct the categories.")
    for column in background.columns:
        datasets.refuse_dates(background[column])
        models.refuse_empty(background[column])
    if given is not None:
        return {name: tuple(names) for name, names in given.items()}
    is_number = pd.api.types.is_numeric_dtype
    is_truth = pd.api.types.is_bool_dtype
    return {
        str(name): models.levels(column)
        for name, column in background.items()
        if is_truth(column) or not is_number(column)
    }


def _number_decoder(known: Column) -> Callable[[Floats], Column]:
    """Give numbers the background's type where it can hold them."""
    whole = pd.api.types.is_integer_dtype(known.dtype)

    def decode(column: Floats) -> Column:
        fits = not whole or bool((column == np.floor(column)).all())
        return pd.Series(column).astype(known.dtype if fits else np.float64)

    return decode


def _name_decoder(known: Column, names: tuple[str, ...]) -> Callable[[Floats], Column]:
    """Give categories the background's own values, and its type where it can hold them."""
    own = pd.Series(known.dropna().unique().astype(object), dtype=object)
    back = dict(zip(models.texts(own).tolist(), own.tolist(), strict=True))
    gap = next(iter(known[known.isna()]), np.nan)
    taken = np.array([*(back.get(name, name) for name in names), UNSEEN_NAME, gap], dtype=object)
    is_text = pd.api.types.is_string_dtype(known.dtype)
    takes_gaps = is_text or isinstance(known.dtype, pd.CategoricalDtype)

    def decode(column: Floats) -> Column:
        codes = np.where(np.isnan(column), len(names) + 1, column).astype(np.int64)
        codes[codes == int(models.UNSEEN)] = len(names)
        strange = (codes == len(names)).any() and not is_text
        gaps = (codes > len(names)).any() and not takes_gaps
        strange = strange or (not is_text and not set(names) <= set(back))
        values = pd.Series(taken[codes], dtype=object)
        return values if strange or gaps else values.astype(known.dtype)

    return decode


def _answer(predict: Predict, rows: pd.DataFrame, name: str) -> Any:
    try:
        return np.asarray(predict(rows), dtype=np.float64)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(
            f"{name} cannot score these rows: {error}.",
            f"It has to take a table with the columns {', '.join(rows.columns)}.",
        ) from error


def _log_odds(answer: Any, n_rows: int, name: str) -> Floats:
    """Check that an answer is one probability per row, and turn it into log-odds."""
    if answer.shape not in ((n_rows,), (n_rows, 2)):
        raise ModelError(
            f"{name} answers {n_rows} rows with shape {answer.shape}.",
            "Return the probability of the positive class for each row, or of both classes.",
        )
    chance = answer if answer.ndim == 1 else answer[:, 1]
    if not ((chance >= 0) & (chance <= 1)).all():
        wrong = chance[~((chance >= 0) & (chance <= 1))][0]
        raise ModelError(
            f"{name} answers {wrong:g}, which is not a probability.",
            "Return probabilities between 0 and 1, not scores or labels.",
        )
    clipped = np.clip(chance, PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float64)
