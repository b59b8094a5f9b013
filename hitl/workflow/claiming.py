"""Who has which case: claim it for a while, keep it, put it back."""

from dataclasses import dataclass, replace
from typing import Any

from hitl.errors import InputError
from hitl.store import Store, Work
from hitl.workflow import journal, people
from hitl.workflow.journal import Head
from hitl.workflow.people import Person
from hitl.workspaces import Workspace

MS_PER_MINUTE = 60_000
LEASE_MINUTES = 10.0


@dataclass(frozen=True)
class Claim:
    """A case held by one person until its lease ends; the fence tells stale forms apart.

    The stage is ``first``, ``second`` (an opinion beside one that is not shown) or
    ``adjudication``; the mode ``shown``, ``blind-first`` or ``blind``.
    """

    instance_id: str
    person: Person
    fence: int
    lease_until_ms: int
    stage: str = "first"
    mode: str = "shown"

    @property
    def reviewer(self) -> str:
        """The name of who holds it."""
        return self.person.name


def claim(
    store: Store,
    workspace: Workspace,
    person: Person,
    *,
    now_ms: int,
    lease_minutes: float = LEASE_MINUTES,
    instance_id: str | None = None,
) -> Claim | None:
    """Give a person the case they hold, or the next one, or the one they name.

    The next one is overdue, else escalated or in need of a second opinion, else first by its turn
    less what it has waited, and among equals of the highest priority. Returns nothing when no case
    waits. Two people never get the same one; whose lease ended loses the case to the next.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    UnknownRowError
        If the named case is not in the queue.
    AlreadyDecidedError
        If the named case is decided.
    LeaseLostError
        If somebody else holds the named case.
    InputError
        If the named case needs another person.
    """
    people.check(person, "claim")
    until_ms = now_ms + int(lease_minutes * MS_PER_MINUTE)

    def verb(work: Work) -> Claim | None:
        journal.locked(work, workspace)
        mine = _held_now(work, workspace, person, now_ms)
        if mine and instance_id in (None, mine.instance_id):
            return mine
        before = (
            journal.head(work, workspace, instance_id)
            if instance_id
            else _next(work, workspace, person, now_ms)
        )
        if before is None:
            return None
        _check_free(before, person, now_ms)
        events = [_expired(before, now_ms)] if before.status == "claimed" else []
        events.append(
            journal.moved(
                before, "claimed", person, now_ms=now_ms, status="claimed", until_ms=until_ms
            )
        )
        if mine:
            events.append(
                _put_back(journal.head(work, workspace, mine.instance_id), person, now_ms)
            )
        journal.record(work, workspace.name, events)
        return Claim(
            before.instance_id, person, before.fence + 1, until_ms, before.stage, before.mode
        )

    return store.write(verb)


def held(store: Store, workspace: Workspace, person: Person) -> Claim | None:
    """Find the case a person holds; a lease that ran out counts until somebody else takes it."""
    found = store.rows("cases_in_hand", workspace.name, person.name)
    return max((_claim(row, person) for row in found), key=_until, default=None)


def renew(
    store: Store,
    workspace: Workspace,
    claimed: Claim,
    *,
    now_ms: int,
    lease_minutes: float = LEASE_MINUTES,
) -> Claim:
    """Let a lease last from now on, because its holder is at work; forms stay valid.

    Within the first tenth of a lease nothing is written.

    Raises
    ------
    LeaseLostError
        If the case passed to somebody else.
    AlreadyDecidedError
        If it was decided meanwhile.
    """
    people.check(claimed.person, "renew")
    lease_ms = int(lease_minutes * MS_PER_MINUTE)

    def verb(work: Work) -> Claim:
        journal.locked(work, workspace)
        before = in_hand(work, workspace, claimed)
        if now_ms + lease_ms - before.lease_until_ms < lease_ms / 10:
            return replace(claimed, lease_until_ms=before.lease_until_ms)
        renewed = journal.moved(
            before, "renewed", claimed.person, now_ms=now_ms, status="claimed", raised=False,
            until_ms=now_ms + lease_ms, event_id=f"{before.instance_id}-{before.number}-renewed",
        )  # fmt: skip
        journal.record(work, workspace.name, [renewed])
        return replace(claimed, lease_until_ms=now_ms + lease_ms)

    return store.write(verb)


