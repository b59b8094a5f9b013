"""Shares of people's decisions with their interval, and whether there are enough cases to say."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import InputError, MissingColumnsError, MissingValuesError
from hitl.fairness import MIN_ROWS, NAN, wilson

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
ALL = "all"
"""Stands for everybody, or every model version, in a table's first column."""


@dataclass(frozen=True)
class Share:
    """How many of n cases, the share with its interval, and whether n is enough to tell."""

    n: int
    count: int
    value: float
    low: float
    high: float
    can_tell: bool


def share(events: npt.ArrayLike, *, confidence: float = 0.95, least: int = MIN_ROWS) -> Share:
    """Count events among cases, with Wilson's interval.

    Parameters
    ----------
    events
        Whether it happened in each case, shape ``(n_cases,)``.
    confidence
        Of the interval, in ``(0, 1)``.
    least
        Number of cases below which the share is given but not to be judged.

    Returns
    -------
    Share
        `value`, `low` and `high` in ``[0, 1]``, NaN without any case.

    Examples
    --------
    >>> found = share([True] * 10 + [False] * 30)
    >>> found.count, found.n, found.value, round(found.low, 3), found.can_tell
    (10, 40, 0.25, 0.142, True)
    """
    happened = np.asarray(events, dtype=bool)
    n, count = len(happened), int(happened.sum())
    low, high = wilson(count, n, confidence)
    return Share(n, count, count / n if n else NAN, low, high, n >= least)


def opinions(values: npt.ArrayLike) -> Floats:
    """Read three-valued opinions: positive, negative, or nobody knows.

    Parameters
    ----------
    values
        True or 1 for positive, False or 0 for negative, missing for unsure or not known, shape
        ``(n_cases,)``, as the database has them.

    Returns
    -------
    ndarray
        1, 0 and NaN, shape ``(n_cases,)``.

    Raises
    ------
    InputError
        If a value is anything else.

    Examples
    --------
    >>> opinions([True, False, None]).tolist()
    [1.0, 0.0, nan]
    """
    try:
        known = pd.Series(values, dtype=object).astype("boolean")
    except (TypeError, ValueError) as error:
        raise InputError(
            "An opinion is neither true, false nor missing.",
            "Give True for positive, False for negative and nothing for unsure.",
        ) from error
    return np.asarray(known.to_numpy(dtype="float64", na_value=np.nan), dtype=np.float64)


def column(table: pd.DataFrame, name: str) -> Floats:
    """Read one column of three-valued opinions; see `opinions`."""
    return opinions(table[name])


def times(table: pd.DataFrame, name: str) -> Floats:
    """Read a column of times or durations, none missing.

    Parameters
    ----------
    table
        With the column, in any unit.
    name
        Of the column.

    Returns
    -------
    ndarray
        Shape ``(n_cases,)``.

    Raises
    ------
    MissingValuesError
        If a value is missing or infinite.

    Examples
    --------
    >>> times(pd.DataFrame({"seconds": [12, 30.5]}), "seconds").tolist()
    [12.0, 30.5]
    """
    values: Floats = pd.to_numeric(table[name]).to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isfinite(values).all():
        raise MissingValuesError(
            f"{int((~np.isfinite(values)).sum())} rows have no {name}.",
            "Leave out decisions whose time is not known.",
        )
    return values


def require(table: pd.DataFrame, *names: str) -> None:
    """Refuse a table without the columns that are needed, naming those that are missing."""
    missing = [name for name in names if name not in table]
    if missing:
        raise MissingColumnsError(
            f"Missing columns: {', '.join(missing)}.", "Give the decisions with these columns."
        )


def people(table: pd.DataFrame) -> list[str]:
    """Name the reviewers of a table, in the order of their names."""
    return sorted(map(str, table["reviewer"].unique()))


def strata(table: pd.DataFrame, names: Iterable[str]) -> npt.NDArray[np.int64]:
    """Give the number of the stratum that columns form together; one stratum without any column.

    Parameters
    ----------
    table
        With the columns.
    names
        Of the columns; those that are not there are left out.

    Returns
    -------
    ndarray
        Number of each row's stratum from 0 on, shape ``(n_cases,)``; missing values are a value.

    Examples
    --------
    >>> strata(pd.DataFrame({"band": ["a", "b", "a"]}), ["band"]).tolist()
    [0, 1, 0]
    """
    found = np.zeros(len(table), dtype=np.int64)
    for name in names:
        if name in table:
            codes = pd.factorize(table[name], use_na_sentinel=False)[0]
            found = found * (int(codes.max(initial=0)) + 1) + codes
    return pd.factorize(found)[0].astype(np.int64)


def tidy(records: list[dict[str, Any]], *columns: str) -> pd.DataFrame:
    """Make a table of records that has its columns even when there is no record."""
    return pd.DataFrame.from_records(records, columns=list(columns))
