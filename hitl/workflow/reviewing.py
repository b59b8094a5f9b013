"""The queue: claim a case, decide it, undo, put it back; import and export decisions."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hitl.errors import (
    AlreadyDecidedError,
    ConflictError,
    DuplicateIdsError,
    InputError,
    LeaseLostError,
    MissingColumnsError,
    UnknownRowError,
)
from hitl.explain.keys import canonical, plain
from hitl.store import Store, Work
from hitl.workspaces import REASONS, UNSURE, Workspace

MS_PER_MINUTE = 60_000
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


@dataclass(frozen=True)
class Claim:
    """A case held by one reviewer until its lease ends; the fence tells stale forms apart."""

    instance_id: str
    reviewer: str
    fence: int
    lease_until_ms: int


@dataclass(frozen=True)
class Decided:
    """A decision that stands, as its reviewer made it."""

    instance_id: str
    verdict: str
    reason: str
    note: str
    happened_ms: int


def claim(
    store: Store,
    workspace: Workspace,
    reviewer: str,
    *,
    now_ms: int,
    lease_minutes: float = 10.0,
    instance_id: str | None = None,
) -> Claim | None:
    """Give a reviewer the case they hold, or the next one, or the one they name.

    Returns nothing when no case waits. Two reviewers never get the same one.

    Raises
    ------
    InputError
        If the reviewer has no name.
    UnknownRowError
        If the named case is not in the queue.
    AlreadyDecidedError
        If the named case is decided.
    LeaseLostError
        If somebody else holds the named case.
    """
    reviewer = _named(reviewer)
    until_ms = now_ms + int(lease_minutes * MS_PER_MINUTE)

    def verb(work: Work) -> Claim | None:
        held = work.rows("held_case", workspace.name, reviewer, now_ms)
        if held and instance_id in (None, held[0][0]):
            return Claim(held[0][0], reviewer, held[0][1], held[0][2])
        params = (workspace.name, reviewer, until_ms, now_ms)
        taken = (
            work.rows("claim_next", *params)
            if instance_id is None
            else work.rows("claim_one", *params, instance_id)
        )
        if not taken:
            return None
        claimed = Claim(taken[0][0], reviewer, taken[0][1], until_ms)
        work.append("case_events", [_event(workspace, claimed, "claimed", now_ms)])
        if held:
            _settle(work, workspace, Claim(held[0][0], reviewer, held[0][1], 0), "released", now_ms)
        return claimed

    claimed = store.write(verb)
    if claimed is None and instance_id is not None:
        _refuse(store, workspace, instance_id)
    return claimed


def held(store: Store, workspace: Workspace, reviewer: str) -> Claim | None:
    """Find the case a reviewer holds; a lease that ran out counts until somebody else takes it."""
    reviewer = _typed(reviewer)
    found = store.rows("kept_case", workspace.name, reviewer)
    return Claim(found[0][0], reviewer, found[0][1], found[0][2]) if found else None


def newest(store: Store, workspace: Workspace, reviewer: str) -> Decided | None:
    """Find the decision `undo` would take back: the newest of this reviewer that stands."""
    found = store.rows("newest_decision", workspace.name, _typed(reviewer))
    if not found:
        return None
    instance_id, _, verdict, reason, note, happened_ms = found[0]
    return Decided(instance_id, verdict, reason, note, happened_ms)


def decide(
    store: Store,
    workspace: Workspace,
    claimed: Claim,
    *,
    verdict: str,
    reason: str,
    note: str = "",
    key: str,
    model_id: str = "",
    seconds: float = 0.0,
    shown: Mapping[str, Any] | None = None,
    now_ms: int,
) -> None:
    """Record a decision on a claimed case.

    Parameters
    ----------
    claimed
        The claim the form was opened with.
    verdict, reason
        One of the workspace's verdicts and of its reasons.
    key
        Idempotency key of this submit: the same key again changes nothing.
    model_id
        The model whose score the person saw.
    shown
        What was on the screen, as plain values: ``explanation_key`` and the parts in their
        order. It is kept beside the decision, word for word.

    Raises
    ------
    InputError
        If verdict or reason is not on the list, or the key belongs to another submit.
    AlreadyDecidedError
        If the case was decided meanwhile.
    LeaseLostError
        If the case passed to somebody else.
    """
    check_verdict(workspace, verdict, reason)

    def verb(work: Work) -> bool:
        if _is_written(work, claimed, key):
            return True
        details: dict[str, Any] = {
            "event_id": key,
            "verdict": verdict,
            "is_positive": _is_positive(workspace, verdict),
            "reason": reason,
            "note": _typed(note),
            "model_id": model_id,
            "seconds": float(seconds),
        }
        settled = _settle(work, workspace, claimed, "decided", now_ms, **details)
        if settled and shown is not None:
            work.append("shown_evidence", [_shown(workspace, claimed, key, shown, now_ms)])
        # The same submit may have gone through elsewhere while this one waited for the case.
        return settled or _is_written(work, claimed, key)

    if not store.write(verb):
        kept = " What you typed is still there if the case comes back to you."
        _refuse(store, workspace, claimed.instance_id, kept)


def release(store: Store, workspace: Workspace, claimed: Claim, *, now_ms: int) -> None:
    """Put a claimed case back into the queue."""
    store.write(lambda work: _settle(work, workspace, claimed, "released", now_ms))


def undo(
    store: Store,
    workspace: Workspace,
    reviewer: str,
    *,
    now_ms: int,
    lease_minutes: float = 10.0,
    instance_id: str | None = None,
) -> Claim | None:
    """Take back a reviewer's newest decision, as a new event, and hand them the case again.

    Returns nothing when there is no decision of theirs to take back, or when the newest is not of
    the case they name.
    """
    reviewer = _named(reviewer)

    def verb(work: Work) -> Claim | None:
        found = work.rows("newest_decision", workspace.name, reviewer)
        if not found or instance_id not in (None, found[0][0]):
            return None
        held = work.rows("held_case", workspace.name, reviewer, now_ms)
        newest_id, fence = found[0][0], found[0][1]
        until_ms = now_ms + int(lease_minutes * MS_PER_MINUTE)
        decided = Claim(newest_id, reviewer, fence, until_ms)
        if not _settle(work, workspace, decided, "undone", now_ms):
            return None  # taken back elsewhere at the same moment
        if held:
            _settle(work, workspace, Claim(held[0][0], reviewer, held[0][1], 0), "released", now_ms)
        return Claim(newest_id, reviewer, fence + 1, until_ms)

    return store.write(verb)


def check_verdict(workspace: Workspace, verdict: str, reason: str) -> None:
    """Refuse a verdict or reason that is not on the list."""
    if verdict not in workspace.verdicts:
        raise InputError(
            f"{verdict!r} is not a verdict here.", f"Use one of: {', '.join(workspace.verdicts)}."
        )
    if reason not in REASONS[verdict]:
        raise InputError(
            f"{reason!r} is not a reason for {verdict}.",
            f"Use one of: {'; '.join(REASONS[verdict])}.",
        )


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


def _unguarded(text: str) -> str:
    """Take one apostrophe off where `_guarded` would have put it."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def import_decisions(
    store: Store, workspace: Workspace, rows: pd.DataFrame, *, now_ms: int, imported_by: str
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
    missing = [name for name in ("instance_id", "verdict") if name not in rows.columns]
    if missing:
        raise MissingColumnsError(
            f"The decision file lacks {' and '.join(missing)}.",
            f"Export one for the layout: its columns are {', '.join(EXPORTED)}.",
        )
    records = [_imported(workspace, row, imported_by) for row in rows.to_dict("records")]
    counts = Counter(record["instance_id"] for record in records)
    twice = [instance_id for instance_id, count in counts.items() if count > 1]
    if twice:
        raise DuplicateIdsError(
            f"Case {twice[0]} is in the file {counts[twice[0]]} times.", "Keep one row for a case."
        )

    def verb(work: Work) -> int:
        folds = work.view("case_folds", workspace=workspace.name).set_index("instance_id")
        standing = folds.to_dict("index")
        return sum(_import_one(work, workspace, record, standing, now_ms) for record in records)

    return store.write(verb)