def release(store: Store, workspace: Workspace, claimed: Claim, *, now_ms: int) -> None:
    """Put a claimed case back into the queue; a case that is not held any more stays as it is."""
    people.check(claimed.person, "release")

    def verb(work: Work) -> None:
        journal.locked(work, workspace)
        before = journal.head(work, workspace, claimed.instance_id)
        if (before.status, before.fence) == ("claimed", claimed.fence):
            journal.record(work, workspace.name, [_put_back(before, claimed.person, now_ms)])

    store.write(verb)


def in_hand(work: Work, workspace: Workspace, claimed: Claim, kept: str = "") -> Head:
    """Read where a claimed case stands, and refuse if the claim is stale."""
    found = journal.head(work, workspace, claimed.instance_id)
    now = (found.status, found.holder, found.fence)
    if now != ("claimed", claimed.reviewer, claimed.fence):
        journal.refuse(found, kept)
    return found


def put_back_held(work: Work, workspace: Workspace, person: Person, now_ms: int) -> None:
    """Put back what a person has in hand, because they turn to another case."""
    mine = _held_now(work, workspace, person, now_ms)
    if mine:
        before = journal.head(work, workspace, mine.instance_id)
        journal.record(work, workspace.name, [_put_back(before, person, now_ms)])


def _held_now(work: Work, workspace: Workspace, person: Person, now_ms: int) -> Claim | None:
    """Find the case a person holds whose lease ends first among those that have not ended."""
    found = work.rows("cases_in_hand", workspace.name, person.name)
    claims = [_claim(row, person) for row in found]
    return min((each for each in claims if each.lease_until_ms >= now_ms), key=_until, default=None)


def _claim(found: tuple[Any, ...], person: Person) -> Claim:
    instance_id, *rest = found
    return Claim(instance_id, person, *rest)


def _until(claimed: Claim) -> int:
    return claimed.lease_until_ms


def _next(work: Work, workspace: Workspace, person: Person, now_ms: int) -> Head | None:
    """Find the first in the queue's order that this person may have.

    Most cases are simply open; the others are few, so they are looked for by themselves.
    """
    may_adjudicate = people.may(person, "adjudicate")
    others = work.rows("next_other_case", workspace.name, person.name, now_ms, may_adjudicate)
    found = others + work.rows("next_plain_case", workspace.name)
    return min((Head(*row) for row in found), key=lambda each: order(each, now_ms), default=None)


def order(waiting: Head, now_ms: int) -> tuple[float | str, ...]:
    """Say where a case stands in the queue: the smallest comes first.

    Overdue before all, then cases that need another person or are meant for somebody, then by
    place: the turn less one for each `journal.MS_PER_TURN` waited.
    """
    overdue = 0 < waiting.due_ms < now_ms
    special = waiting.stage != "first" or waiting.status == "assigned"
    urgency = 0 if overdue else 1 if special else 2
    where = waiting.place, -waiting.priority, waiting.queued_ms, waiting.instance_id
    return urgency, *where


def _check_free(before: Head, person: Person, now_ms: int) -> None:
    """Refuse a case that somebody else has, or that has to go to somebody else."""
    is_over = before.lease_until_ms < now_ms
    taken = before.status in ("claimed", "assigned") and before.holder != person.name
    if before.status in journal.SETTLED or (taken and not is_over):
        journal.refuse(before)
    if person.name in (before.first_by, before.second_by):
        raise InputError(
            f"{person.name} has given an opinion on case {before.instance_id} already.",
            "Leave it to another person.",
        )
    if before.stage == "adjudication":
        people.check(person, "adjudicate")


def _put_back(before: Head, person: Person, now_ms: int) -> dict[str, object]:
    status = journal.WAITING[before.stage]
    return journal.moved(before, "released", person, now_ms=now_ms, status=status)


def _expired(before: Head, now_ms: int) -> dict[str, object]:
    """Say that a lease ended, in the name of who held it."""
    loser, status = Person(before.holder), journal.WAITING[before.stage]
    event = journal.moved(
        before, "expired", loser, now_ms=now_ms, status=status, raised=False,
        event_id=f"{before.instance_id}-{before.number}-expired",
    )  # fmt: skip
    return {**event, "role": ""}
