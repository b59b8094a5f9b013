"""The chain of case events: a hash covers all fields of an event and the hash before it."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

TEXTS = (
    "workspace",
    "event_id",
    "instance_id",
    "kind",
    "status",
    "reviewer",
    "role",
    "model_id",
    "verdict",
    "reason",
    "note",
    "source",
    "details",
    "previous_hash",
)
WHOLE_NUMBERS = ("number", "fence", "lease_until_ms", "happened_ms")
FIELDS = (*TEXTS, *WHOLE_NUMBERS, "seconds", "is_positive")
"""What a hash covers, in this order: every field of an event but the hash itself."""

PLACE = (
    "queued_for", "inclusion", "priority", "queued_ms", "stratum", "turn", "place", "due_ms",
    "mode", "opinions", "batch_id", "entity", "joined",
)  # fmt: skip
"""What the first event of a case says of its place in the queue."""

ESCAPED = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
UNKNOWN = "\\N"
BEGINNING = ""
"""The hash before the first event."""


def line(event: Mapping[str, Any]) -> str:
    r"""Write an event as one line of text, in one way only.

    Fields are separated by tabs; a tab, an end of line and a backslash inside a text are escaped,
    so that two different events never give the same line.

    Parameters
    ----------
    event
        All of `FIELDS`; ``is_positive`` may be nothing.

    Examples
    --------
    >>> event = dict.fromkeys(TEXTS, "") | dict.fromkeys(WHOLE_NUMBERS, 1)
    >>> event |= {"seconds": 0.5, "is_positive": None, "note": "a\tb"}
    >>> line(event)
    '\t\t\t\t\t\t\t\t\t\ta\\tb\t\t\t\t1\t1\t1\t1\t0.5\t\\N'
    """
    parts = [_escaped(event[name]) for name in TEXTS]
    parts += [str(int(event[name])) for name in WHOLE_NUMBERS]
    truth = event["is_positive"]
    parts += [repr(float(event["seconds"])), UNKNOWN if truth is None else str(bool(truth))]
    return "\t".join(parts)


def hash_of(text: str) -> str:
    """Return the SHA-256 of a line, in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def chained(
    events: Sequence[Mapping[str, Any]], number: int, previous_hash: str
) -> list[dict[str, Any]]:
    """Give events their numbers and chain them to the one before.

    Parameters
    ----------
    events
        Events without ``number``, ``previous_hash`` and ``hash``.
    number, previous_hash
        Those of the last event so far; 0 and `BEGINNING` if there is none.

    Returns
    -------
    list of dict
        The events with their three new fields.
    """
    rows: list[dict[str, Any]] = []
    for event in events:
        number += 1
        row = {**event, "number": number, "previous_hash": previous_hash}
        previous_hash = row["hash"] = hash_of(line(row))
        rows.append(row)
    return rows


def lines(table: pa.Table) -> list[str]:
    """Write all events of a table, as `line` writes each.

    Parameters
    ----------
    table
        All of `FIELDS`, shape ``(n_events, …)``.
    """
    columns = [_escaped_column(table[name]) for name in TEXTS]
    columns += [table[name].cast(pa.string()) for name in WHOLE_NUMBERS]
    seconds = [repr(value) for value in table["seconds"].to_pylist()]
    columns.append(pa.chunked_array([seconds], pa.string()))
    truth = pc.if_else(table["is_positive"].cast(pa.bool_()), "True", "False")
    columns.append(pc.fill_null(truth, UNKNOWN))
    plain = [column.combine_chunks().cast(pa.string()) for column in columns]
    joined: list[str] = pc.binary_join_element_wise(*plain, "\t").to_pylist()
    return joined


