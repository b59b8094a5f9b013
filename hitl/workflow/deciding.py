"""What people say of a case: decide it, look at it a second time, adjudicate it, take it back."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hitl.errors import InputError, NotRevealedError
from hitl.explain.keys import canonical
from hitl.store import Store, Work
from hitl.workflow import journal, people
from hitl.workflow.claiming import LEASE_MINUTES, MS_PER_MINUTE, Claim, in_hand, put_back_held
from hitl.workflow.drafts import drop_draft
from hitl.workflow.journal import Head
from hitl.workflow.people import Person
from hitl.workspaces import REASONS, UNSURE, Workspace

KINDS = {"first": "decided", "second": "second opinion", "adjudication": "adjudicated"}
"""What a verdict is called in the log, by the stage it is given in."""

_BEFORE: dict[str, dict[str, Any]] = {
    "decided": {"stage": "first", "first_by": ""},
    "second opinion": {"stage": "second", "second_by": ""},
    "adjudicated": {"stage": "adjudication"},
}
"""Where a case stood before a verdict of each kind."""

KEPT = " What you typed is still there if the case comes back to you."


@dataclass(frozen=True)
class Decided:
    """A decision that stands, as its reviewer made it."""

    instance_id: str
    verdict: str
    reason: str
    note: str
    happened_ms: int


def newest(store: Store, workspace: Workspace, person: Person) -> Decided | None:
    """Find the decision `undo` would take back: the newest of this person that stands."""
    found = store.rows("newest_decision", workspace.name, person.name)
    if not found:
        return None
    instance_id, _, verdict, reason, note, happened_ms, _ = found[0]
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
    second: bool = False,
    now_ms: int,
) -> str:
    """Record a verdict on a claimed case; what was kept as a draft of it goes.

    A first verdict decides the case, unless another person is to look too. Two people who agree
    decide it; if they disagree it is escalated, and a third one adjudicates.

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
    second
        Ask for a second opinion; cases queued for two opinions get one anyway.

    Returns
    -------
    str
        The status of the case afterwards: ``decided``, ``second opinion`` or ``escalated``.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If verdict or reason is not on the list, or the key belongs to another submit.
    NotRevealedError
        If the case is blind-first and the person has not given a first opinion.
    AlreadyDecidedError
        If the case was decided meanwhile.
    LeaseLostError
        If the case passed to somebody else.
    """
    people.check(claimed.person, "decide")
    check_verdict(workspace, verdict, reason)

    said: dict[str, Any] = {
        "verdict": verdict,
        "is_positive": is_positive(workspace, verdict),
        "reason": reason,
        "note": tidied(note),
        "model_id": model_id,
        "seconds": float(seconds),
    }

    def verb(work: Work) -> str:
        journal.locked(work, workspace)
        if journal.is_written(
            work, key, instance_id=claimed.instance_id, person=claimed.person,
            kinds=tuple(KINDS.values()), fence=claimed.fence + 1,
        ):  # fmt: skip
            return journal.head(work, workspace, claimed.instance_id).status
        before = in_hand(work, workspace, claimed, KEPT)
        after, status, details = _judged(work, before, claimed.person, verdict, second)
        event = journal.moved(
            after, KINDS[before.stage], claimed.person, now_ms=now_ms, status=status, event_id=key,
            source="adjudicator" if before.stage == "adjudication" else "reviewer",
            details={**details, **_first_opinion(work, before, claimed.person)}, **said,
        )  # fmt: skip
        journal.record(work, workspace.name, [journal.with_shown(work, workspace, event, shown)])
        drop_draft(work, workspace, claimed.person, claimed.instance_id)
        return status

    return store.write(verb)


def _judged(
    work: Work, before: Head, person: Person, verdict: str, second: bool
) -> tuple[Head, str, dict[str, str]]:
    """Say where a verdict leaves a case: its stage and people, its status, what belongs to it."""
    if before.stage == "adjudication":
        people.check(person, "adjudicate")
        return before, "decided", {}
    if before.stage == "second":
        first = work.rows("decision_of", before.workspace, before.instance_id, before.first_by)
        event_id, said = first[0]
        agree = said == verdict
        after = replace(before, second_by=person.name)
        if not agree:
            after = replace(after, stage="adjudication")
        return after, "decided" if agree else "escalated", {"beside": event_id}
    if second or before.opinions > 1:
        after = replace(before, stage="second", first_by=person.name)
        return after, "second opinion", {}
    return before, "decided", {}


def opinion_id(instance_id: str, person: Person) -> str:
    """Name a person's first opinion on a case; there is only one."""
    text = canonical([instance_id, person.name])
    return "opinion-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def _first_opinion(work: Work, before: Head, person: Person) -> dict[str, str]:
    """Find the first opinion that belongs to a verdict, which a blind-first case must have."""
    event_id = opinion_id(before.instance_id, person)
    if work.rows("event_exists", event_id):
        return {"first_opinion": event_id}
    if before.mode == "blind-first":
        raise NotRevealedError(
            f"Case {before.instance_id} needs your first opinion before the decision.",
            "Give it from the data alone; then score and explanation are shown.",
        )
    return {}


def undo(
    store: Store,
    workspace: Workspace,
    person: Person,
    *,
    now_ms: int,
    lease_minutes: float = LEASE_MINUTES,
    instance_id: str | None = None,
) -> Claim | None:
    """Take back a person's newest decision, as a new event, and hand them the case again.

    Returns nothing when there is no decision of theirs to take back, or when the newest is not of
    the case they name.
    """
    people.check(person, "undo")
    until_ms = now_ms + int(lease_minutes * MS_PER_MINUTE)
    found = store.rows("newest_decision", workspace.name, person.name)
    if not found or instance_id not in (None, found[0][0]):
        return None

    def verb(work: Work) -> Claim | None:
        journal.locked(work, workspace)
        if work.rows("newest_decision", workspace.name, person.name) != found:
            return None  # taken back elsewhere at the same moment
        put_back_held(work, workspace, person, now_ms)
        before = journal.head(work, workspace, found[0][0])
        before = replace(before, **_BEFORE[found[0][6]])
        event = journal.moved(
            before, "undone", person, now_ms=now_ms, status="claimed", until_ms=until_ms
        )
        journal.record(work, workspace.name, [event])
        fence = before.fence + 1
        return Claim(before.instance_id, person, fence, until_ms, before.stage, before.mode)

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


def is_positive(workspace: Workspace, verdict: str) -> bool | None:
    """Say which label a verdict gives; unsure gives none."""
    return None if verdict == UNSURE else verdict == workspace.positive


def tidied(text: str) -> str:
    """Tidy a typed text; PostgreSQL stores no NUL."""
    return text.replace("\x00", "").strip()
