"""What somebody has typed about a case and not yet submitted, kept in the database."""

import json
from collections.abc import Mapping
from typing import Any

from hitl.errors import InputError
from hitl.explain.keys import canonical, plain
from hitl.store import Store, Work
from hitl.workflow import people
from hitl.workflow.people import Person
from hitl.workspaces import Workspace

LONGEST = 20_000
"""Characters a draft may have, as JSON."""


def keep_draft(
    store: Store,
    workspace: Workspace,
    person: Person,
    instance_id: str,
    body: Mapping[str, Any],
    *,
    now_ms: int,
) -> None:
    """Keep a half-filled form in place of the one kept before; an empty one is forgotten.

    Parameters
    ----------
    body
        Plain values by field, such as ``verdict`` and ``note``.

    Raises
    ------
    NotAllowedError
        If the person's role may not decide.
    InputError
        If it is longer than `LONGEST`.
    """
    people.check(person, "keep_draft")
    text = canonical(plain(dict(body))).replace("\\u0000", "")
    if len(text) > LONGEST:
        raise InputError(
            f"The draft has {len(text):,} characters.",
            f"Shorten the note to less than {LONGEST:,}.",
        )
    where = (workspace.name, instance_id, person.name)
    if not any(body.values()):
        store.write(lambda work: work.rows("drop_draft", *where))
        return
    store.write(lambda work: work.rows("keep_draft", *where, text, now_ms))


def draft(
    store: Store, workspace: Workspace, person: Person, instance_id: str
) -> dict[str, Any] | None:
    """Read what a person has kept about a case; nothing if there is no draft of theirs."""
    found = store.rows("draft", workspace.name, instance_id, person.name)
    kept: dict[str, Any] | None = json.loads(found[0][0]) if found else None
    return kept


def drop_draft(work: Work, workspace: Workspace, person: Person, instance_id: str) -> None:
    """Forget a draft, in the transaction that submits it."""
    work.rows("drop_draft", workspace.name, instance_id, person.name)
