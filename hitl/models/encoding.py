"""Rows as the numbers a model takes: categories as codes, missing values where it knows them."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import datasets
from hitl.errors import DataError, FeatureMismatchError, MissingValuesError, NotNumericError
from hitl.models.artefact import Model

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

MAX_LEVELS = 50
"""Most values of one categorical feature; beyond it they are names of cases, not kinds."""

UNSEEN = -1.0
"""Code of a category that no training row had."""

MISSING = "missing"
"""How a value that is not there is shown."""

_NEVER_SAW = (
    "The model never saw such a value there, and would take a missing one for 0: "
    "fill the value in or leave the row out."
)


def texts(column: pd.Series) -> Texts:
    """Write the values of a categorical feature as names.

    Parameters
    ----------
    column
        Text, truth values, categories or numbers, shape ``(n_rows,)``.

    Returns
    -------
    ndarray
        Names, shape ``(n_rows,)``, None where a value is missing. A whole number has one name
        however it is stored: ``7`` and ``7.0`` are both ``"7"``.

    Raises
    ------
    NotNumericError
        If the column holds dates.

    Examples
    --------
    >>> texts(pd.Series(["web", None, 7.0, True])).tolist()
    ['web', None, '7', 'True']
    """
    places, names = _factored(column)
    return np.array([*names, None], dtype=object)[places]


def _factored(column: pd.Series) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return each row's place among the names, -1 where a value is missing, and the names."""
    datasets.refuse_dates(column)
    places, values = pd.factorize(column.astype(object))
    return places, [_name(value) for value in values]


