"""Read and check CSV and Parquet rows; the card sample and the recipe that makes it."""

import codecs
import gzip
import hashlib
import io
import itertools
import json
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import (
    DataError,
    DuplicateIdsError,
    EmptyDataError,
    FileFormatError,
    InputError,
    MissingColumnsError,
    MissingValuesError,
    NotNumericError,
    TooFewLabelsError,
)

CARD_COMPONENTS = tuple(f"V{i}" for i in range(1, 29))
CARD_COLUMNS = ("Time", *CARD_COMPONENTS, "Amount", "Class")
CARD_FILES = ("creditcard.csv", "creditcard.parquet")
SAMPLE_FILE = "ulb_sample.csv.gz"
COMPONENT_DECIMALS = 4
AMOUNT_DECIMALS = 2
SECONDS_PER_DAY = 86_400
MAX_BYTES = 1 << 30
"""Largest table read, unpacked: a small file that unpacks to more is refused."""

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_READABLE = "Give a CSV file (UTF-8, gzipped or not) or a Parquet file."
_ID_NAME = re.compile(r"row|id|index|.*_id|unnamed: \d+|__index_level_\d+__", re.IGNORECASE)
_EXACT_INTEGERS = 2**53
_MOSTLY = 0.5
"""Share of numbers from which a column of text is taken for numbers with mistakes in it."""


def read_table(source: Path | bytes, name: str = "", *, as_text: bool = False) -> pd.DataFrame:
    r"""Read a CSV or Parquet table; the content decides which, not the name.

    Parameters
    ----------
    source
        Path of a file, or the bytes of an upload.
    name
        What to call the bytes in messages; a path is called by its file name.
    as_text
        Leave the fields of a CSV as they are written: ``007`` and ``NA`` are no numbers.

    Returns
    -------
    DataFrame
        The table with a fresh index ``0 … n-1``; at least one row.

    Raises
    ------
    InputError
        If the path is not a file that can be read.
    FileFormatError
        If the content is neither CSV nor Parquet (a pickle, say), is damaged, or unpacks to
        more than `MAX_BYTES`.
    EmptyDataError
        If there is no row.

    Examples
    --------
    >>> read_table(b"a,b\n1,2\n")["b"].tolist()
    [2]
    """
    content = source if isinstance(source, bytes) else _file_bytes(source)
    shown = name or ("the upload" if isinstance(source, bytes) else source.name)
    if content.startswith(_GZIP):
        content = _unpacked(content, shown)
    rows = (
        _parquet(content, shown) if content.startswith(_PARQUET) else _csv(content, shown, as_text)
    )
    if rows.empty:
        raise EmptyDataError(f"{shown} has no rows.", "Give a file with at least one row.")
    return rows


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.", "Give the path of a file."
        ) from error


