"""The chain of events: one text for each event, and any change is found where it was made."""

import hashlib
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl import store as storage
from hitl.store import Store, chains
from hitl.workflow import Person, claim, logs, undo
from hitl.workspaces import CARDS
from tests import facts
from tests.facts import AWKWARD, NOW

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
NUMBERS = st.integers(-(2**62), 2**62)
EVENTS = st.fixed_dictionaries(
    {
        **dict.fromkeys(chains.TEXTS, TEXTS),
        **dict.fromkeys(chains.WHOLE_NUMBERS, NUMBERS),
        "seconds": st.floats(allow_nan=False, allow_infinity=False),
        "is_positive": st.sampled_from([None, True, False]),
    }
)


def event(**fields: Any) -> dict[str, Any]:
    """Return an event before it is chained."""
    empty = dict.fromkeys(chains.TEXTS, "") | dict.fromkeys(chains.WHOLE_NUMBERS, 0)
    return {**empty, "seconds": 0.0, "is_positive": None, **fields}


def chain(count: int) -> list[dict[str, Any]]:
    return chains.chained([event(note=f"event {n}") for n in range(count)], 0, chains.BEGINNING)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


# One text for each event


@given(events=st.lists(EVENTS, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_table_is_written_as_its_events_are(events) -> None:
    assert chains.lines(table(events)) == [chains.line(each) for each in events]


@given(one=EVENTS, other=EVENTS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_two_different_events_never_have_one_text(one, other) -> None:
    assert (chains.line(one) == chains.line(other)) == (repr(one) == repr(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"verdict": "a\t", "reason": "b"}, {"verdict": "a", "reason": "\tb"}),
        ({"note": "\t"}, {"note": "\\t"}),
        ({"note": "\\\t"}, {"note": "\\\\t"}),
        ({"note": "\n"}, {"note": "\r"}),
        ({"is_positive": None}, {"is_positive": False}),
        ({"seconds": 0.1}, {"seconds": 0.1 + 2**-56}),
    ],
)
def test_what_a_careless_text_would_mix_up_stays_apart(one, other) -> None:
    assert chains.line(event(**one)) != chains.line(event(**other))


def test_a_hash_is_the_sha_256_of_the_text_and_names_the_one_before() -> None:
    first, second = chain(2)
    assert first["hash"] == hashlib.sha256(chains.line(first).encode()).hexdigest()
    assert (first["previous_hash"], second["previous_hash"]) == ("", first["hash"])
    assert (first["number"], second["number"]) == (1, 2)


# Any change is found where it was made


def test_a_chain_is_as_it_was_written_from_any_place_on() -> None:
    rows = chain(6)
    assert chains.first_bad(table(rows), 0, chains.BEGINNING) is None
    assert chains.first_bad(table(rows[3:]), 3, rows[2]["hash"]) is None


@pytest.mark.parametrize("name", [*chains.FIELDS, "hash"])
@pytest.mark.parametrize("place", [0, 3, 5])
def test_any_field_that_changes_is_found_at_its_event(name, place) -> None:
    rows = chain(6)
    changed = {None: True}.get(rows[place][name], rows[place][name])
    rows[place][name] = (changed + "x") if isinstance(changed, str) else changed or 1
    if name in chains.WHOLE_NUMBERS:
        rows[place][name] += 1
    assert chains.first_bad(table(rows), 0, chains.BEGINNING) == place + 1


def test_an_event_left_out_added_or_moved_is_found() -> None:
    rows = chain(6)
    assert chains.first_bad(table([*rows[:2], *rows[3:]]), 0, "") == 3
    assert chains.first_bad(table([*rows[:2], rows[3], rows[2], *rows[4:]]), 0, "") == 3
    assert chains.first_bad(table([*rows[:2], rows[1], *rows[2:]]), 0, "") == 3


# In a database


@pytest.fixture
def store(database_url):
    with Store(database_url) as store:
        facts.write_history(store)
        facts.check_heads(store)
        yield store


def tamper(store: Store, statement: str) -> None:
    """Change the database past the store."""
    with store._engine.transaction() as work:
        work.rows(statement)


@pytest.mark.parametrize("whole", [True, False])
def test_an_untouched_log_is_valid_however_often_it_is_checked(store, whole) -> None:
    for _ in range(2):
        found = logs.verify(store, "cards", whole=whole)
        assert (found.events, found.valid, found.first_bad) == (30, True, None)
        assert "All 30 events" in found.sentence
    assert store.rows("chain_head", "cards")[0][2] == 30
    facts.decide(store, facts.space("cards"), facts.taken(store, "zoe"), "fraud")
    assert logs.verify(store, "cards", whole=False).events == 32
    assert logs.verify(store, "nowhere").events == 0


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("UPDATE case_events SET note = note || 'x' WHERE workspace = 'cards' AND number = 12", 12),
        ("UPDATE case_events SET seconds = 99 WHERE workspace = 'cards' AND number = 1", 1),
        ("UPDATE case_events SET is_positive = NULL WHERE workspace = 'cards' AND number = 13", 13),
        ("UPDATE case_events SET hash = 'x' WHERE workspace = 'cards' AND number = 30", 30),
        ("DELETE FROM case_events WHERE workspace = 'cards' AND number = 5", 5),
        ("DELETE FROM case_events WHERE workspace = 'cards' AND number > 25", 26),
        ("UPDATE chain_heads SET hash = 'x' WHERE workspace = 'cards'", 31),
    ],
)
def test_a_change_past_the_store_is_found_at_its_event(store, statement, first_bad) -> None:
    tamper(store, statement)
    for whole in (False, True):
        found = logs.verify(store, "cards", whole=whole)
        assert (found.valid, found.first_bad) == (False, first_bad)
        assert f"Event {first_bad} of cards" in found.sentence
    assert logs.verify(store, "story").valid