def _imported(workspace: Workspace, row: Mapping[Any, Any], imported_by: str) -> dict[str, Any]:
    def text(name: str, default: str = "") -> str:
        value = row.get(name)
        return default if pd.isna(value) else _typed(_unguarded(str(value))) or default

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
        "reviewer": _named(text("reviewer", imported_by)),
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


def _import_one(
    work: Work,
    workspace: Workspace,
    record: dict[str, Any],
    standing: Mapping[Any, Mapping[Any, Any]],
    now_ms: int,
) -> bool:
    instance_id = record["instance_id"]
    if instance_id not in standing:
        raise UnknownRowError(
            f"There is no case {instance_id!r} in {workspace.name}.",
            "Import into the workspace and database the file came from.",
        )
    now = standing[instance_id]
    status, fence = str(now["status"]), int(now["fence"])
    if status == "decided" and all(now[name] == record[name] for name in COMPARED):
        return False
    key = "|".join([instance_id, str(fence), *(record[name] for name in COMPARED)])
    details = {
        **record,
        "event_id": "import-" + hashlib.sha256(key.encode()).hexdigest()[:24],
        "is_positive": _is_positive(workspace, record["verdict"]),
        "source": "import",
    }
    holder = Claim(instance_id, record["reviewer"], fence, 0)
    if not _settle(work, workspace, holder, "imported", now_ms, status=status, **details):
        raise ConflictError(f"Case {instance_id} changed at the same moment.", "Import again.")
    return True


