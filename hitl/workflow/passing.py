"""Cases that go on without a verdict: put off, handed up, commented."""

from dataclasses import replace

from hitl.errors import InputError
from hitl.store import Store, Work
from hitl.workflow import journal, people
from hitl.workflow.claiming import Claim, in_hand
from hitl.workflow.deciding import KEPT, tidied
from hitl.workflow.drafts import drop_draft
from hitl.workflow.people import Person
from hitl.workspaces import Workspace


def defer(
    store: Store,
    workspace: Workspace,
    claimed: Claim,
    *,
    until_ms: int,
    note: str = "",
    key: str,
    now_ms: int,
) -> None:
    """Put a claimed case off; it comes back to the queue by itself.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If the time has passed already, or the key belongs to another submit.
    LeaseLostError, AlreadyDecidedError
        If the case passed to somebody else, or was decided.
    """
    people.check(claimed.person, "defer")
    if until_ms <= now_ms:
        raise InputError("The time to put the case off to has passed.", "Choose a later one.")
    _pass_on(store, workspace, claimed, "deferred", until_ms, note, key, now_ms)


def escalate(
    store: Store, workspace: Workspace, claimed: Claim, *, note: str, key: str, now_ms: int
) -> None:
    """Hand a claimed case up, with a note that says why; another person adjudicates it.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If there is no note, or the key belongs to another submit.
    LeaseLostError, AlreadyDecidedError
        If the case passed to somebody else, or was decided.
    """
    people.check(claimed.person, "escalate")
    if not tidied(note):
        raise InputError("Nobody knows why the case is handed up.", "Write it into the note.")
    _pass_on(store, workspace, claimed, "escalated", 0, note, key, now_ms)


def comment(
    store: Store,
    workspace: Workspace,
    person: Person,
    instance_id: str,
    *,
    note: str,
    key: str,
    now_ms: int,
) -> None:
    """Write a comment into a case's history, whoever holds it.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If there is nothing in it, or the key belongs to another submit.
    UnknownRowError
        If the case was never queued.
    """
    people.check(person, "comment")
    if not tidied(note):
        raise InputError("The comment is empty.", "Write something, or leave it.")

    def verb(work: Work) -> None:
        journal.locked(work, workspace)
        before = journal.head(work, workspace, instance_id)
        if journal.is_written(
            work, key, instance_id=instance_id, person=person, kinds=("commented",), fence=None
        ):
            return
        event = journal.noted(
            before, "commented", person, now_ms=now_ms, event_id=key, note=tidied(note)
        )
        journal.record(work, workspace.name, [event])

    store.write(verb)


def _pass_on(
    store: Store,
    workspace: Workspace,
    claimed: Claim,
    status: str,
    until_ms: int,
    note: str,
    key: str,
    now_ms: int,
) -> None:
    def verb(work: Work) -> None:
        journal.locked(work, workspace)
        if journal.is_written(
            work, key, instance_id=claimed.instance_id, person=claimed.person, kinds=(status,),
            fence=claimed.fence + 1,
        ):  # fmt: skip
            return
        before = in_hand(work, workspace, claimed, KEPT)
        if status == "escalated":
            before = _handed_up(before, claimed.person)
        event = journal.moved(
            before, status, claimed.person, now_ms=now_ms, status=status, until_ms=until_ms,
            event_id=key, note=tidied(note),
        )  # fmt: skip
        journal.record(work, workspace.name, [event])
        drop_draft(work, workspace, claimed.person, claimed.instance_id)

    store.write(verb)


def _handed_up(before: journal.Head, person: Person) -> journal.Head:
    """Name who hands a case up among those who do not adjudicate it."""
    if before.first_by:
        return replace(before, stage="adjudication", second_by=before.second_by or person.name)
    return replace(before, stage="adjudication", first_by=person.name)
