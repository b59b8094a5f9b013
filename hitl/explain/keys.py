"""The key of an explanation: a name made from everything the explanation follows from."""

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import hitl
from hitl import models

FORMAT = "second-look-explanation/2"
"""The number goes up whenever the same recipe would give another explanation."""

METHODS = ("shap", "lime", "lime-local", "counterfactual", "neighbours", "all")
"""What an explanation may hold beside its contributions; ``all`` is everything."""

KEY_DIGITS = 16
LIBRARIES = ("lightgbm", "numpy", "pandas", "scipy")


def recipe(
    model: models.Model,
    row: pd.DataFrame,
    *,
    background_sha256: str,
    method: str = "all",
    parameters: Mapping[str, Any] | None = None,
    seed: int = 0,
    words: Mapping[str, Any] | None = None,
    companions: Mapping[str, Any] | None = None,
    row_id: Any = None,
) -> dict[str, Any]:
    """Write down everything an explanation follows from, as plain values.

    Parameters
    ----------
    model
        The model that is explained.
    row
        The row, shape ``(1, n_columns)``, with the model's features.
    background_sha256
        Fingerprint of the known rows that say what is usual.
    method
        One of `METHODS`.
    parameters
        Settings of the methods, such as numbers of samples.
    seed
        Seed of everything that is drawn.
    words
        What the sentences speak of: noun, class names, currency, dictionary.
    companions
        Columns that are shown beside the features and never enter the model.
    row_id
        Name of the row where it has one; it is then not its own neighbour.

    Returns
    -------
    dict
        Can be written as JSON; a missing value is nothing. `key_of` names it.

    Raises
    ------
    ValueError
        If `row` is not exactly one row or there is no such method.
    """
    if len(row) != 1:
        raise ValueError(f"An explanation belongs to one row; {len(row)} were given.")
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}; there are: {', '.join(METHODS)}.")
    values = {feature: plain(row[feature].iloc[0]) for feature in model.features}
    return {
        "format": FORMAT,
        "model": {
            "id": model.model_id,
            "sha256": model.sha256,
            "slope": model.slope,
            "intercept": model.intercept,
            "threshold": model.threshold,
        },
        "row": values,
        "row_id": plain(row_id),
        "row_sha256": row_hash(values),
        "background_sha256": background_sha256,
        "method": method,
        "parameters": plain(dict(parameters or {})),
        "seed": int(seed),
        "words": plain(dict(words or {})),
        "companions": plain(dict(companions or {})),
        "versions": versions(),
    }


def key_of(recipe: Mapping[str, Any]) -> str:
    """Name a recipe: equal recipes have equal keys, and any change gives another.

    Examples
    --------
    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    >>> key_of({"a": 1}) == key_of({"a": 2})
    False
    """
    return "x-" + hashlib.sha256(canonical(recipe).encode()).hexdigest()[:KEY_DIGITS]


def row_hash(values: Mapping[str, Any]) -> str:
    """Name a row by its features and their values; their order does not matter.

    Examples
    --------
    >>> row_hash({"a": 1.0, "b": None}) == row_hash({"b": None, "a": 1})
    True
    """
    numbers = {
        name: float(value) if isinstance(value, (int, float)) else value
        for name, value in values.items()
    }
    return hashlib.sha256(canonical(numbers).encode()).hexdigest()


def canonical(value: Any) -> str:
    """Write plain values as JSON in one way only: sorted, without blanks, without NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def versions() -> dict[str, str]:
    """Name the versions an explanation may depend on, without importing what they name."""
    return {"hitl": hitl.__version__, "python": platform.python_version(), **_installed()}


@cache
def _installed() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in LIBRARIES}


def changes(then: Mapping[str, str], now: Mapping[str, str] | None = None) -> list[str]:
    """Say which versions are not those an explanation was made with.

    Examples
    --------
    >>> changes({"numpy": "2.4"}, {"numpy": "2.5"})
    ['numpy was 2.4 and is 2.5']
    """
    current = versions() if now is None else now
    return [
        f"{name} was {then.get(name, 'absent')} and is {current.get(name, 'absent')}"
        for name in sorted({*then, *current})
        if then.get(name) != current.get(name)
    ]


_PLAIN = frozenset({type(None), bool, int})


def plain(value: Any) -> Any:
    r"""Turn values of numpy and pandas into those of JSON; what is missing becomes nothing.

    Halves of characters, which neither a file nor a key can hold, become question marks.

    Examples
    --------
    >>> plain({"a": np.float64("nan"), "b": (np.int64(1), pd.NA), "c": "\ud800"})
    {'a': None, 'b': [1, None], 'c': '?'}
    """
    kind = type(value)
    if kind in _PLAIN:  # asked first: nearly all values are of the kinds of JSON already
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is str:
        return _whole(value)
    if isinstance(value, Mapping):
        return {_whole(str(name)): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return plain(float(value))
    return value if isinstance(value, int) else _whole(str(value))


def _whole(words: str) -> str:
    return words if words.isascii() else words.encode("utf-8", "replace").decode()
