"""The journal of a workspace's cases: a chain of events, and heads that are what they add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl.errors import AlreadyDecidedError, InputError, LeaseLostError, UnknownRowError
from hitl.explain.keys import canonical, plain
from hitl.store import Work
from hitl.store.chains import chained, hash_of
from hitl.workflow.people import Person
from hitl.workspaces import Workspace

WAITING = {"first": "open", "second": "second opinion", "adjudication": "escalated"}
"""The status of a case that waits for somebody, by the stage it is in."""

SETTLED = ("decided", "closed")
"""Where a case waits for nobody."""

MS_PER_TURN = 600_000
"""Waiting this long brings a case one turn forward, so that every case's turn comes."""

PLACE = {
    "queued_for": "",
    "inclusion": 1.0,
    "priority": 0.0,
    "queued_ms": 0,
    "stratum": "risk",
    "turn": 0,
    "place": 0,
    "due_ms": 0,
    "mode": "shown",
    "opinions": 1,
    "batch_id": "",
    "entity": "",
    "joined": "",
}
"""What the first event of a case says about its place in the queue, with defaults."""

ONE_BY_ONE = 20
"""Up to this many moves, heads are updated one by one; beyond, all at once from the events."""

_EMPTY: dict[str, Any] = {
    "reviewer": "",
    "role": "",
    "status": "",
    "lease_until_ms": 0,
    "model_id": "",
    "verdict": "",
    "is_positive": None,
    "reason": "",
    "note": "",
    "source": "reviewer",
    "seconds": 0.0,
    "details": {},
}


@dataclass(frozen=True)
class Head:
    """Where one case stands."""

    instance_id: str
    workspace: str
    status: str
    holder: str
    lease_until_ms: int
    fence: int
    number: int
    stage: str
    first_by: str
    second_by: str
    queued_for: str
    inclusion: float
    priority: float
    queued_ms: int
    stratum: str
    turn: int
    place: int
    due_ms: int
    mode: str
    opinions: int
    batch_id: str
    entity: str
    joined: str

    @property
    def marks(self) -> dict[str, str]:
        """What an event has to say of a case beyond its status, where it is not the default."""
        found = {"stage": self.stage, "first_by": self.first_by, "second_by": self.second_by}
        usual = {"stage": "first", "first_by": "", "second_by": ""}
        return {name: value for name, value in found.items() if value != usual[name]}


def locked(work: Work, workspace: Workspace) -> None:
    """Wait for everybody else who writes to this workspace's journal, until the transaction ends.

    A verb that reads a head and then writes calls this first, so what it read stays true.
    """
    _end_of_chain(work, workspace.name)


def head(work: Work, workspace: Workspace, instance_id: str) -> Head:
    """Read where a case stands.

    Raises
    ------
    UnknownRowError
        If the case is not in the queue.
    """
    found = work.rows("case_head", workspace.name, instance_id)
    if not found:
        raise UnknownRowError(
            f"Case {instance_id} is not in the queue.", "Choose one from the list of waiting cases."
        )
    return Head(*found[0])


def queued(instance_id: str, *, happened_ms: int, **place: Any) -> dict[str, Any]:
    """Make the first event of a case; `place` holds values of `PLACE`."""
    details: dict[str, Any] = {**PLACE, "queued_ms": happened_ms, **place}
    details["place"] = details["turn"] + details["queued_ms"] // MS_PER_TURN
    return {
        "event_id": f"{instance_id}-queued",
        "instance_id": instance_id,
        "fence": 0,
        "kind": "queued",
        "status": "joined" if details["joined"] else "open",
        "reason": details["queued_for"],
        "source": "stream",
        "happened_ms": happened_ms,
        "details": details,
    }


