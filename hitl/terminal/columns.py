"""What the columns of a file are for, and whether a saved model can read them."""

import argparse
from pathlib import Path

import pandas as pd

from hitl import datasets, models, workflow
from hitl.errors import DataError, InputError, MissingColumnsError, UnknownRowError
from hitl.workflow import folders

WEIGHT = "weight"
IDENTITIES = ("row", "id", "index")


def model_and_rows(
    given: argparse.Namespace, label: str | None = None
) -> tuple[workflow.Stored, pd.DataFrame]:
    """Read rows and a saved model, and check that one can be used on the other."""
    rows = datasets.read_table(Path(given.data))
    current = folders.load(Path(given.model))
    features = current.model.features
    identity = _identity(rows, (*features, label))
    models.check(current.model, rows, label=label, id_column=identity)
    return current, rows


def model_and_row(given: argparse.Namespace) -> tuple[workflow.Stored, pd.DataFrame]:
    """Read rows and a saved model for one row; what is wrong with the others does not matter."""
    rows = datasets.read_table(Path(given.data))
    if not 0 <= given.row < len(rows):
        raise UnknownRowError(
            f"There is no row {given.row}.", f"Give a number from 0 to {len(rows) - 1}."
        )
    current = folders.load(Path(given.model))
    try:
        models.check(current.model, rows.iloc[[given.row]])
    except DataError:
        models.check(
            current.model, rows.iloc[: given.row + 1]
        )  # its message counts the file's rows
        raise
    return current, rows


def roles(
    given: argparse.Namespace, rows: pd.DataFrame
) -> tuple[tuple[str, ...], tuple[str, ...], str | None, str | None]:
    """Decide what each column is for: features, which are names, weight and id."""
    if given.time and given.time not in rows.columns:
        raise MissingColumnsError(
            f"There is no time column {given.time}.", f"The columns are: {', '.join(rows.columns)}."
        )
    listed, named = _listed(given, "features"), _listed(given, "categorical")
    datasets.check_rows(rows, features=named, categorical=named, missing=named)
    taken = (*listed, *named, given.label, given.time)
    weight, identity = weight_column(rows, taken), _identity(rows, taken)
    numbers = listed or datasets.default_features(
        rows.drop(columns=list(named)),
        label=given.label,
        time=given.time,
        id_column=identity,
        weight=weight,
    )
    features = tuple(dict.fromkeys((*numbers, *named)))
    if not listed:
        features = tuple(name for name in rows.columns if name in features)
    datasets.check_rows(
        rows,
        features=features,
        label=given.label,
        id_column=identity,
        categorical=named,
        missing=features,
    )
    return features, named, weight, identity


def _listed(given: argparse.Namespace, option: str) -> tuple[str, ...]:
    """Read the column names an option lists."""
    text = getattr(given, option)
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise InputError(f"--{option} names no column.", "Write it as V4,V14, or leave it out.")
    for name in names:
        if names.count(name) > 1 or name in (given.label, given.time):
            use = "named twice" if names.count(name) > 1 else "the label or the time"
            raise InputError(f"{name} is {use} and cannot be a feature.", f"Change --{option}.")
    return names


def weight_column(rows: pd.DataFrame, taken: tuple[str | None, ...]) -> str | None:
    """Find the column of sampling weights, unless it has another role."""
    if WEIGHT not in rows.columns or WEIGHT in taken:
        return None
    datasets.check_rows(rows, features=(WEIGHT,))
    if not (rows[WEIGHT] > 0).all():
        raise InputError(
            f"Column {WEIGHT!r} has a value that is not above 0.",
            "Correct it, or rename the column.",
        )
    return WEIGHT


def _identity(rows: pd.DataFrame, taken: tuple[str | None, ...]) -> str | None:
    """Find the column that names the rows; one called so is it even if a value stands twice."""
    for name in rows.columns:
        is_number = pd.api.types.is_float_dtype(rows[name])
        if str(name).lower() in IDENTITIES and name not in taken and not is_number:
            return str(name)
    return datasets.id_column_of(rows)