_STATUS = {"decided": "decided", "imported": "decided", "released": "open", "undone": "claimed"}
_BEFORE = {"decided": "claimed", "released": "claimed", "undone": "decided"}


def _settle(
    work: Work,
    workspace: Workspace,
    claimed: Claim,
    kind: str,
    now_ms: int,
    status: str | None = None,
    **details: Any,
) -> bool:
    holder = "" if kind == "released" else claimed.reviewer
    until_ms = claimed.lease_until_ms if kind == "undone" else 0
    before = status or _BEFORE[kind]
    params = (claimed.instance_id, before, claimed.fence, _STATUS[kind], holder, until_ms)
    moved = work.rows("settle_case", *params)
    if not moved:
        return False
    after = Claim(claimed.instance_id, claimed.reviewer, moved[0][0], until_ms)
    work.append("case_events", [{**_event(workspace, after, kind, now_ms), **details}])
    return True


def _event(workspace: Workspace, claimed: Claim, kind: str, now_ms: int) -> dict[str, Any]:
    return {
        "event_id": f"{claimed.instance_id}-{claimed.fence}-{kind}",
        "workspace": workspace.name,
        "instance_id": claimed.instance_id,
        "fence": claimed.fence,
        "kind": kind,
        "reviewer": claimed.reviewer,
        "lease_until_ms": claimed.lease_until_ms,
        "model_id": "",
        "verdict": "",
        "is_positive": None,
        "reason": "",
        "note": "",
        "source": "reviewer",
        "seconds": 0.0,
        "happened_ms": now_ms,
    }


def _shown(
    workspace: Workspace, claimed: Claim, event_id: str, shown: Mapping[str, Any], now_ms: int
) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "workspace": workspace.name,
        "instance_id": claimed.instance_id,
        "explanation_key": str(shown.get("explanation_key", "")),
        "shown": canonical(plain(shown)),
        "shown_ms": now_ms,
    }


def _is_written(work: Work, claimed: Claim, key: str) -> bool:
    """Say whether this very submit was recorded already."""
    found = work.rows("event_exists", key)
    if found and found[0] != (claimed.instance_id, claimed.reviewer, "decided", claimed.fence + 1):
        raise InputError(
            f"The key {key!r} belongs to another submit, of case {found[0][0]}.",
            "Give every submit a key of its own.",
        )
    return bool(found)


def _refuse(store: Store, workspace: Workspace, instance_id: str, kept: str = "") -> None:
    head = store.rows("case_head", workspace.name, instance_id)
    if not head:
        raise UnknownRowError(
            f"Case {instance_id} is not in the queue.", "Choose one from the list of waiting cases."
        )
    status, holder, _, _ = head[0]
    if status == "decided":
        raise AlreadyDecidedError(
            f"Case {instance_id} was decided by {holder} meanwhile.",
            f"Take the next case.{kept}",
        )
    raise LeaseLostError(
        f"Case {instance_id} is not yours any more.",
        f"{holder or 'Nobody'} holds it now.{kept}",
    )


def _is_positive(workspace: Workspace, verdict: str) -> bool | None:
    return None if verdict == UNSURE else verdict == workspace.positive


def _typed(text: str) -> str:
    """Tidy a typed text; PostgreSQL stores no NUL."""
    return text.replace("\x00", "").strip()


def _named(reviewer: str) -> str:
    name = _typed(reviewer)
    if not name:
        raise InputError("A decision needs a name.", "Write yours at the top right.")
    return name
