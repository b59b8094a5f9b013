"""What the terminal prints and writes: JSON on stdout, sentences on stderr, files whole or not."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from hitl.errors import FileFormatError, InputError
from hitl.explain.keys import plain


def tell(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print an answer: as JSON on stdout, or its sentence on stderr."""
    shown = {name: part for name, part in answer.items() if name != "said"}
    text = json.dumps(plain(shown), indent=2, allow_nan=False)
    if as_json:
        print(text, flush=True)
    else:
        say(answer.get("said") or text)


def say(sentence: str) -> None:
    """Print a sentence for people on stderr."""
    print(sentence, file=sys.stderr)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a file to write to; it takes the path's place when it is complete."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    """Write a text to a file, whole or not at all."""
    with whole(path) as partial:
        partial.write_text(content, encoding="utf-8")


def write_table(rows: pd.DataFrame, path: Path) -> None:
    """Write rows as CSV or Parquet, as the ending says, whole or not at all."""
    with whole(path) as partial:
        if path.suffix == ".parquet":
            rows.to_parquet(partial, index=False)
        else:
            rows.to_csv(partial, index=False)


def in_a_folder(name: str) -> Path:
    """Read a path to write to; refuse one whose folder is not there."""
    path = Path(name)
    if not path.resolve().parent.is_dir():
        raise InputError(f"There is no folder {path.parent}.", "Make it first, or name another.")
    return path


def table_path(name: str) -> Path:
    """Read a path to write rows to; refuse any ending but .csv and .parquet."""
    path = in_a_folder(name)
    if path.suffix not in (".csv", ".parquet"):
        raise FileFormatError(
            f"{path.name} is neither .csv nor .parquet.", "End the file's name with one of them."
        )
    return path
