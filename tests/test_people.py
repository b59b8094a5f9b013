"""Who may do what: every verb that writes is tried as every role."""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from hitl import workflow
from hitl.errors import HitlError, InputError, NotAllowedError
from hitl.store import TABLES, Store, Work
from hitl.workflow import Claim, Person, journal, people
from hitl.workflow.people import ALLOWED, ROLES
from hitl.workspaces import CARDS
from tests import facts
from tests.facts import NOW
from tests.terminal import ROOT, check_refused

Try = Callable[[Store, Person], Any]
ROWS = pd.DataFrame({"instance_id": ["case-0"], "verdict": ["fraud"]})
PREVIEW = pd.DataFrame(
    {"line": [1], "instance_id": ["case-0"], "is_positive": [True], "effect": ["new"]}
)
FRAUD = {"verdict": "fraud", "reason": "matches known fraud", "key": "k", "now_ms": NOW}


def in_hand(store: Store, person: Person) -> Claim:
    """Put a case into somebody's hands, whatever their role."""
    workflow.claim(store, CARDS, Person(person.name), now_ms=NOW, instance_id="case-1")
    return Claim("case-1", person, 1, NOW)


def decided(store: Store, person: Person) -> Claim:
    """Let somebody of this name have decided a case, whatever their role."""
    workflow.decide(store, CARDS, in_hand(store, Person(person.name)), **FRAUD)
    return Claim("case-1", person, 2, 0)


def disputed(store: Store) -> str:
    """Let two people disagree on a case."""

    def verb(work: Work) -> None:
        before = journal.head(work, CARDS, "case-2")
        marks = {"stage": "adjudication", "first_by": "ann", "second_by": "bob"}
        event = journal.moved(
            before, "second opinion", Person("bob"), now_ms=NOW, status="escalated", details=marks
        )
        journal.record(work, "cards", [event])

    store.write(verb)
    return "case-2"


VERBS: dict[str, Try] = {
    "claim": lambda store, person: workflow.claim(store, CARDS, person, now_ms=NOW),
    "renew": lambda store, person: workflow.renew(
        store, CARDS, in_hand(store, person), now_ms=NOW + 500_000
    ),
    "release": lambda store, person: workflow.release(
        store, CARDS, in_hand(store, person), now_ms=NOW
    ),
    "decide": lambda store, person: workflow.decide(store, CARDS, in_hand(store, person), **FRAUD),
    "keep_draft": lambda store, person: workflow.keep_draft(
        store, CARDS, person, "case-0", {"note": "n"}, now_ms=NOW
    ),
    "first_opinion": lambda store, person: workflow.first_opinion(
        store, CARDS, in_hand(store, person), verdict="fraud", reason=FRAUD["reason"], now_ms=NOW
    ),
    "defer": lambda store, person: workflow.defer(
        store, CARDS, in_hand(store, person), until_ms=NOW + 1, key="k", now_ms=NOW
    ),
    "escalate": lambda store, person: workflow.escalate(
        store, CARDS, in_hand(store, person), note="n", key="k", now_ms=NOW
    ),
    "comment": lambda store, person: workflow.comment(
        store, CARDS, person, "case-0", note="n", key="k", now_ms=NOW
    ),
    "undo": lambda store, person: workflow.undo(
        store, CARDS, decided(store, person).person, now_ms=NOW
    ),
    "adjudicate": lambda store, person: workflow.claim(
        store, CARDS, person, now_ms=NOW, instance_id=disputed(store)
    ),
    "import_decisions": lambda store, person: workflow.import_decisions(
        store, CARDS, ROWS, now_ms=NOW, person=person
    ),
    "import_labels": lambda store, person: workflow.import_labels(
        store, CARDS, PREVIEW, kind="weak", source="rules", person=person, now_ms=NOW
    ),
    "log_import": lambda store, person: workflow.log_import(store, [], person=person),
    "retrain": lambda store, person: workflow.retrain(
        store, SimpleNamespace(workspace=CARDS), seed=0, person=person, now_ms=NOW
    ),
    "promote": lambda store, person: workflow.promote(
        store, "cards", "m", person=person, reason="r", now_ms=NOW
    ),
    "roll_back": lambda store, person: workflow.roll_back(
        store, "cards", person=person, reason="r", now_ms=NOW
    ),
}
"""How each verb is called."""