def _name(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def levels(column: pd.Series) -> tuple[str, ...]:
    """List the names a categorical feature takes, sorted; a name's place is its code.

    Raises
    ------
    DataError
        If there are more than `MAX_LEVELS`; `MissingValuesError` if there is none.
    NotNumericError
        If the column holds dates.

    Examples
    --------
    >>> levels(pd.Series(["web", "shop", None, "web"]))
    ('shop', 'web')
    """
    found = sorted(set(_factored(column)[1]))
    if not found:
        refuse_empty(column)
    if len(found) > MAX_LEVELS:
        raise DataError(
            f"Column {column.name!r} has {len(found):,} categories; {MAX_LEVELS} are allowed.",
            "Put the rare ones together, or leave the column out of the features.",
        )
    return tuple(found)


def refuse_empty(column: pd.Series) -> None:
    """Refuse a column without a single value: nothing can be learnt from it.

    Raises
    ------
    MissingValuesError
        If every value is missing.
    """
    if column.isna().all():
        raise MissingValuesError(
            f"Column {column.name!r} has no value in any row.",
            "Leave the column out of the features.",
        )


def codes(column: pd.Series, known: tuple[str, ...]) -> Floats:
    """Turn names into codes.

    Parameters
    ----------
    column
        Values of a categorical feature, shape ``(n_rows,)``.
    known
        Its names in the order of their codes.

    Returns
    -------
    Floats
        Shape ``(n_rows,)``: 0 to ``len(known) - 1``, `UNSEEN` for another name, NaN where a value
        is missing.

    Examples
    --------
    >>> codes(pd.Series(["web", "mail", None]), ("shop", "web")).tolist()
    [1.0, -1.0, nan]
    """
    places, names = _factored(column)
    code = {name: float(place) for place, name in enumerate(known)}
    return np.array([*(code.get(name, UNSEEN) for name in names), np.nan])[places]


def encode(
    features: tuple[str, ...],
    rows: pd.DataFrame,
    categories: Mapping[str, tuple[str, ...]],
    missing: Collection[str],
) -> Floats:
    """Take columns out of rows by name and turn them into numbers.

    Parameters
    ----------
    features
        Column names, in the order wanted.
    rows
        Any rows that have these columns; others are ignored.
    categories
        The names each categorical feature takes, in the order of their codes.
    missing
        Features in which a value may be missing.

    Returns
    -------
    Floats
        Shape ``(n_rows, n_features)``; categories as `codes`, missing values NaN.

    Raises
    ------
    TypeError
        If `rows` is not a DataFrame: a bare array says nothing about its columns' order.
    FeatureMismatchError
        If columns are missing.
    NotNumericError, MissingValuesError
        If a value is text or a date where a number belongs, missing where it may not be, or
        infinite.

    Examples
    --------
    >>> rows = pd.DataFrame({"shop": ["b", "z"], "amount": [2.0, None]})
    >>> encode(("amount", "shop"), rows, {"shop": ("a", "b")}, ("amount",)).tolist()
    [[2.0, 1.0], [nan, -1.0]]
    """
    if not isinstance(rows, pd.DataFrame):
        raise TypeError(f"rows must be a DataFrame with named columns, not {type(rows).__name__}")
    absent = [feature for feature in features if feature not in rows.columns]
    if absent:
        raise FeatureMismatchError(
            f"The rows lack {len(absent)} of the model's {len(features)} features: "
            f"{', '.join(absent[:5])}{' …' if len(absent) > 5 else ''}.",
            "Add the columns, or use the model that was trained on these.",
        )
    named = [place for place, feature in enumerate(features) if feature in categories]
    values = _numbers(rows, [feature for feature in features if feature not in categories])
    if named:
        whole = np.empty((len(rows), len(features)))
        whole[:, [place for place in range(len(features)) if place not in named]] = values
        for place in named:
            feature = features[place]
            whole[:, place] = codes(rows[feature], categories[feature])
        values = whole
    _refuse_gaps(features, values, missing, categories)
    return np.ascontiguousarray(values)


def _numbers(rows: pd.DataFrame, features: list[str]) -> Floats:
    values = datasets.plain_numbers(rows, features)
    if values is not None:
        return values
    chosen = rows[features]
    for feature, kind in zip(features, chosen.dtypes, strict=True):
        if kind != np.float64:
            datasets.refuse_dates(chosen[feature])
    try:
        return chosen.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise NotNumericError(
            f"A feature holds something that is not a number: {error}.",
            "Give numbers only, or train with the feature as a categorical one.",
        ) from error


def _refuse_gaps(
    features: tuple[str, ...],
    values: Floats,
    missing: Collection[str],
    categories: Mapping[str, tuple[str, ...]],
) -> None:
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    allowed = [place for place, feature in enumerate(features) if feature in missing]
    bad[:, allowed] = np.isinf(values[:, allowed])
    places = np.argwhere(bad)
    if len(places):
        row, column = places[0]
        wanted = "category" if features[column] in categories else "finite number"
        raise MissingValuesError(
            f"Column {features[column]!r} has no {wanted} in row {row}.", _NEVER_SAW
        )


def matrix(features: tuple[str, ...], rows: pd.DataFrame) -> Floats:
    """Take columns of finite numbers out of rows by name, in the order given.

    Parameters
    ----------
    features
        Column names.
    rows
        Any rows that have these columns; others are ignored.

    Returns
    -------
    Floats
        Shape ``(n_rows, n_features)``.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `encode`.

    Examples
    --------
    >>> matrix(("b", "a"), pd.DataFrame({"a": [1.0], "b": [2.0]})).tolist()
    [[2.0, 1.0]]
    """
    return encode(features, rows, {}, ())


def encoded(model: Model, rows: pd.DataFrame) -> Floats:
    """Turn rows into the numbers a model takes.

    Parameters
    ----------
    model
        Knows its features, their categories and where training values were missing.
    rows
        Any rows that have its features, in any order.

    Returns
    -------
    Floats
        Shape ``(n_rows, n_features)``: a category is its code, -1 if training never had it; a
        missing value is NaN.

    Raises
    ------
    TypeError, FeatureMismatchError, NotNumericError, MissingValuesError
        As `encode`. A missing value is refused in a feature that had none in training, because
        LightGBM would silently take it for 0.

    Notes
    -----
    LightGBM sends an unseen category where it sends a missing one: to the right at every
    categorical split. `unseen` says which values these are.
    """
    return encode(model.features, rows, model.categories, model.missing)


def unseen(model: Model, row: pd.DataFrame) -> dict[str, str]:
    """Say which values of a row are categories that no training row had.

    Parameters
    ----------
    model
        Knows the categories of its features.
    row
        One row with the model's features, shape ``(1, n_columns)``.

    Returns
    -------
    dict
        Value by feature, in the model's order; empty when there is none.

    Raises
    ------
    FeatureMismatchError
        If `row` lacks a categorical feature.
    ValueError
        If `row` is not exactly one row.
    """
    return unseen_values(model.features, row, model.categories)


def unseen_values(
    features: tuple[str, ...], row: pd.DataFrame, categories: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """Say which values of one row are not among the categories, as `unseen`."""
    if len(row) != 1:
        raise ValueError(f"Unseen values belong to one row; {len(row)} were given.")
    named = tuple(feature for feature in features if feature in categories)
    found = encode(named, row, categories, named)[0]
    return {
        feature: str(texts(row[feature])[0])
        for feature, code in zip(named, found, strict=True)
        if code == UNSEEN
    }


def check(
    model: Model, rows: pd.DataFrame, *, label: str | None = None, id_column: str | None = None
) -> None:
    """Refuse rows that a model cannot be applied to, naming the first value that is wrong.

    Parameters
    ----------
    model
        The model.
    rows
        The rows.
    label, id_column
        As in `datasets.check_rows`.

    Raises
    ------
    DataError
        As `datasets.check_rows`; missing values and categories are judged by what the model knows.
    """
    try:
        datasets.check_rows(
            rows, features=model.features, categorical=model.categories, missing=model.missing
        )
    except MissingValuesError as error:
        raise MissingValuesError(error.message, _NEVER_SAW) from error
    datasets.check_rows(rows, features=(), label=label, id_column=id_column)