def moved(
    before: Head,
    kind: str,
    person: Person,
    *,
    now_ms: int,
    status: str,
    raised: bool = True,
    until_ms: int = 0,
    event_id: str = "",
    details: Mapping[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Make the event that moves a case to a status.

    Parameters
    ----------
    before
        Where the case stands; `replace` its stage and first and second person for the time after.
    raised
        Whether forms opened before are stale afterwards.
    until_ms
        Until when the status holds: the end of a lease, a deferral or an assignment.
    fields
        Columns of ``case_events``, such as ``verdict``.
    """
    fence = before.fence + raised
    return {
        "event_id": event_id or f"{before.instance_id}-{fence}-{kind}",
        "instance_id": before.instance_id,
        "fence": fence,
        "kind": kind,
        "status": status,
        "reviewer": person.name,
        "role": person.role,
        "lease_until_ms": until_ms,
        "happened_ms": now_ms,
        "details": {**before.marks, **(details or {})},
        **fields,
    }


def noted(
    before: Head, kind: str, person: Person, *, now_ms: int, event_id: str, **fields: Any
) -> dict[str, Any]:
    """Make an event that leaves the case where it stands, such as a comment."""
    return noted_at(
        before.instance_id, before.fence, kind, person, now_ms=now_ms, event_id=event_id, **fields
    )


def noted_at(
    instance_id: str,
    fence: int,
    kind: str,
    person: Person,
    *,
    now_ms: int,
    event_id: str,
    **fields: Any,
) -> dict[str, Any]:
    """Make an event as `noted` does, of a case of which only the fence is known."""
    return {
        "event_id": event_id,
        "instance_id": instance_id,
        "fence": fence,
        "kind": kind,
        "reviewer": person.name,
        "role": person.role,
        "happened_ms": now_ms,
        **fields,
    }


def record(work: Work, workspace: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Append events to a workspace's chain and move the heads; nothing else writes events.

    Parameters
    ----------
    events
        As `queued`, `moved` and `noted` make them, oldest first.
    """
    if not events:
        return
    number, previous = _end_of_chain(work, workspace)
    whole = [{**_EMPTY, **event, "workspace": workspace} for event in events]
    texts = [{**event, "details": canonical(plain(event["details"]))} for event in whole]
    rows = chained(texts, number, previous)
    work.append("case_events", rows)
    work.ends[workspace] = rows[-1]["number"], rows[-1]["hash"]
    work.rows("move_chain", workspace, *work.ends[workspace])
    pairs = list(zip(rows, (event["details"] for event in whole), strict=True))
    work.append("case_heads", [_new_head(*pair) for pair in pairs if pair[0]["kind"] == "queued"])
    moves = [pair for pair in pairs if pair[0]["kind"] != "queued" and pair[0]["status"]]
    if len(moves) > ONE_BY_ONE or any(row["kind"] == "ranked" for row in rows):
        work.rows("fold_heads", workspace, number)
        return
    for row, details in moves:
        work.rows("move_head", row["instance_id"], *_moved_to(row, details))


def _end_of_chain(work: Work, workspace: str) -> tuple[int, str]:
    if workspace not in work.ends:
        found = work.rows("lock_chain", workspace) or work.rows("begin_chain", workspace)
        work.ends[workspace] = int(found[0][0]), str(found[0][1])
    return work.ends[workspace]


def _new_head(row: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: row[name] for name in ("instance_id", "workspace", "status", "fence", "number")}
    return {**kept, "holder": "", "lease_until_ms": 0, **{name: details[name] for name in PLACE}}


def _moved_to(row: Mapping[str, Any], details: Mapping[str, Any]) -> tuple[Any, ...]:
    """Say where an event leaves its case, as the view ``case_folds`` does."""
    status = row["status"]
    holder = row["reviewer"] if status in ("claimed", *SETTLED) else details.get("holder", "")
    stage = details.get("stage", "first")
    people = details.get("first_by", ""), details.get("second_by", "")
    return status, holder, row["lease_until_ms"], row["fence"], stage, *people, row["number"]


def is_written(
    work: Work,
    key: str,
    *,
    instance_id: str,
    person: Person,
    kinds: Sequence[str],
    fence: int | None,
) -> bool:
    """Say whether this very submit was recorded already; a comment's fence does not matter.

    Raises
    ------
    InputError
        If the key belongs to another submit.
    """
    found = work.rows("event_exists", key)
    if not found:
        return False
    case, reviewer, kind, raised = found[0]
    same = (case, reviewer, kind in kinds) == (instance_id, person.name, True)
    if not same or fence not in (None, raised):
        raise InputError(
            f"The key {key!r} belongs to another submit, of case {case}.",
            "Give every submit a key of its own.",
        )
    return True


def refuse(found: Head, kept: str = "") -> None:
    """Say who was faster."""
    if found.status in SETTLED:
        raise AlreadyDecidedError(
            f"Case {found.instance_id} was {found.status} by {found.holder} meanwhile.",
            f"Take the next case.{kept}",
        )
    raise LeaseLostError(
        f"Case {found.instance_id} is not yours any more.",
        f"{found.holder or 'Nobody'} holds it now.{kept}",
    )


def with_shown(
    work: Work,
    workspace: Workspace,
    event: dict[str, Any],
    shown: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Keep what was on the screen beside an event, whose hash then covers it too."""
    if shown is None:
        return event
    text = canonical(plain(shown))
    row = {
        "event_id": event["event_id"],
        "workspace": workspace.name,
        "instance_id": event["instance_id"],
        "explanation_key": str(shown.get("explanation_key", "")),
        "shown": text,
        "shown_ms": event["happened_ms"],
    }
    work.append("shown_evidence", [row])
    return {**event, "details": {**event["details"], "shown_sha256": hash_of(text)}}