BY_THE_TERMINAL = {"seed", "restore"}


@pytest.fixture(scope="module")
def database() -> Iterator[Store]:
    with Store("duckdb::memory:") as store:
        yield store


@pytest.fixture
def store(database: Store) -> Store:
    facts.add_cases(facts.emptied(database), 3)
    return database


def content(store: Store) -> dict[str, int]:
    return {table: len(store.view(table)) for table in TABLES}


def test_every_verb_of_the_table_is_tried() -> None:
    assert {*VERBS, *BY_THE_TERMINAL} == set(ALLOWED)
    assert all(roles and roles <= set(ROLES) for roles in ALLOWED.values())


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", VERBS)
def test_each_role_may_do_what_the_table_says_and_nothing_else(store, verb, role) -> None:
    person = Person("kim", role)
    if role in ALLOWED[verb]:
        try:
            VERBS[verb](store, person)
        except HitlError as error:
            assert not isinstance(error, NotAllowedError)  # noqa: PT017  another refusal is fine
        return
    prepared: list[dict[str, int]] = []
    with pytest.raises(NotAllowedError, match=f"kim is here as {role} and may not") as refused:
        _try(store, verb, person, prepared)
    assert all(name in refused.value.hint for name in ALLOWED[verb])
    assert content(store) == prepared[0]


def _try(store: Store, verb: str, person: Person, prepared: list[dict[str, int]]) -> None:
    """Call a verb, and write down what was there before it, preparations included."""
    real = people.check

    def noted(who: Person, what: str) -> None:
        if who == person and not people.may(who, what):
            prepared.append(content(store))
        real(who, what)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "check", noted)
        VERBS[verb](store, person)


def test_every_check_in_the_code_is_of_a_verb_of_the_table() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "hitl").rglob("*.py"))
    assert set(re.findall(r"people\.(?:check|may)\([\w.]+, \"(\w+)\"\)", code)) == set(ALLOWED)


@pytest.mark.parametrize(
    ("words", "role"),
    [
        (words, role)
        for words, verb in {
            ("seed", "--reset"): "seed",
            ("seed",): "seed",
            ("restore", "backup.duckdb"): "restore",
            ("decisions", "import", "d.csv"): "import_decisions",
            ("log", "import", "d.csv"): "log_import",
        }.items()
        for role in ROLES
        if role not in ALLOWED[verb]
    ],
)
def test_the_terminal_refuses_what_a_role_may_not(run, tmp_path, words, role) -> None:
    (tmp_path / "d.csv").write_text("instance_id,verdict\n")
    arguments = [tmp_path / word if "." in word else word for word in words]
    ran = run(*arguments, "--as", f"kim:{role}", "--db", tmp_path / "new.duckdb")
    check_refused(ran, f"kim is here as {role} and may not")
    assert not (tmp_path / "new.duckdb").exists()


def test_the_terminal_takes_a_name_and_a_role_or_says_how(run) -> None:
    for given in ("kim", "kim:boss", ":admin"):
        ran = run("seed", "--as", given)
        assert ran.code == 2
        assert "--as" in ran.err


def test_an_auditor_writes_nothing_and_an_admin_everything() -> None:
    assert not any("auditor" in roles for roles in ALLOWED.values())
    assert all("admin" in roles for roles in ALLOWED.values())


def test_a_person_is_a_name_and_a_role() -> None:
    assert Person(" Ann \n Lee ") == Person("Ann Lee", "reviewer")
    assert [field.name for field in fields(Person)] == ["name", "role"]
    with pytest.raises(InputError, match=r"no role 'boss'.*reviewer, supervisor, auditor, admin"):
        Person("ann", "boss")
    with pytest.raises(InputError, match="needs a name"):
        Person(" \x00 ")


def test_whoever_writes_is_written_down_with_the_role(store) -> None:
    workflow.claim(store, CARDS, Person("sue", "supervisor"), now_ms=NOW)
    event = store.view("case_events", kind="claimed").iloc[0]
    assert (event["reviewer"], event["role"]) == ("sue", "supervisor")
