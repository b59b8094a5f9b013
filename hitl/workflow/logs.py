"""The log of a workspace's cases: check its chain and its heads, write it out, take it over."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hitl import datasets
from hitl.errors import InputError
from hitl.store import Store, Work, chains
from hitl.store.chains import BEGINNING, FIELDS, TEXTS, WHOLE_NUMBERS, hash_of, line
from hitl.workflow import people
from hitl.workflow.decision_files import guarded, unguarded
from hitl.workflow.people import Person

LONGEST = 2**30
"""Characters a field of a log may have."""

PART = 20_000
"""Events that are written at once."""


@dataclass(frozen=True)
class Verified:
    """What a check of the log found; ``first_bad`` is the number of the first event in question."""

    workspace: str
    events: int
    valid: bool
    first_bad: int | None
    sentence: str


def verify(store: Store, workspace: str, *, whole: bool = True) -> Verified:
    """Check that a workspace's events are those that were written, and its heads their fold.

    Every event's hash is computed again, every event has to name the hash before it, no number may
    be missing, the last event has to be the one the chain ends with, and every head has to follow
    from its events.

    Parameters
    ----------
    whole
        If false, only the hashes of events since the last check that passed are computed again;
        everything else is checked all the same. A start does this.
    """
    with store.transaction() as work:
        return _verified(work, workspace, whole)


def _verified(work: Work, workspace: str, whole: bool) -> Verified:
    number, last, checked = _end(work, workspace)
    (events,) = work.rows("event_count", workspace)[0]
    bad = _first_bad(work, workspace, number, last, 0 if whole else checked)
    if bad is not None:
        return _broken(workspace, events, bad)
    for what in ("head_differences", "place_differences") if whole else ("head_differences",):
        different, case = work.rows(what, workspace)[0]
        if different:
            return _strayed(work, workspace, events, case)
    if number > checked:
        work.rows("mark_checked", workspace, number)
    sentence = f"All {events:,} events are as they were written, and the queue follows from them."
    return Verified(workspace, events, valid=True, first_bad=None, sentence=sentence)


def _end(work: Work, workspace: str) -> tuple[int, str, int]:
    found = work.rows("chain_head", workspace)
    number, last, checked = found[0] if found else (0, chains.BEGINNING, 0)
    return int(number), str(last), int(checked)


def _first_bad(work: Work, workspace: str, number: int, last: str, since: int) -> int | None:
    """Find the first event that breaks the chain; hashes are computed from `since` on."""
    breaks, place = work.rows("chain_breaks", workspace)[0]
    found = [int(place)] if breaks else []
    before = chains.BEGINNING
    position = max(since - 1, 0)
    for batch in work.batches("chain_part", workspace, position):
        if position and before == chains.BEGINNING:  # the last checked event gives the beginning
            before = str(batch["previous_hash"][0].as_py())
        bad = chains.first_bad(batch, position, before)
        if bad is not None:
            return min([*found, bad])
        position += batch.num_rows
        before = str(batch["hash"][-1].as_py())
    if not found and (position, before) != (number, last):
        return min(position, number) + 1
    return min(found, default=None)


def _broken(workspace: str, events: int, bad: int) -> Verified:
    sentence = (
        f"Event {bad:,} of {workspace} is not the one that was written; what comes after it cannot "
        "be trusted either. Restore a backup, or compare with an exported log."
    )
    return Verified(workspace, events, valid=False, first_bad=bad, sentence=sentence)


def _strayed(work: Work, workspace: str, events: int, case: str) -> Verified:
    found = work.view("case_events", workspace=workspace, instance_id=case)
    bad = int(found["number"].max()) if len(found) else None
    sentence = (
        f"The queue does not follow from its events: case {case} differs. "
        "Export the log and import it into a new database."
    )
    return Verified(workspace, events, valid=False, first_bad=bad, sentence=sentence)


COLUMNS = (*FIELDS, "hash", "shown")
"""Columns of an exported log: every field a hash covers, the hash, and what was on the screen."""


def log_export(store: Store, workspaces: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Give the whole log, hashes included, in parts that fit in memory.

    Yields
    ------
    DataFrame
        The columns of `COLUMNS` as text, by workspace and number; texts are `guarded` against
        spreadsheets, and `log_import` takes the guard off again.
    """
    with store.transaction() as work:
        for workspace in workspaces:
            for batch in work.batches("log_part", workspace):
                rows = batch.to_pandas()
                yield pd.DataFrame({name: _as_text(name, rows[name]) for name in COLUMNS})


