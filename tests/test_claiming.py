"""Who gets which case: order, leases that are renewed or end, and many people at once."""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hitl.errors import (
    AlreadyDecidedError,
    ConflictError,
    InputError,
    LeaseLostError,
    NotAllowedError,
)
from hitl.store import Store
from hitl.workflow import Claim, Person, claim, decide, held, journal, release, renew
from hitl.workflow.claiming import order
from hitl.workspaces import CARDS
from tests import facts
from tests.facts import MINUTE, NOW

LEASE = 10 * MINUTE
ANN, BOB, SUE = Person("ann"), Person("bob"), Person("sue", "supervisor")
FRAUD = {"verdict": "fraud", "reason": "matches known fraud"}


@pytest.fixture(scope="module", params=facts.ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[Store]:
    with facts.opened(request) as store:
        yield store


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    yield facts.emptied(database)
    facts.check_heads(database)


def queue(store: Store, **places: dict[str, object]) -> None:
    """Queue cases at these places."""
    events = [journal.queued(name, happened_ms=NOW, **place) for name, place in places.items()]
    store.write(lambda work: journal.record(work, "cards", events))


def events(store: Store, case: str = "a") -> list[tuple[str, str, int]]:
    found = store.view("case_events", instance_id=case, order=("number",))
    return list(found[["kind", "reviewer", "fence"]].itertuples(index=False, name=None))


def take(store: Store, person: Person = ANN, now_ms: int = NOW, case: str | None = None) -> Claim:
    found = claim(store, CARDS, person, now_ms=now_ms, instance_id=case)
    assert found is not None
    return found


def take_all(store: Store, now_ms: int, role: str = "reviewer") -> list[str]:
    """Hand out everything that waits, each to a new person."""
    people = (Person(f"p{n}", role) for n in itertools.count())
    taken = iter(lambda: claim(store, CARDS, next(people), now_ms=now_ms), None)
    return [each.instance_id for each in taken]


# Order


def test_overdue_comes_first_then_what_needs_another_person_then_the_turn(store) -> None:
    queue(
        store,
        late={"turn": 9, "due_ms": NOW - 1},
        soon={"turn": 2, "due_ms": NOW + 1},
        second={"turn": 5},
        next={"turn": 1, "priority": 0.1},
        dear={"turn": 1, "priority": 0.9},
        last={"turn": 7},
    )
    before = journal_head(store, "second")
    event = journal.moved(
        before, "claimed", ANN, now_ms=NOW, status="claimed", until_ms=NOW - 1,
        details={"stage": "second", "first_by": "zoe"},
    )  # fmt: skip
    store.write(lambda work: journal.record(work, "cards", [event]))
    assert take_all(store, NOW) == ["late", "second", "dear", "next", "soon", "last"]


def journal_head(store: Store, case: str) -> journal.Head:
    return store.write(lambda work: journal.head(work, CARDS, case))


def test_waiting_brings_a_case_forward_turn_by_turn(store) -> None:
    step = journal.MS_PER_TURN
    queue(
        store,
        new={"turn": 0, "queued_ms": NOW},
        old={"turn": 3, "queued_ms": NOW - 4 * step},
        older={"turn": 4, "queued_ms": NOW - 6 * step},
        same={"turn": 0, "priority": 5.0, "queued_ms": NOW},
    )
    assert take_all(store, NOW) == ["older", "old", "same", "new"]


def test_no_case_waits_for_ever_however_many_better_ones_come(store) -> None:
    queue(store, poor={"turn": 3, "priority": 0.0})
    for n in range(12):
        now = NOW + n * journal.MS_PER_TURN
        queue(store, **{f"rich-{n}-{k}": {"priority": 9.0, "queued_ms": now} for k in range(2)})
        taken = [take(store, Person(f"{n}-{k}"), now) for k in range(2)]
        for each in taken:
            decide(store, CARDS, each, **FRAUD, key=f"key-{each.instance_id}", now_ms=now)
        if "poor" in [each.instance_id for each in taken]:
            break
    assert n == 4


@pytest.mark.parametrize("seed", range(5))
def test_the_queue_is_in_the_order_its_rule_says(store, seed) -> None:
    rng = random.Random(seed)
    places = {
        f"case-{n:02}": {
            "turn": rng.randrange(3),
            "priority": rng.choice([0.0, 0.5, 1.5]),
            "queued_ms": NOW - rng.randrange(3) * journal.MS_PER_TURN - rng.randrange(3),
            "due_ms": rng.choice([0, 0, NOW - 5, NOW + 5]),
        }
        for n in range(25)
    }
    queue(store, **places)
    heads = [journal_head(store, case) for case in places]
    for each in heads:
        age = NOW // journal.MS_PER_TURN - each.queued_ms // journal.MS_PER_TURN
        assert each.place == each.turn - age + NOW // journal.MS_PER_TURN
    rule = sorted(heads, key=lambda each: order(each, NOW))
    assert take_all(store, NOW) == [each.instance_id for each in rule]


def test_a_joined_case_is_not_handed_out(store) -> None:
    queue(store, lead={"entity": "terminal 7"}, b={"entity": "terminal 7", "joined": "lead"})
    assert take_all(store, NOW) == ["lead"]
    assert journal_head(store, "b").status == "joined"


# Leases


def test_a_lease_is_renewed_by_activity_and_forms_stay_valid(store) -> None:
    queue(store, a={})
    mine = take(store)
    later = renew(store, CARDS, mine, now_ms=NOW + 5 * MINUTE)
    assert later.lease_until_ms == NOW + 5 * MINUTE + LEASE
    assert held(store, CARDS, ANN) == later
    assert claim(store, CARDS, BOB, now_ms=NOW + LEASE + 1) is None
    assert events(store)[-1] == ("renewed", "ann", 1)
    decide(store, CARDS, mine, **FRAUD, key="k", now_ms=NOW + LEASE + 2)


def test_a_lease_that_is_almost_new_is_not_written_again(store) -> None:
    queue(store, a={})
    mine = take(store)
    assert renew(store, CARDS, mine, now_ms=NOW + 59_000) == mine
    assert len(events(store)) == 2


def test_a_lease_may_be_renewed_after_its_end_until_somebody_takes_the_case(store) -> None:
    queue(store, a={})
    mine = take(store)
    again = renew(store, CARDS, mine, now_ms=NOW + 2 * LEASE)
    assert again.lease_until_ms == NOW + 3 * LEASE
    take(store, BOB, NOW + 4 * LEASE)
    with pytest.raises(LeaseLostError, match="bob holds it now"):
        renew(store, CARDS, mine, now_ms=NOW + 4 * LEASE)


def test_who_loses_a_case_is_written_down_when_the_next_takes_it(store) -> None:
    queue(store, a={})
    stale = take(store)
    fresh = take(store, BOB, NOW + LEASE + 1)
    assert events(store) == [
        ("queued", "", 0),
        ("claimed", "ann", 1),
        ("expired", "ann", 1),
        ("claimed", "bob", 2),
    ]
    with pytest.raises(LeaseLostError, match="bob holds it now"):
        decide(store, CARDS, stale, **FRAUD, key="k1", now_ms=NOW + LEASE + 2)
    release(store, CARDS, stale, now_ms=NOW + LEASE + 2)
    assert held(store, CARDS, BOB) == fresh


def test_renewing_a_decided_case_says_so(store) -> None:
    queue(store, a={})
    mine = take(store)
    decide(store, CARDS, mine, **FRAUD, key="k", now_ms=NOW)
    with pytest.raises(AlreadyDecidedError, match="decided by ann"):
        renew(store, CARDS, mine, now_ms=NOW)


def test_an_auditor_reads_and_takes_nothing(store) -> None:
    queue(store, a={})
    with pytest.raises(NotAllowedError, match=r"auditor and may not claim.*reviewer or supervisor"):
        claim(store, CARDS, Person("eve", "auditor"), now_ms=NOW)
    assert held(store, CARDS, Person("eve", "auditor")) is None
    assert len(events(store)) == 1


def test_the_key_of_one_persons_submit_is_not_another_ones(store) -> None:
    queue(store, a={}, b={})
    decide(store, CARDS, take(store), **FRAUD, key="k", now_ms=NOW)
    with pytest.raises(InputError, match="belongs to another submit"):
        decide(store, CARDS, take(store, BOB), **FRAUD, key="k", now_ms=NOW)


# Many at once


@dataclass
class Shift:
    """What sixteen people did to one queue, in a time that only their steps move on."""

    store: Store
    claims: list[Claim] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    refused: list[Claim] = field(default_factory=list)
    clock: Iterator[int] = field(default_factory=lambda: itertools.count(NOW, 1_000))

    def work(self, name: str, seed: int) -> None:
        """Take and decide cases; be late now and then, and click twice now and then."""
        rng, person = random.Random(seed), Person(name)
        while mine := claim(self.store, CARDS, person, now_ms=next(self.clock)):
            self.claims.append(mine)
            if rng.random() < 0.15:  # away for longer than the lease
                for _ in range(700):
                    next(self.clock)
                if rng.random() < 0.3:
                    continue
            self.submit(mine, times=2 if rng.random() < 0.3 else 1)

    def submit(self, mine: Claim, times: int) -> None:
        key = f"{mine.instance_id}-{mine.fence}-{mine.reviewer}"
        for _ in range(times):
            try:
                decide(self.store, CARDS, mine, **FRAUD, key=key, now_ms=next(self.clock))
            except ConflictError:
                self.refused.append(mine)
            else:
                self.acknowledged.append(mine.instance_id)


def together(work: Callable[[int], None], people: int) -> None:
    trouble: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001  raised below
            trouble.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]