def test_a_start_leaves_out_hashes_that_were_checked_but_not_what_binds_them(store) -> None:
    logs.verify(store, "cards")
    tamper(store, "UPDATE case_events SET note = 'x' WHERE workspace = 'cards' AND number = 12")
    assert logs.verify(store, "cards", whole=False).valid
    assert logs.verify(store, "cards").first_bad == 12
    tamper(store, "UPDATE case_events SET hash = 'x' WHERE workspace = 'cards' AND number = 14")
    assert logs.verify(store, "cards", whole=False).first_bad == 15


@pytest.mark.parametrize(
    "change", ["status = 'open'", "holder = 'eve'", "fence = 9", "first_by = 'x'", "priority = 7"]
)
def test_a_head_that_does_not_follow_from_its_events_is_found(store, change) -> None:
    tamper(store, f"UPDATE case_heads SET {change} WHERE instance_id = 'cards-2'")
    found = logs.verify(store, "cards")
    assert not found.valid
    assert "case cards-2 differs" in found.sentence
    tamper(store, "DELETE FROM case_heads WHERE instance_id = 'cards-2'")
    assert not logs.verify(store, "cards", whole=False).valid


# A database from before the chain


@pytest.fixture
def old(database_url, monkeypatch) -> str:
    """A database that was written before events were chained."""
    first = {name: text for name, text in storage.MIGRATIONS.items() if name < "0003"}
    with monkeypatch.context() as patch:
        patch.setattr(storage, "MIGRATIONS", first)
        patch.setattr(storage, "VIEWS_SQL", "")
        patch.setattr(storage, "VIEWS", ())
        indexes = type("Engine", (), {"indexes": ()})
        patch.setattr("hitl.store.engines.PostgresEngine.indexes", indexes.indexes)
        with Store(database_url) as store:
            write_old(store)
    return str(database_url)


def write_old(store: Store) -> None:
    heads = [facts.head(n) for n in range(4)] + [
        facts.head(0, workspace="story", prefix="tape") | {"queued_for": "audit", "inclusion": 0.01}
    ]
    moves = [
        ("case-0", 1, "claimed", "ann", 1), ("case-0", 2, "decided", "ann", 5),
        ("case-1", 1, "claimed", "bob", 2), ("case-1", 2, "released", "bob", 2),
        ("case-2", 1, "claimed", "ann", 9), ("case-2", 2, "decided", "ann", 3),
        ("case-2", 3, "undone", "ann", 11), ("tape-0", 1, "imported", "eve", 4),
    ]  # fmt: skip
    by_case = {each["instance_id"]: each for each in heads}
    events = [facts.event(each) for each in heads]
    for case, fence, kind, reviewer, when in moves:
        status = {"decided": "decided", "imported": "decided", "released": "open"}.get(
            kind, "claimed"
        )
        until = NOW + 100 if kind in ("claimed", "undone") else 0
        verdict = {"verdict": "fraud", "is_positive": True} if status == "decided" else {}
        details = {"fence": fence, "kind": kind, "reviewer": reviewer, "lease_until_ms": until}
        by_case[case] |= {"status": status, "fence": fence, "lease_until_ms": until}
        by_case[case]["holder"] = "" if status == "open" else reviewer
        moved = facts.event(by_case[case], event_id=f"{case}-{fence}", happened_ms=NOW + when)
        events.append({**moved, **details, **verdict, "note": AWKWARD})
    store.append("case_heads", heads)
    store.append("case_events", events)


def test_an_old_database_is_chained_when_it_is_opened(old) -> None:
    with Store(old) as store:
        facts.check_heads(store)
        assert [logs.verify(store, name).events for name in ("cards", "story")] == [11, 2]
        kinds = store.view("case_events", workspace="cards", order=("number",))
        for case, wanted in {
            "case-0": ["queued", "claimed", "decided"],
            "case-2": ["queued", "claimed", "decided", "undone"],  # one clock was late
        }.items():
            assert kinds.loc[kinds["instance_id"] == case, "kind"].tolist() == wanted
        strata = store.view("case_heads", order=("instance_id",))["stratum"].tolist()
        assert strata == ["novel"] * 4 + ["audit"]
        assert store.view("decisions")["instance_id"].tolist().count("case-0") == 1


def test_an_old_database_goes_on_as_a_new_one(old) -> None:
    with Store(old) as store:
        assert logs.verify(store, "cards").valid
    with Store(old) as store:
        again = claim(store, CARDS, Person("ann"), now_ms=NOW + 50)
        assert again is not None
        assert again.instance_id == "case-2"
        facts.decide(store, CARDS, again, "fraud")
        assert undo(store, CARDS, Person("ann"), now_ms=NOW + 60) is not None
        facts.check_heads(store)
        assert logs.verify(store, "cards", whole=False).events == 13


def test_an_old_database_without_a_case_has_no_chain(old) -> None:
    with Store(old) as store:
        facts.emptied(store)
        assert logs.verify(store, "cards").valid