def first_bad(table: pa.Table, number: int, previous_hash: str) -> int | None:
    """Find the first event that is not the one that was written.

    Parameters
    ----------
    table
        All of `FIELDS` and ``hash``, by rising number.
    number, previous_hash
        Those of the event before the first row; 0 and `BEGINNING` at the beginning.

    Returns
    -------
    int or None
        The number the event should have; nothing if all are as they were written.
    """
    numbers = table["number"].to_pylist()
    before, hashes = table["previous_hash"].to_pylist(), table["hash"].to_pylist()
    for i, text in enumerate(lines(table)):
        number += 1
        if numbers[i] != number or before[i] != previous_hash or hash_of(text) != hashes[i]:
            return number
        previous_hash = hashes[i]
    return None


class _Transaction(Protocol):
    def rows(self, sql: str, params: Sequence[Any] = ()) -> Any: ...

    def batches(self, sql: str) -> Iterator[pa.Table]: ...

    def append(self, table: str, batch: pa.Table) -> int: ...


_STATUS = {"decided": "decided", "imported": "decided", "claimed": "claimed", "undone": "claimed"}
_OLD = """
SELECT e.*, h.queued_for, h.inclusion, h.priority, h.queued_ms, h.stratum, h.turn, h.place,
    h.due_ms, h.mode, h.opinions, h.batch_id, h.entity, h.joined
FROM case_events e LEFT JOIN case_heads h ON h.instance_id = e.instance_id
ORDER BY e.workspace,
    max(e.happened_ms) OVER (PARTITION BY e.instance_id ORDER BY e.fence), e.instance_id, e.fence
"""
"""Clocks may differ between processes; within a case the fence says what came first."""

_MARKS = pa.schema(
    [
        ("event_id", pa.string()),
        ("instance_id", pa.string()),
        ("workspace", pa.string()),
        ("number", pa.int64()),
        ("status", pa.string()),
        ("details", pa.string()),
        ("previous_hash", pa.string()),
        ("hash", pa.string()),
    ]
)

_WRITTEN = (
    "UPDATE case_events SET number = m.number, status = m.status, details = m.details, "
    "previous_hash = m.previous_hash, hash = m.hash FROM marks m "
    "WHERE m.event_id = case_events.event_id",
    "UPDATE case_heads SET number = m.number FROM "
    "(SELECT instance_id, max(number) AS number FROM marks GROUP BY instance_id) m "
    "WHERE m.instance_id = case_heads.instance_id",
    "INSERT INTO chain_heads (workspace, number, hash, checked) "
    "SELECT m.workspace, m.number, m.hash, 0 FROM marks m JOIN "
    "(SELECT workspace, max(number) AS number FROM marks GROUP BY workspace) n "
    "ON n.workspace = m.workspace AND n.number = m.number",
    "DROP TABLE marks",
)


def chain_old_events(work: _Transaction) -> None:
    """Give the events of a database from before the chain their numbers and hashes."""
    marks: list[dict[str, Any]] = []
    last: dict[str, tuple[int, str]] = {}
    for batch in work.batches(_OLD):
        for old in batch.to_pylist():
            number, previous = last.get(old["workspace"], (0, BEGINNING))
            (row,) = chained([_with_status(old)], number, previous)
            last[old["workspace"]] = (row["number"], row["hash"])
            marks.append({name: row[name] for name in _MARKS.names})
    if not marks:
        return
    columns = ", ".join(
        f"{field.name} {'BIGINT' if field.type == pa.int64() else 'TEXT'}" for field in _MARKS
    )
    work.rows(f"CREATE TEMPORARY TABLE marks ({columns})")
    work.append("marks", pa.Table.from_pylist(marks, schema=_MARKS))
    for statement in _WRITTEN:
        work.rows(statement)


def _with_status(old: Mapping[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if old["kind"] == "queued" and old["queued_for"] is not None:
        details = {name: old[name] for name in PLACE}
    return {
        **old,
        "status": _STATUS.get(old["kind"], "open"),
        "role": "",
        "details": json.dumps(details, sort_keys=True, separators=(",", ":")),
    }


def _escaped(text: str) -> str:
    for character, instead in ESCAPED:
        text = text.replace(character, instead)
    return text


def _escaped_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    column = column.cast(pa.string())
    for character, instead in ESCAPED:
        column = pc.replace_substring(column, pattern=character, replacement=instead)
    return column
