"""Opinions beside the decision: the first one before score and explanation, and what is hidden."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hitl.errors import InputError, NotRevealedError
from hitl.store import Store, Work
from hitl.workflow import journal, people
from hitl.workflow.claiming import Claim, in_hand
from hitl.workflow.deciding import KEPT, check_verdict, opinion_id, tidied
from hitl.workflow.explaining import explain
from hitl.workflow.people import AUDITOR, Person
from hitl.workspaces import Workspace

MODES = ("shown", "blind-first", "blind")
"""What a person sees of score and explanation: all, all after a first opinion, nothing."""

OPINIONS = ("first opinion", "decided", "second opinion", "commented", "deferred", "escalated")
"""Events in which somebody says what they think of a case that is not settled yet."""

HISTORY = [
    "number", "happened_ms", "kind", "status", "reviewer", "role", "verdict", "reason", "note",
    "source", "seconds", "model_id", "event_id",
]  # fmt: skip


def first_opinion(
    store: Store,
    workspace: Workspace,
    claimed: Claim,
    *,
    verdict: str,
    reason: str,
    note: str = "",
    seconds: float = 0.0,
    shown: Mapping[str, Any] | None = None,
    now_ms: int,
) -> None:
    """Record what a person thinks of a case before they see what the model says of it.

    There is one first opinion for a person and a case; giving the same again changes nothing.

    Parameters
    ----------
    seconds
        How long the person looked at the data alone.
    shown
        What was on the screen, as plain values; it is kept word for word.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If verdict or reason is not on the list, or another first opinion was given.
    LeaseLostError
        If the case passed to somebody else.
    AlreadyDecidedError
        If it was decided meanwhile.
    """
    people.check(claimed.person, "first_opinion")
    check_verdict(workspace, verdict, reason)
    event_id = opinion_id(claimed.instance_id, claimed.person)

    def verb(work: Work) -> None:
        journal.locked(work, workspace)
        given = work.rows("event_verdict", event_id)
        if given and given[0] != (verdict, reason):
            raise InputError(
                f"Your first opinion on case {claimed.instance_id} was {given[0][0]}.",
                "It stands; say what you think now in the decision.",
            )
        if given:
            return
        before = in_hand(work, workspace, claimed, KEPT)
        event = journal.noted(
            before, "first opinion", claimed.person, now_ms=now_ms, event_id=event_id,
            verdict=verdict, reason=reason, note=tidied(note), seconds=float(seconds), details={},
        )  # fmt: skip
        journal.record(work, workspace.name, [journal.with_shown(work, workspace, event, shown)])

    store.write(verb)


def is_revealed(store: Store, workspace: Workspace, person: Person, instance_id: str) -> bool:
    """Say whether score and explanation of a case may be shown to a person.

    They may if the case was never queued or is settled, if it is shown to everybody, after the
    person's own first opinion where it is blind-first, and to an auditor, who decides nothing.
    """
    found = store.rows("case_head", workspace.name, instance_id)
    if not found or person.role == AUDITOR:
        return True
    head = journal.Head(*found[0])
    if head.status in journal.SETTLED or head.mode == "shown":
        return True
    given = store.rows("event_exists", opinion_id(instance_id, person))
    return head.mode == "blind-first" and bool(given)


def evidence_for(
    store: Store, workspace: Workspace, person: Person, instance_id: str, *, now_ms: int
) -> dict[str, Any]:
    """Give the explanation of a case to a person who may see it.

    Raises
    ------
    NotRevealedError
        If it is hidden from this person so far.
    """
    if not is_revealed(store, workspace, person, instance_id):
        raise NotRevealedError(
            f"What the model says of case {instance_id} is hidden so far.",
            "Give your first opinion from the data alone, or decide it where it stays blind.",
        )
    return explain(store, workspace, instance_id, now_ms=now_ms)


def history(store: Store, workspace: Workspace, person: Person, instance_id: str) -> pd.DataFrame:
    """List what happened to a case, oldest first, without what would sway this person's opinion.

    While a case is not settled, other people's first opinions are left out, and while a second
    opinion is due, everything others said of it is. Who adjudicates sees both opinions, an auditor
    sees everything.

    Returns
    -------
    DataFrame
        The columns of `HISTORY`.
    """
    rows = store.view(
        "case_events", workspace=workspace.name, instance_id=instance_id, order=("number",)
    )
    found = store.rows("case_head", workspace.name, instance_id)
    kept = rows[HISTORY]
    if not found or person.role == AUDITOR:
        return kept
    head = journal.Head(*found[0])
    if head.status in journal.SETTLED or head.stage == "adjudication":
        return kept
    hidden = OPINIONS if head.stage == "second" else OPINIONS[:1]
    others = kept["kind"].isin(hidden) & (kept["reviewer"] != person.name)
    return kept[~others].reset_index(drop=True)