def read_log(content: bytes) -> Iterator[list[str]]:
    """Read the rows of an exported log, its header first; a row that cannot be read is empty.

    Parameters
    ----------
    content
        A CSV or Parquet file.

    Raises
    ------
    FileFormatError
        If it is neither.
    """
    if content.startswith(b"PAR1"):
        table = datasets.read_table(content, "the log").astype(str)
        yield [str(name) for name in table.columns]
        yield from table.to_numpy().tolist()
        return
    csv.field_size_limit(LONGEST)
    reader = csv.reader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline=""))
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield []


def log_import(
    store: Store, rows: Iterable[Sequence[str]], *, person: Person
) -> tuple[Verified, ...]:
    """Take an exported log over into workspaces that have no event yet: the same heads and chain.

    Parameters
    ----------
    rows
        The header and rows of text in the order of `COLUMNS`, oldest first in each workspace.

    Returns
    -------
    tuple of Verified
        One for each workspace. If an event is not the one that was written, there is one that names
        its row in the file, counted from 1 after the header (0), and nothing is written.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If a workspace has events already.
    """
    people.check(person, "log_import")
    events, shown, bad = _read(rows)
    if bad is not None:
        return (_broken(bad[1], len(events), bad[0]),)

    def verb(work: Work) -> tuple[Verified, ...]:
        names = list(dict.fromkeys(event["workspace"] for event in events))
        for name in names:
            _take_over(work, name, [event for event in events if event["workspace"] == name])
        work.append("shown_evidence", shown)
        return tuple(_verified(work, name, whole=True) for name in names)

    return store.write(verb)


def _take_over(work: Work, workspace: str, events: list[dict[str, Any]]) -> None:
    number, _ = work.rows("begin_chain", workspace)[0]
    if number:
        raise InputError(
            f"{workspace} has {number:,} events already.", "Import the log into a new database."
        )
    for start in range(0, len(events), PART):
        work.append("case_events", events[start : start + PART])
    work.rows("move_chain", workspace, events[-1]["number"], events[-1]["hash"])
    work.rows("fold_heads", workspace, 0)


def _read(
    rows: Iterable[Sequence[str]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], tuple[int, str] | None]:
    """Read events and what was shown with them, up to the first row that is not as written."""
    events: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    ends: dict[str, tuple[int, str]] = {}
    numbered = enumerate(rows)
    if list(next(numbered, (0, []))[1]) != list(COLUMNS):
        return events, shown, (0, "the header")
    for position, row in numbered:
        event = _event(row, ends)
        if event is None:
            return events, shown, (position, str(row[0]) if row else "the file")
        text = event.pop("shown")
        ends[event["workspace"]] = event["number"], event["hash"]
        events.append(event)
        if text:
            shown.append(_shown_row(event, text))
    return events, shown, None


def _event(row: Sequence[str], ends: Mapping[str, tuple[int, str]]) -> dict[str, Any] | None:
    """Read one row; nothing if it is not the event that was written."""
    if len(row) != len(COLUMNS):
        return None
    given = dict(zip(COLUMNS, row, strict=True))
    try:
        event: dict[str, Any] = {name: unguarded(given[name]) for name in (*TEXTS, "hash", "shown")}
        event |= {name: int(given[name]) for name in WHOLE_NUMBERS}
        event |= {"seconds": float(given["seconds"]), "is_positive": _TRUTH[given["is_positive"]]}
        details = json.loads(event["details"])
        wanted = details.get("shown_sha256", "")
    except (ValueError, KeyError, AttributeError):
        return None
    exact = all(given[name] == _exact(event[name]) for name in (*WHOLE_NUMBERS, "seconds"))
    here = event["number"] - 1, event["previous_hash"]
    chained = here == ends.get(event["workspace"], (0, BEGINNING))
    found = hash_of(event["shown"]) if event["shown"] else ""
    same = hash_of(line(event)) == event["hash"] and found == wanted
    return event if exact and chained and same else None


_TRUTH = {"": None, "True": True, "False": False}


def _shown_row(event: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {
        "event_id": event["event_id"],
        "workspace": event["workspace"],
        "instance_id": event["instance_id"],
        "explanation_key": str(json.loads(text).get("explanation_key", "")),
        "shown": text,
        "shown_ms": event["happened_ms"],
    }


def _as_text(name: str, column: "pd.Series[Any]") -> "pd.Series[Any]":
    if name in WHOLE_NUMBERS or name == "seconds":
        return column.map(_exact)
    if name == "is_positive":
        return column.map(lambda value: "" if pd.isna(value) else str(bool(value)))
    return guarded(column.fillna("").to_frame())[name]


def _exact(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float) else str(int(value))