def check_shift(shift: Shift, cases: list[str]) -> None:
    """Fail unless each case was decided once, by whom held it last, and stale submits never."""
    events = shift.store.view("case_events", order=("number",))
    decided = events[events["kind"] == "decided"]
    assert sorted(decided["instance_id"]) == sorted(cases)
    assert set(shift.acknowledged) == set(cases)
    taken = Counter((each.instance_id, each.fence) for each in shift.claims)
    owners = {(e.instance_id, e.fence): e.reviewer for e in shift.claims}
    assert len(owners) == len({(e.instance_id, e.fence, e.reviewer) for e in shift.claims})
    last = {}
    for each in taken:
        last[each[0]] = max(last.get(each[0], 0), each[1])
    for row in decided.itertuples():
        assert row.fence == last[row.instance_id] + 1
        assert owners[row.instance_id, row.fence - 1] == row.reviewer
    assert all(each.fence < last[each.instance_id] for each in shift.refused)
    facts.check_heads(shift.store)


def test_sixteen_people_with_ending_leases_and_double_clicks_decide_each_case_once(
    tmp_path: Path,
) -> None:
    with Store(str(tmp_path / "test.duckdb"), memory_limit="1GB") as store:
        cases = facts.add_cases(store, 100)
        shift = Shift(store)
        together(lambda number: shift.work(f"person {number}", seed=number), 16)
        check_shift(shift, cases)
        assert len(shift.claims) > len(cases)
        assert shift.refused
