"""Who may do what: one table of verbs and roles, and the one check that every write calls."""

from dataclasses import dataclass

from hitl.errors import InputError, NotAllowedError

REVIEWER, SUPERVISOR, AUDITOR, ADMIN = ROLES = ("reviewer", "supervisor", "auditor", "admin")

_WHO_DECIDES = frozenset({REVIEWER, SUPERVISOR, ADMIN})
_SENIORS = frozenset({SUPERVISOR, ADMIN})
_ADMINS = frozenset({ADMIN})

ALLOWED: dict[str, frozenset[str]] = {
    "claim": _WHO_DECIDES,
    "renew": _WHO_DECIDES,
    "release": _WHO_DECIDES,
    "decide": _WHO_DECIDES,
    "keep_draft": _WHO_DECIDES,
    "first_opinion": _WHO_DECIDES,
    "defer": _WHO_DECIDES,
    "escalate": _WHO_DECIDES,
    "comment": _WHO_DECIDES,
    "undo": _WHO_DECIDES,
    "adjudicate": _SENIORS,
    "import_decisions": _SENIORS,
    "import_labels": _SENIORS,
    "log_import": _ADMINS,
    "retrain": _SENIORS,
    "promote": _SENIORS,
    "roll_back": _SENIORS,
    "seed": _ADMINS,
    "restore": _ADMINS,
}
"""Every verb with which a person writes, and the roles that may use it.

What the app does by itself asks nobody: playing the stream, scoring, explaining, comparing. An
auditor reads everything and writes nothing.
"""


@dataclass(frozen=True)
class Person:
    """Somebody at work: the name written beside what they do, and one of `ROLES`.

    Raises
    ------
    InputError
        If there is no name, or no such role.

    Examples
    --------
    >>> Person("  Ann  Lee ").name
    'Ann Lee'
    """

    name: str
    role: str = REVIEWER

    def __post_init__(self) -> None:
        name = " ".join(self.name.replace("\x00", "").split())
        if not name:
            raise InputError("A decision needs a name.", "Write yours at the top right.")
        if self.role not in ROLES:
            raise InputError(f"There is no role {self.role!r}.", f"Use one of: {', '.join(ROLES)}.")
        object.__setattr__(self, "name", name)


def may(person: Person, verb: str) -> bool:
    """Say whether a person may use a verb of `ALLOWED`.

    Examples
    --------
    >>> may(Person("ann", "auditor"), "decide")
    False
    """
    return person.role in ALLOWED[verb]


def check(person: Person, verb: str) -> None:
    """Refuse a verb that a person's role does not have.

    Raises
    ------
    NotAllowedError
        If the role may not; the sentence names the roles that may.
    """
    if not may(person, verb):
        roles = " or ".join(role for role in ROLES if role in ALLOWED[verb])
        raise NotAllowedError(
            f"{person.name} is here as {person.role} and may not {verb.replace('_', ' ')}.",
            f"Ask somebody who is {roles}.",
        )
