"""Half-typed notes: kept in the database until they are submitted."""

from collections.abc import Iterator

import pytest

from hitl.errors import InputError, LeaseLostError
from hitl.store import Store
from hitl.workflow import Person, decide, draft, keep_draft
from hitl.workspaces import CARDS, STORY
from tests import facts
from tests.facts import AWKWARD, MINUTE, NOW

ANN, BOB = Person("ann"), Person("bob")
TYPED = {"verdict": "fraud", "reason": None, "note": AWKWARD, "seconds": 2.5}
FRAUD = {"verdict": "fraud", "reason": "matches known fraud"}


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store(database_url) as store:
        facts.add_cases(store, 2)
        yield store
        facts.check_heads(store)


def keep(store: Store, body: dict[str, object], person: Person = ANN) -> None:
    keep_draft(store, CARDS, person, "case-0", body, now_ms=NOW)


def test_a_draft_comes_back_as_it_was_typed(store) -> None:
    assert draft(store, CARDS, ANN, "case-0") is None
    keep(store, TYPED)
    assert draft(store, CARDS, ANN, "case-0") == TYPED


def test_the_last_draft_counts_and_an_empty_one_is_forgotten(store) -> None:
    keep(store, TYPED)
    keep(store, {"note": "better"})
    assert draft(store, CARDS, ANN, "case-0") == {"note": "better"}
    keep(store, {"note": "", "verdict": None})
    assert store.view("drafts").empty


def test_a_draft_is_its_writers_alone_and_of_one_case(store) -> None:
    keep(store, TYPED)
    keep(store, {"note": "bob's"}, BOB)
    assert draft(store, CARDS, ANN, "case-0") == TYPED
    assert draft(store, CARDS, BOB, "case-0") == {"note": "bob's"}
    assert draft(store, CARDS, ANN, "case-1") is None
    assert draft(store, STORY, ANN, "case-0") is None


def test_a_draft_goes_with_the_decision_and_only_the_deciders(store) -> None:
    mine = facts.taken(store, "ann", "case-0")
    keep(store, TYPED)
    keep(store, {"note": "bob's"}, BOB)
    for _ in range(2):  # a double click
        decide(store, CARDS, mine, **FRAUD, key="k", now_ms=NOW)
    assert draft(store, CARDS, ANN, "case-0") is None
    assert draft(store, CARDS, BOB, "case-0") == {"note": "bob's"}


def test_a_refused_submit_leaves_the_draft(store) -> None:
    mine = facts.taken(store, "ann", "case-0")
    keep(store, TYPED)
    late = NOW + 11 * MINUTE
    facts.taken(store, "bob", "case-0", now_ms=late)
    with pytest.raises(LeaseLostError):
        decide(store, CARDS, mine, **FRAUD, key="k", now_ms=late)
    assert draft(store, CARDS, ANN, "case-0") == TYPED


def test_a_draft_outlives_the_process(tmp_path) -> None:
    path = str(tmp_path / "test.duckdb")
    with Store(path) as store:
        keep(store, TYPED)
    with Store(path) as store:
        assert draft(store, CARDS, ANN, "case-0") == TYPED


def test_a_book_is_no_draft(store) -> None:
    with pytest.raises(InputError, match=r"has 20,\d+ characters.*Shorten"):
        keep(store, {"note": "x" * 20_000})