def _unpacked(content: bytes, shown: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            plain = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(
            f"{shown} is a damaged gzip file: {error}.", "Copy or download it again."
        ) from error
    if len(plain) > MAX_BYTES:
        raise _too_large(shown)
    return plain


def _too_large(shown: str) -> FileFormatError:
    return FileFormatError(f"{shown} unpacks to more than {MAX_BYTES:,} bytes.", "Give fewer rows.")


def _parquet(content: bytes, shown: str) -> pd.DataFrame:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(io.BytesIO(content)) as file:
            if file.metadata.num_rows * file.metadata.num_columns * 8 > MAX_BYTES:
                raise _too_large(shown)
            rows: pd.DataFrame = file.read().to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise FileFormatError(
            f"{shown} is a damaged Parquet file: {error}.", "Copy or export it again."
        ) from error
    _check_names(rows.columns.tolist(), shown)
    return rows


def _csv(content: bytes, shown: str, as_text: bool) -> pd.DataFrame:
    plain = _plain(content, shown)
    header = plain[: plain.find(b"\n")].decode(errors="replace")
    delimiter = max(",;\t", key=header.count)
    how: dict[str, Any] = {"dtype": str, "keep_default_na": False} if as_text else {}
    try:
        # Two plain lines first: under a header that is too short pandas would make an index.
        top = pd.read_csv(io.BytesIO(plain), sep=delimiter, header=None, nrows=2, dtype=str)
        rows: pd.DataFrame = pd.read_csv(io.BytesIO(plain), sep=delimiter, low_memory=False, **how)
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{shown} is not UTF-8 text and not Parquet.", _READABLE) from error
    except (pd.errors.ParserError, ValueError) as error:
        raise FileFormatError(f"{shown} is not a table: {error}.", _READABLE) from error
    _check_names(top.iloc[0].dropna().tolist(), shown)
    return rows


def _plain(content: bytes, shown: str) -> bytes:
    if re.match(rb"\x80[\x02-\x05]", content):
        raise FileFormatError(f"{shown} is a Python pickle, which is never opened.", _READABLE)
    plain = content.removeprefix(codecs.BOM_UTF8)
    if b"\x00" in plain or re.match(rb"\s*[<{\[]", plain):
        raise FileFormatError(f"{shown} is neither CSV nor Parquet.", _READABLE)
    if not plain.strip():
        raise EmptyDataError(f"{shown} is empty.", "Give a file with at least one row.")
    return plain


def _check_names(names: list[str], shown: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileFormatError(
            f"{shown} has two columns named {twice[0]!r}.", "Give every column its own name."
        )


def check_rows(
    rows: pd.DataFrame,
    *,
    features: tuple[str, ...],
    label: str | None = None,
    id_column: str | None = None,
    categorical: Collection[str] = (),
    missing: Collection[str] = (),
) -> None:
    """Refuse rows that a model cannot be trained on or applied to.

    Parameters
    ----------
    rows
        The table, shape ``(n_rows, n_columns)``.
    features
        Columns that must be there, numeric and finite.
    label
        Column of zeros and ones, both present; not checked when absent.
    id_column
        Column in which no value may be missing or stand twice; not checked when absent.
    categorical
        Features whose values are names: anything but dates will do.
    missing
        Features in which a value may be missing; infinite it may not be.

    Raises
    ------
    EmptyDataError
        If there is no row.
    MissingColumnsError
        If a named column is not there.
    NotNumericError
        If a feature or the label holds something other than numbers, or dates.
    MissingValuesError
        If a feature, the label or the id is missing or infinite somewhere.
    DuplicateIdsError
        If two rows carry one id.
    TooFewLabelsError
        If the label is not 0 or 1 everywhere, or one of them never occurs.

    Examples
    --------
    >>> check_rows(pd.DataFrame({"a": [1.0, 2.0], "y": [0, 1]}), features=("a",), label="y")
    """
    if rows.empty:
        raise EmptyDataError("There are no rows.", "Give at least one row.")
    wanted = (*features, *(name for name in (label, id_column) if name))
    absent = [name for name in wanted if name not in rows.columns]
    if absent:
        raise MissingColumnsError(
            f"Missing columns: {', '.join(absent)}.",
            f"The table has: {', '.join(map(str, rows.columns))}.",
        )
    if not _are_finite(rows, features):
        for name in features:
            check = _check_named if name in categorical else _check_numbers
            check(rows[name], gaps=name in missing)
    if label:
        _check_numbers(rows[label], gaps=False)
    if id_column:
        _check_ids(rows[id_column])
    if label:
        _check_labels(rows[label])


def _are_finite(rows: pd.DataFrame, features: tuple[str, ...]) -> bool:
    """Say whether all features are plain finite numbers; the usual case, settled at once."""
    values = plain_numbers(rows, features)
    return values is not None and bool(np.isfinite(values).all())


def plain_numbers(rows: pd.DataFrame, features: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """Take columns out as a matrix of their own, or nothing if one holds other than plain numbers.

    Choosing columns by name is what reading a single row mostly costs, so of one row all are taken
    and then chosen by place.

    Examples
    --------
    >>> plain_numbers(pd.DataFrame({"a": [1.5], "b": [2]}), ("b", "a")).tolist()
    [[2.0, 1.5]]
    >>> plain_numbers(pd.DataFrame({"a": ["x"]}), ("a",)) is None
    True
    """
    if len(rows) == 1 and rows.columns.is_unique:
        place = {name: i for i, name in enumerate(rows.columns)}
        values = rows.to_numpy()[:, [place[name] for name in features]]
    else:
        values = rows[list(features)].to_numpy()
    return values.astype(np.float64) if values.dtype.kind in "fiu" else None


def _check_numbers(column: pd.Series, *, gaps: bool) -> None:
    refuse_dates(column)
    there = column.notna().to_numpy()
    if gaps and not there.any():
        return
    if not _is_numeric(column):
        _refuse_text(column)
    bad = ~np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if gaps:
        bad &= there
    if bad.any():
        _refuse_missing(column, bad)


def _check_named(column: pd.Series, *, gaps: bool) -> None:
    refuse_dates(column)
    bad = column.isna().to_numpy()
    if bad.any() and not gaps:
        _refuse_missing(column, bad)


def refuse_dates(column: pd.Series) -> None:
    """Refuse a column of dates, times or durations, which are neither numbers nor names.

    Raises
    ------
    NotNumericError
        If the column's type is one of these, or its values are.

    Examples
    --------
    >>> refuse_dates(pd.Series(pd.to_datetime(["2026-01-01"]), name="paid"))
    Traceback (most recent call last):
    hitl.errors.NotNumericError: Column 'paid' holds dates or times. Turn it into a number, ...
    """
    kind = getattr(column.dtype, "kind", "O")
    objects = kind == "O" and isinstance(column.dtype, np.dtype | pd.PeriodDtype)
    inside = pd.api.types.infer_dtype(column, skipna=True) if objects else ""
    if kind in "mM" or inside.startswith(("date", "time", "period")):
        raise NotNumericError(
            f"Column {column.name!r} holds dates or times.",
            "Turn it into a number, such as the hour or the days since a first day, "
            "or leave the column out of the features.",
        )


def _is_numeric(column: pd.Series) -> bool:
    kinds = pd.api.types
    return kinds.is_numeric_dtype(column) and not kinds.is_complex_dtype(column)


def _refuse_text(column: pd.Series) -> None:
    """Name the first value that is no number, or the first one if all are numbers as text."""
    there = column.notna().to_numpy()
    if not there.any():
        _refuse_missing(column, ~there)
    text = there & ~_numbers(column, commas=False)
    first = int(np.flatnonzero(text if text.any() else there)[0])
    value, place = str(column.iloc[first]), _place(first)
    out = "or leave the column out of the features."
    if not text.any():
        raise NotNumericError(
            f"Column {column.name!r} holds numbers as text, the first {value!r}: {place}.",
            f"Store the column as numbers, {out}",
        )
    hint = f"Correct the value, {out}"
    if _numbers(column.iloc[[first]], commas=True)[0]:
        hint = "Write decimal points and no thousands separators: 12.5, not 12,5."
    raise NotNumericError(
        f"Column {column.name!r} holds {value!r}, which is not a number: {place}.", hint
    )


def _numbers(column: pd.Series, *, commas: bool) -> np.ndarray:
    """Say which values can be read as numbers, decimal commas among them if told."""
    texts = column.astype(object).map(str)
    if commas:
        texts = texts.str.replace(",", ".", regex=False)
    return (pd.to_numeric(texts, errors="coerce").notna() & column.notna()).to_numpy()


def _place(position: int) -> str:
    return f"row {position:,}, counted from 0"


def _refuse_missing(column: pd.Series, bad: np.ndarray) -> None:
    first = int(np.flatnonzero(bad)[0])
    raise MissingValuesError(
        f"Column {column.name!r} has {int(bad.sum()):,} missing or infinite values, "
        f"the first in {_place(first)}.",
        "Fill the values in, or drop those rows.",
    )


def _check_ids(column: pd.Series) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        _refuse_missing(column, missing)
    twice = np.flatnonzero(column.duplicated())
    if len(twice):
        raise DuplicateIdsError(
            f"Column {column.name!r} holds {column.iloc[twice[0]]!r} more than once, "
            f"again in {_place(int(twice[0]))}.",
            "Give every row its own id, or drop the repeated rows.",
        )


def _check_labels(column: pd.Series) -> None:
    values = column.astype(np.float64)
    strange = np.flatnonzero(~values.isin((0.0, 1.0)))
    if len(strange):
        raise TooFewLabelsError(
            f"Column {column.name!r} holds {values.iloc[strange[0]]:g}; a label is 0 or 1: "
            f"{_place(int(strange[0]))}.",
            "Write 1 for the positive class and 0 for the other.",
        )
    if values.nunique() < 2:
        raise TooFewLabelsError(
            f"Column {column.name!r} is {values.iloc[0]:g} in all {len(values):,} rows.",
            "Give rows of both classes.",
        )


def default_features(
    rows: pd.DataFrame,
    *,
    label: str,
    time: str | None = None,
    id_column: str | None = None,
    weight: str | None = None,
) -> tuple[str, ...]:
    """Choose the features of a table nobody has described: its numeric columns.

    Parameters
    ----------
    rows
        The table.
    label, time, id_column, weight
        Columns with another role; they are left out.

    Returns
    -------
    tuple
        Column names in file order. A column that numbers the rows is left out too, because a
        model would learn the file's order: see `id_column_of`. So is text, see `left_out`.

    Raises
    ------
    NotNumericError
        If no column is left, or at least half of a column's values are numbers (with decimal
        points or commas) but the column is text: leaving it out unasked would lose a feature.

    Examples
    --------
    >>> default_features(pd.DataFrame({"row": [7, 8], "a": [0.5, 1.5], "y": [0, 1]}), label="y")
    ('a',)
    """
    roles = {label, time, id_column, weight}
    for name in rows.columns:
        if name not in roles and _is_mistaken(rows[name]):
            _refuse_text(rows[name])
    chosen = tuple(
        str(name)
        for name in rows.select_dtypes(include=["number", "bool"]).columns
        if name not in roles and not _numbers_the_rows(rows[name])
    )
    if not chosen:
        raise NotNumericError(
            f"No numeric column is left to be a feature among: {', '.join(map(str, rows))}.",
            "Give a table with at least one numeric column beside label, time, id and weight.",
        )
    return chosen


def _is_mistaken(column: pd.Series) -> bool:
    """Say whether a column of text is numbers but for some mistakes, and no row id."""
    if pd.api.types.is_numeric_dtype(column) or not column.notna().any():
        return False
    if _ID_NAME.fullmatch(str(column.name)) and column.is_unique:
        return False
    read = _numbers(column, commas=True)[column.notna().to_numpy()]
    return bool(read.mean() >= _MOSTLY)


def left_out(
    rows: pd.DataFrame,
    *,
    features: tuple[str, ...],
    label: str,
    time: str | None = None,
    id_column: str | None = None,
    weight: str | None = None,
) -> dict[str, str]:
    """Say which columns are not features and why.

    Parameters
    ----------
    rows
        The table.
    features
        The columns that are features.
    label, time, id_column, weight
        Columns with another role; the label is not listed.

    Returns
    -------
    dict
        Reason by column name, in file order: ``time``, ``weight``, ``row id``, ``date``, ``text``
        or ``not listed``.

    Examples
    --------
    >>> rows = pd.DataFrame({"row": [7, 8], "who": ["x", "y"], "a": [0.5, 1.5], "y": [0, 1]})
    >>> left_out(rows, features=("a",), label="y")
    {'row': 'row id', 'who': 'text'}
    """
    reasons = {time: "time", weight: "weight", id_column: "row id"}
    return {
        str(name): reasons.get(name) or _why(rows[name])
        for name in rows.columns
        if name != label and name not in features
    }


def _why(column: pd.Series) -> str:
    if _numbers_the_rows(column):
        return "row id"
    if _is_numeric(column):
        return "not listed"
    return "date" if pd.api.types.is_datetime64_any_dtype(column) else "text"


def id_column_of(rows: pd.DataFrame) -> str | None:
    """Find the column that numbers the rows.

    Parameters
    ----------
    rows
        The table.

    Returns
    -------
    str or None
        The first column of distinct whole numbers named ``row``, ``id``, ``index``, ``…_id`` or
        as pandas names a written index; capitals do not matter. None if there is none.

    Examples
    --------
    >>> id_column_of(pd.DataFrame({"a": [1, 2], "Card_ID": [10, 11]}))
    'Card_ID'
    """
    return next((str(name) for name in rows.columns if _numbers_the_rows(rows[name])), None)


def _numbers_the_rows(column: pd.Series) -> bool:
    named = _ID_NAME.fullmatch(str(column.name)) is not None
    return named and pd.api.types.is_integer_dtype(column) and bool(column.is_unique)


def fingerprint(rows: pd.DataFrame) -> str:
    """Name a table by its content.

    Parameters
    ----------
    rows
        The table, shape ``(n_rows, n_columns)``.

    Returns
    -------
    str
        SHA-256 in 64 hexadecimal digits, over column names, their order, the order of the rows
        and the values. The index, the width of numbers (``1`` and ``1.0``) and the sign of zero
        do not matter; a missing value is itself a value.

    Examples
    --------
    >>> rows = pd.DataFrame({"a": [1, 2]})
    >>> fingerprint(rows) == fingerprint(rows.astype(float).set_axis([7, 9]))
    True
    >>> fingerprint(rows) == fingerprint(rows[::-1])
    False
    """
    digest = hashlib.sha256()
    for position, name in enumerate(rows.columns):
        kind, content = _canonical(rows.iloc[:, position])
        digest.update(json.dumps([str(name), kind, len(rows), len(content)]).encode())
        digest.update(content)
    return digest.hexdigest()


def _canonical(column: pd.Series) -> tuple[str, bytes]:
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
    if not numeric:
        texts = [None if gap else str(v) for v, gap in zip(column, column.isna(), strict=True)]
        return "text", json.dumps(texts).encode()
    if pd.api.types.is_integer_dtype(column) and (column.abs() > _EXACT_INTEGERS).any():
        return "integer", json.dumps([str(value) for value in column]).encode()
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
    numbers[np.isnan(numbers)] = np.nan
    return "number", numbers.astype("<f8").tobytes()


def sample_cards(rows: pd.DataFrame, *, n_legitimate: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Draw the bundled sample: every fraud of day 1 and some of its legitimate payments.

    The steps are: round V1 to V28 to 4 decimals and Amount to 2; drop exact duplicates (all
    columns but `row`), keeping the first; keep day 1; keep every fraud and draw legitimate rows
    without replacement. Rounding comes first, so that the full file and a copy of it stored in
    fewer digits give the same sample.

    Parameters
    ----------
    rows
        The card table with Time (seconds), V1 to V28, Amount and Class. A `row` column holds the
        original row numbers; without it, rows are numbered from 0.
    n_legitimate
        Legitimate rows to draw, at least 1; all of them if there are fewer.
    seed
        Seed of the draw.

    Returns
    -------
    DataFrame
        row, Time, V1 … V28, Amount, Class and weight (how many distinct day-1 rows one row
        stands for: 1 for a fraud), in the order of `row`.

    Raises
    ------
    InputError
        If `n_legitimate` is below 1.
    DataError
        If the rows are not the card table (see `check_rows`), or Time is not in whole seconds.
    TooFewLabelsError
        If day 1 lacks fraud or legitimate payments.

    References
    ----------
    Dal Pozzolo, Caelen, Johnson and Bontempi (2015), calibrating probability with undersampling
    for unbalanced classification.

    Examples
    --------
    >>> cards = pd.DataFrame(0.0, range(6), CARD_COLUMNS).assign(Time=range(6))
    >>> cards["Class"] = [0, 0, 0, 1, 0, 0]
    >>> sample_cards(cards, n_legitimate=2)[["row", "Class", "weight"]].to_numpy().tolist()
    [[3.0, 1.0, 1.0], [4.0, 0.0, 2.5], [5.0, 0.0, 2.5]]
    """
    if n_legitimate < 1:
        raise InputError(f"n_legitimate is {n_legitimate}.", "Draw at least one row.")
    distinct = _distinct_cards(rows)
    day = distinct[distinct["Time"] < SECONDS_PER_DAY]
    check_rows(day, features=("Time",), label="Class")
    legitimate = np.flatnonzero((day["Class"] == 0).to_numpy())
    n_drawn = min(n_legitimate, len(legitimate))
    drawn = np.random.default_rng(seed).choice(legitimate, n_drawn, replace=False)
    fraud = np.flatnonzero((day["Class"] == 1).to_numpy())
    sample = day.iloc[np.sort(np.concatenate([drawn, fraud]))].reset_index(drop=True)
    return sample.assign(weight=np.where(sample["Class"] == 1, 1.0, len(legitimate) / n_drawn))


def _distinct_cards(rows: pd.DataFrame) -> pd.DataFrame:
    """Round, number and sort the card table, and drop its exact duplicates."""
    check_rows(rows, features=CARD_COLUMNS[:-1], label="Class")
    if (rows["Time"] % 1 != 0).any():
        raise DataError("Time holds parts of a second.", "Give Time in whole seconds.")
    numbers = rows["row"] if "row" in rows.columns else np.arange(len(rows))
    cards = pd.DataFrame({"row": np.asarray(numbers, dtype=np.int64)})
    for name in CARD_COLUMNS:
        cards[name] = _card_values(rows[name])
    cards = cards.sort_values("row", kind="stable")
    return cards.drop_duplicates(list(CARD_COLUMNS)).reset_index(drop=True)


def _card_values(column: pd.Series) -> np.ndarray:
    if column.name in ("Time", "Class"):
        return column.to_numpy().astype(np.int64)
    decimals = AMOUNT_DECIMALS if column.name == "Amount" else COMPONENT_DECIMALS
    return np.round(column.to_numpy(dtype=np.float64), decimals) + 0.0


def write_sample(rows: pd.DataFrame, path: Path) -> None:
    """Write rows as gzipped CSV that depends on the rows alone: no name, no time.

    Parameters
    ----------
    rows
        The rows; their index is not written.
    path
        The file to write; the folder must exist.

    Notes
    -----
    Two versions of zlib may pack the same CSV into different bytes; the CSV is always the same.
    """
    text = rows.to_csv(index=False, lineterminator="\n")
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as file:
        file.write(text.encode())
    path.write_bytes(packed.getvalue())


@dataclass(frozen=True)
class CardSource:
    """The card rows at hand, where they are from, and their share of fraud."""

    rows: pd.DataFrame
    path: Path
    is_full: bool
    prevalence: float


def card_source(data_dir: Path) -> CardSource:
    """Find the card data: the full file if somebody put it there, else the bundled sample.

    Parameters
    ----------
    data_dir
        Folder that holds ``creditcard.csv``, ``creditcard.parquet`` or ``ulb_sample.csv.gz``.

    Returns
    -------
    CardSource
        Rows with `row` and `weight` (1 in the full file, whose duplicates are dropped), and the
        weighted share of fraud among them, in ``(0, 1)``.

    Raises
    ------
    InputError
        If none of the three files is there.
    DataError
        If the file is damaged or not the card table.
    """
    for name in (*CARD_FILES, SAMPLE_FILE):
        path = data_dir / name
        if path.is_file():
            rows = read_table(path)
            is_full = name != SAMPLE_FILE
            if is_full:
                rows = _distinct_cards(rows).assign(weight=1.0)
            check_rows(
                rows, features=(*CARD_COLUMNS[:-1], "weight"), label="Class", id_column="row"
            )
            share = float(np.average(rows["Class"], weights=rows["weight"]))
            return CardSource(rows=rows, path=path, is_full=is_full, prevalence=share)
    raise InputError(
        f"There is no card data in the folder {str(data_dir)!r}.",
        f"Put {SAMPLE_FILE} or {CARD_FILES[0]} there, or set HITL_DATA_DIR.",
    )


def split_by_time(
    rows: pd.DataFrame, *, time: str, shares: tuple[float, ...]
) -> list[pd.DataFrame]:
    """Cut rows into consecutive parts, so that the past never learns from the future.

    Parameters
    ----------
    rows
        The table.
    time
        Numeric column to sort by.
    shares
        Share of the rows in each part, above 0 and adding up to 1.

    Returns
    -------
    list of DataFrame
        One part per share, sorted by time, each with a fresh index. Rows of one time stay
        together: a time on which a cut falls goes to the later part, so parts may be a little
        smaller or larger than asked.

    Raises
    ------
    InputError
        If the shares are not above 0 or do not add up to 1.
    EmptyDataError
        If a part would have no row.

    Examples
    --------
    >>> rows = pd.DataFrame({"t": [4, 1, 2, 2]})
    >>> [part["t"].tolist() for part in split_by_time(rows, time="t", shares=(0.5, 0.5))]
    [[1], [2, 2, 4]]
    """
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise InputError(f"The shares {shares} do not add up to 1.", "Give positive shares.")
    check_rows(rows, features=(time,))
    ordered = rows.sort_values(time, kind="stable")
    times = ordered[time].to_numpy()
    asked = np.round(np.cumsum(shares)[:-1] * len(times)).astype(int)
    cuts = np.searchsorted(times, times[np.minimum(asked, len(times) - 1)], side="left")
    edges = [0, *cuts.tolist(), len(times)]
    parts = [ordered.iloc[a:b].reset_index(drop=True) for a, b in itertools.pairwise(edges)]
    if any(part.empty for part in parts):
        raise EmptyDataError(
            f"Cutting {len(times):,} rows by {time!r} into {len(shares)} parts leaves one empty.",
            "Give more rows, or fewer and larger parts.",
        )
    return parts
