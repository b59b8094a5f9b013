"""Decisions out to a file and in again."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from hitl.errors import DuplicateIdsError, InputError, MissingColumnsError, UnknownRowError
from hitl.store import Store, Work
from hitl.workflow import journal, people
from hitl.workflow.deciding import check_verdict, is_positive, tidied
from hitl.workflow.journal import Head
from hitl.workflow.people import Person
from hitl.workspaces import REASONS, Workspace

EXPORTED = (
    "instance_id",
    "verdict",
    "reason",
    "note",
    "reviewer",
    "source",
    "model_id",
    "seconds",
    "happened_ms",
)
"""Columns of an exported decision file, in order."""

COMPARED = ("verdict", "reason", "note", "reviewer")
"""What makes an imported decision the one that stands already."""

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet would run, with any apostrophes that keep it from that."""


def export_decisions(store: Store, workspace: Workspace) -> pd.DataFrame:
    """List the standing decisions, oldest first, in the columns `import_decisions` reads.

    Texts are `guarded` against spreadsheets; the import takes the guard off again.
    """
    rows = store.view("decisions", workspace=workspace.name, order=("happened_ms", "instance_id"))
    return guarded(rows[list(EXPORTED)])


def guarded(rows: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before every text that a spreadsheet would run as a formula.

    Examples
    --------
    >>> guarded(pd.DataFrame({"note": ["=1+1", "'=1+1", "'tis", "fine"]}))["note"].tolist()
    ["'=1+1", "''=1+1", "'tis", 'fine']
    """
    return rows.map(_guarded)


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def unguarded(text: str) -> str:
    """Take one apostrophe off where `_guarded` would have put it."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def import_decisions(
    store: Store, workspace: Workspace, rows: pd.DataFrame, *, now_ms: int, person: Person
) -> int:
    """Add decisions from a file; all of them or none, and the same file again changes nothing.

    An imported decision keeps its reviewer, the model they saw and the seconds they took; its
    source is ``import`` and its time is that of the import.

    Returns
    -------
    int
        Decisions that are new.

    Raises
    ------
    MissingColumnsError
        If ``instance_id`` or ``verdict`` is missing.
    DuplicateIdsError
        If a case is there twice.
    InputError
        If a verdict, reason or number of seconds cannot be used, or a decision has no name.
    UnknownRowError
        If a case is not in this workspace.
    """
    people.check(person, "import_decisions")
    missing = [name for name in ("instance_id", "verdict") if name not in rows.columns]
    if missing:
        raise MissingColumnsError(
            f"The decision file lacks {' and '.join(missing)}.",
            f"Export one for the layout: its columns are {', '.join(EXPORTED)}.",
        )
    records = [_imported(workspace, row, person) for row in rows.to_dict("records")]
    counts = Counter(record["instance_id"] for record in records)
    twice = [instance_id for instance_id, count in counts.items() if count > 1]
    if twice:
        raise DuplicateIdsError(
            f"Case {twice[0]} is in the file {counts[twice[0]]} times.", "Keep one row for a case."
        )

    def verb(work: Work) -> int:
        journal.locked(work, workspace)
        standing = work.view("decisions", workspace=workspace.name).set_index("instance_id")
        compared = standing[list(COMPARED)].to_dict("index")
        heads = {str(row["instance_id"]): Head(**row) for row in _heads(work, workspace)}
        events = [
            _event(workspace, record, heads, person, now_ms)
            for record in records
            if not _stands(record, compared.get(record["instance_id"]))
        ]
        journal.record(work, workspace.name, events)
        return len(events)

    return store.write(verb)


def _heads(work: Work, workspace: Workspace) -> list[dict[str, Any]]:
    columns = [field.name for field in fields(Head)]
    found = work.view("case_heads", workspace=workspace.name)[columns]
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


def _stands(record: Mapping[str, Any], now: Mapping[Any, Any] | None) -> bool:
    return now is not None and all(now[name] == record[name] for name in COMPARED)


def _imported(workspace: Workspace, row: Mapping[Any, Any], person: Person) -> dict[str, Any]:
    def text(name: str, default: str = "") -> str:
        value = row.get(name)
        return default if pd.isna(value) else tidied(unguarded(str(value))) or default

    instance_id, verdict = text("instance_id"), text("verdict")
    if verdict not in workspace.verdicts:
        raise InputError(
            f"Case {instance_id}: {verdict!r} is not a verdict here.",
            f"Use one of: {', '.join(workspace.verdicts)}.",
        )
    record: dict[str, Any] = {
        "instance_id": instance_id,
        "verdict": verdict,
        "reason": text("reason", REASONS[verdict][0]),
        "note": text("note"),
        "reviewer": Person(text("reviewer", person.name)).name,
        "model_id": text("model_id"),
        "seconds": _seconds(instance_id, text("seconds", "0")),
    }
    check_verdict(workspace, verdict, record["reason"])
    return record


def _seconds(instance_id: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < float("inf"):
        raise InputError(
            f"Case {instance_id}: {text!r} is not a number of seconds.",
            "Leave the field empty if it is not known.",
        )
    return seconds


def _event(
    workspace: Workspace,
    record: dict[str, Any],
    heads: Mapping[str, Head],
    person: Person,
    now_ms: int,
) -> dict[str, Any]:
    instance_id = record["instance_id"]
    if instance_id not in heads:
        raise UnknownRowError(
            f"There is no case {instance_id!r} in {workspace.name}.",
            "Import into the workspace and database the file came from.",
        )
    before = heads[instance_id]
    key = "|".join([instance_id, str(before.fence), *(record[name] for name in COMPARED)])
    details = {
        name: value for name, value in record.items() if name not in ("instance_id", "reviewer")
    }
    return journal.moved(
        before, "imported", Person(record["reviewer"]), now_ms=now_ms, status="decided",
        event_id="import-" + hashlib.sha256(key.encode()).hexdigest()[:24], source="import",
        is_positive=is_positive(workspace, record["verdict"]),
        role="", details={"imported_by": person.name}, **details,
    )  # fmt: skip
