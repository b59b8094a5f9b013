"""The queue: claims, leases, fences, decisions, undo, import and export."""

import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hitl.errors import (
    AlreadyDecidedError,
    ConflictError,
    DuplicateIdsError,
    HitlError,
    InputError,
    LeaseLostError,
    MissingColumnsError,
    UnknownRowError,
)
from hitl.store import Store
from hitl.workflow import (
    Claim,
    Decided,
    Person,
    claim,
    decide,
    export_decisions,
    held,
    import_decisions,
    newest,
    release,
    undo,
)
from hitl.workflow.deciding import check_verdict
from hitl.workflow.decision_files import COMPARED, EXPORTED
from hitl.workspaces import CARDS, REASONS, STORY
from tests import facts
from tests.facts import AWKWARD, MINUTE, NOW
from tests.servers import ROOT

LEASE = 10 * MINUTE
PATIENCE = 120.0
"""Seconds after which something that hangs is given up."""
EVE = facts.EVE
FRAUD = {"verdict": "fraud", "reason": "matches known fraud"}


@pytest.fixture(scope="module", params=facts.ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[Store]:
    with facts.opened(request) as store:
        yield store


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    """Three cases that wait, most urgent first: case-0, case-1, case-2."""
    facts.add_cases(facts.emptied(database), 3)
    yield database
    facts.check_heads(database)


def take(store: Store, reviewer: str, *, now_ms: int = NOW, case: str | None = None) -> Claim:
    claimed = claim(store, CARDS, Person(reviewer), now_ms=now_ms, instance_id=case)
    assert claimed is not None
    return claimed


def events(store: Store, instance_id: str = "case-0") -> list[tuple[str, str]]:
    found = store.view("case_events", instance_id=instance_id, order=("fence",))
    return list(found[["kind", "reviewer"]].itertuples(index=False, name=None))


def status(store: Store, instance_id: str = "case-0") -> tuple[str, str]:
    return facts.heads(store)[instance_id][:2]


# Claiming


def test_the_most_urgent_case_comes_first_and_no_case_twice(store) -> None:
    taken = [take(store, reviewer).instance_id for reviewer in ("ann", "bob", "cem")]
    assert taken == ["case-0", "case-1", "case-2"]
    assert claim(store, CARDS, Person("dee"), now_ms=NOW) is None


def test_among_equally_urgent_cases_the_longest_waiting_comes_first(store) -> None:
    late = facts.head(7) | {"priority": 9.0, "queued_ms": NOW + 1}
    early = facts.head(8) | {"priority": 9.0, "queued_ms": NOW}
    store.write(lambda work: facts.put_cases(work, [late, early]))
    assert take(store, "ann").instance_id == "case-8"


def test_claiming_again_gives_the_same_claim_and_writes_nothing(store) -> None:
    first = take(store, "ann")
    assert take(store, "ann", now_ms=NOW + 1) == first
    assert take(store, " ann ", now_ms=NOW + 2, case="case-0") == first
    assert events(store) == [("queued", ""), ("claimed", "ann")]
    assert first == Claim("case-0", Person("ann"), 1, NOW + LEASE)


def test_the_lease_lasts_as_long_as_it_is_set_to(store) -> None:
    claimed = claim(store, CARDS, Person("ann"), now_ms=NOW, lease_minutes=0.5)
    assert claimed is not None
    assert claimed.lease_until_ms == NOW + 30_000


def test_a_named_case_is_claimed_and_the_one_held_goes_back(store) -> None:
    take(store, "ann")
    assert take(store, "ann", case="case-2").instance_id == "case-2"
    assert status(store) == ("open", "")
    assert events(store)[-1] == ("released", "ann")
    assert take(store, "bob").instance_id == "case-0"


def test_a_named_case_that_cannot_be_had_leaves_the_one_held(store) -> None:
    mine = take(store, "ann")
    take(store, "bob", case="case-1")
    with pytest.raises(LeaseLostError, match="bob holds it now"):
        claim(store, CARDS, Person("ann"), now_ms=NOW, instance_id="case-1")
    assert take(store, "ann") == mine


def test_a_case_that_is_not_in_the_queue_cannot_be_claimed(store) -> None:
    with pytest.raises(UnknownRowError, match="case-9 is not in the queue"):
        claim(store, CARDS, Person("ann"), now_ms=NOW, instance_id="case-9")
    with pytest.raises(UnknownRowError, match="case-0 is not in the queue"):
        claim(store, STORY, Person("ann"), now_ms=NOW, instance_id="case-0")
    assert claim(store, STORY, Person("ann"), now_ms=NOW) is None


@pytest.mark.parametrize("name", ["", "  ", "\x00"])
def test_nobody_cannot_claim(store, name) -> None:
    with pytest.raises(InputError, match="needs a name"):
        claim(store, CARDS, Person(name), now_ms=NOW)
    with pytest.raises(InputError, match="needs a name"):
        undo(store, CARDS, Person(name), now_ms=NOW)


def test_a_lease_that_ran_out_gives_the_case_to_the_next(store) -> None:
    stale = take(store, "ann")
    assert claim(store, CARDS, Person("bob"), now_ms=NOW + LEASE) == take(
        store, "bob", case="case-1"
    )
    fresh = take(store, "cem", now_ms=NOW + LEASE + 1)
    assert (fresh.instance_id, fresh.fence) == ("case-0", stale.fence + 1)


def test_one_whose_lease_ran_out_gets_the_case_again_under_a_new_fence(store) -> None:
    stale = take(store, "ann")
    again = take(store, "ann", now_ms=NOW + LEASE + 1)
    assert (again.instance_id, again.fence) == ("case-0", stale.fence + 1)
    assert again.lease_until_ms == NOW + 2 * LEASE + 1
    release(store, CARDS, again, now_ms=NOW + LEASE + 2)
    named = take(store, "ann", now_ms=NOW + LEASE + 2, case="case-0")
    assert take(store, "ann", now_ms=named.lease_until_ms + 1, case="case-0").fence == 5


def test_a_case_in_hand_is_found_until_somebody_else_takes_it(store) -> None:
    assert held(store, CARDS, Person("ann")) is None
    mine = take(store, "ann")
    assert held(store, CARDS, Person(" ann")) == mine
    assert held(store, STORY, Person("ann")) is None
    take(store, "bob", now_ms=NOW + LEASE + 1, case="case-0")
    assert held(store, CARDS, Person("ann")) is None


def test_releasing_puts_a_case_back_once(store) -> None:
    mine = take(store, "ann")
    release(store, CARDS, mine, now_ms=NOW + 1)
    take(store, "bob")
    release(store, CARDS, mine, now_ms=NOW + 2)  # too late: it is bob's
    assert status(store) == ("claimed", "bob")
    assert events(store)[1:] == [("claimed", "ann"), ("released", "ann"), ("claimed", "bob")]


# Deciding


def test_a_decision_takes_the_case_off_the_queue_with_all_that_was_said(store) -> None:
    decide(
        store, CARDS, take(store, "ann"), **FRAUD, note=f"  {AWKWARD}\x00 ", key="k1",
        model_id="m-1", seconds=2.5, now_ms=NOW + 1,
    )  # fmt: skip
    standing = store.view("decisions").iloc[0].to_dict()
    assert standing == {
        "workspace": "cards",
        "instance_id": "case-0",
        "reviewer": "ann",
        "model_id": "m-1",
        "verdict": "fraud",
        "is_positive": True,
        "reason": "matches known fraud",
        "note": AWKWARD,
        "source": "reviewer",
        "seconds": 2.5,
        "happened_ms": NOW + 1,
    }
    assert take(store, "ann").instance_id == "case-1"


@pytest.mark.parametrize(
    ("verdict", "is_positive"), [("fraud", True), ("legitimate", False), ("unsure", None)]
)
def test_unsure_is_a_verdict_without_a_label(store, verdict, is_positive) -> None:
    facts.decide(store, CARDS, take(store, "ann"), verdict)
    found = store.view("decisions")["is_positive"].iloc[0]
    assert (None if pd.isna(found) else bool(found)) is is_positive
    assert len(store.view("labels")) == (is_positive is not None)


def test_the_same_submit_twice_changes_nothing(store) -> None:
    mine = take(store, "ann")
    for now_ms in (NOW + 1, NOW + 2):
        decide(store, CARDS, mine, **FRAUD, key="k1", now_ms=now_ms)
    assert events(store) == [("queued", ""), ("claimed", "ann"), ("decided", "ann")]
    assert store.view("decisions")["happened_ms"].tolist() == [NOW + 1]


def test_a_key_that_belongs_to_another_submit_is_refused(store) -> None:
    mine = take(store, "ann")
    decide(store, CARDS, mine, **FRAUD, key="k1", now_ms=NOW)
    other = take(store, "ann")
    with pytest.raises(InputError, match="'k1' belongs to another submit, of case case-0"):
        decide(store, CARDS, other, **FRAUD, key="k1", now_ms=NOW)
    release(store, CARDS, other, now_ms=NOW)
    again = undo(store, CARDS, Person("ann"), now_ms=NOW)
    assert again is not None
    with pytest.raises(InputError, match="'k1' belongs to another submit"):
        decide(store, CARDS, again, **FRAUD, key="k1", now_ms=NOW)
    decide(store, CARDS, mine, **FRAUD, key="k1", now_ms=NOW)  # the first submit, once more
    assert status(store) == ("claimed", "ann")


def test_a_stale_submit_is_refused_and_says_who_was_faster(store) -> None:
    stale = take(store, "ann")
    fresh = take(store, "bob", now_ms=NOW + LEASE + 1)
    assert fresh.instance_id == stale.instance_id
    with pytest.raises(LeaseLostError, match=r"bob holds it now.*What you typed is still there"):
        decide(store, CARDS, stale, **FRAUD, key="k1", now_ms=NOW + LEASE + 2)
    decide(store, CARDS, fresh, **FRAUD, key="k2", now_ms=NOW + LEASE + 3)
    with pytest.raises(AlreadyDecidedError, match="decided by bob meanwhile"):
        decide(store, CARDS, stale, **FRAUD, key="k1", now_ms=NOW + LEASE + 4)
    with pytest.raises(AlreadyDecidedError, match="decided by bob"):
        claim(store, CARDS, Person("ann"), now_ms=NOW, instance_id="case-0")
    assert len(store.view("decisions")) == 1


def test_a_submit_after_putting_the_case_back_is_refused(store) -> None:
    mine = take(store, "ann")
    release(store, CARDS, mine, now_ms=NOW)
    with pytest.raises(LeaseLostError, match="Nobody holds it now"):
        decide(store, CARDS, mine, **FRAUD, key="k1", now_ms=NOW)


def test_a_late_submit_counts_while_nobody_else_took_the_case(store) -> None:
    mine = take(store, "ann")
    decide(store, CARDS, mine, **FRAUD, key="k1", now_ms=NOW + 2 * LEASE)
    assert status(store) == ("decided", "ann")


def test_a_submit_for_a_case_that_was_never_queued_is_refused(store) -> None:
    with pytest.raises(UnknownRowError):
        decide(store, CARDS, Claim("case-9", Person("ann"), 1, 0), **FRAUD, key="k1", now_ms=NOW)


@pytest.mark.parametrize(
    ("verdict", "reason", "said"),
    [
        ("guilty", "matches known fraud", "'guilty' is not a verdict here.*fraud, legitimate"),
        ("fraud", "new but plausible", "'new but plausible' is not a reason for fraud"),
    ],
)
def test_a_verdict_or_reason_that_is_not_on_the_list_is_refused(
    store, verdict, reason, said
) -> None:
    mine = take(store, "ann")
    with pytest.raises(InputError, match=said):
        decide(store, CARDS, mine, verdict=verdict, reason=reason, key="k1", now_ms=NOW)
    assert status(store) == ("claimed", "ann")


def test_every_reason_goes_with_its_verdict() -> None:
    for verdict in CARDS.verdicts:
        for reason in REASONS[verdict]:
            check_verdict(CARDS, verdict, reason)


# Undo


def test_undo_is_a_new_event_and_hands_the_case_back(store) -> None:
    facts.decide(store, CARDS, take(store, "ann"), "fraud")
    again = undo(store, CARDS, Person("ann"), now_ms=NOW + 5)
    assert again == Claim("case-0", Person("ann"), 3, NOW + 5 + LEASE)
    assert take(store, "ann", now_ms=NOW + 6) == again
    assert [kind for kind, _ in events(store)] == ["queued", "claimed", "decided", "undone"]
    assert store.view("decisions").empty
    facts.decide(store, CARDS, again, "legitimate")
    assert store.view("decisions")["verdict"].tolist() == ["legitimate"]


def test_undo_takes_back_the_newest_first_and_then_the_one_before(store) -> None:
    for _ in range(2):
        facts.decide(store, CARDS, take(store, "ann", now_ms=NOW), "fraud")
    store.write(lambda work: None)
    first = undo(store, CARDS, Person("ann"), now_ms=NOW + 9)
    second = undo(store, CARDS, Person("ann"), now_ms=NOW + 9)
    assert first is not None
    assert second is not None
    assert {first.instance_id, second.instance_id} == {"case-0", "case-1"}
    assert status(store, first.instance_id) == ("open", "")  # it went back for the second
    assert undo(store, CARDS, Person("ann"), now_ms=NOW + 9) is None


def test_undo_puts_back_the_case_in_hand(store) -> None:
    facts.decide(store, CARDS, take(store, "ann"), "fraud")
    assert take(store, "ann").instance_id == "case-1"
    again = undo(store, CARDS, Person("ann"), now_ms=NOW + 5)
    assert again is not None
    assert again.instance_id == "case-0"
    assert status(store, "case-1") == ("open", "")


def test_undo_takes_back_nobody_elses_decision(store) -> None:
    facts.decide(store, CARDS, take(store, "ann"), "fraud")
    assert undo(store, CARDS, Person("bob"), now_ms=NOW) is None
    assert undo(store, STORY, Person("ann"), now_ms=NOW) is None
    assert status(store) == ("decided", "ann")


def test_undo_of_a_named_case_takes_back_that_one_or_nothing(store) -> None:
    for now_ms in (NOW, NOW + 1):
        decide(store, CARDS, take(store, "ann"), **FRAUD, key=f"k-{now_ms}", now_ms=now_ms)
    assert undo(store, CARDS, Person("ann"), now_ms=NOW + 9, instance_id="case-0") is None
    assert len(store.view("decisions")) == 2
    again = undo(store, CARDS, Person("ann"), now_ms=NOW + 9, instance_id="case-1")
    assert again is not None
    assert again.instance_id == "case-1"
    assert store.view("decisions")["instance_id"].tolist() == ["case-0"]


def test_the_newest_decision_is_ones_own_and_of_this_workspace(store) -> None:
    assert newest(store, CARDS, Person("ann")) is None
    mine = take(store, "ann")
    decide(store, CARDS, mine, **FRAUD, note="so it is", key="k", now_ms=NOW + 3)
    told = Decided("case-0", "fraud", "matches known fraud", "so it is", NOW + 3)
    assert newest(store, CARDS, Person(" ann ")) == told
    assert newest(store, CARDS, Person("bob")) is None
    assert newest(store, STORY, Person("ann")) is None
    undo(store, CARDS, Person("ann"), now_ms=NOW + 4)
    assert newest(store, CARDS, Person("ann")) is None


def test_only_a_refused_submit_speaks_of_what_was_typed(store) -> None:
    mine = take(store, "ann")
    facts.decide(store, CARDS, take(store, "bob"), "fraud")
    late = NOW + LEASE + 1
    take(store, "bob", now_ms=late, case="case-0")
    with pytest.raises(LeaseLostError, match=r"bob holds it now\. What you typed is still there"):
        decide(store, CARDS, mine, **FRAUD, key="k", now_ms=late)
    for case, error in (("case-0", LeaseLostError), ("case-1", AlreadyDecidedError)):
        with pytest.raises(error) as refused:
            claim(store, CARDS, Person("ann"), now_ms=late, instance_id=case)
        assert "typed" not in str(refused.value)
        assert "undo" not in str(refused.value)


# Export and import


def decided(store: Store) -> pd.DataFrame:
    for number, verdict in enumerate(("fraud", "unsure")):
        facts.decide(store, CARDS, take(store, f"reviewer {number}"), verdict)
    return export_decisions(store, CARDS)


def test_decisions_go_out_and_in_again(store, tmp_path) -> None:
    exported = decided(store)
    assert list(exported.columns) == list(EXPORTED)
    text = exported.to_csv(index=False)
    file = pd.read_csv(io.StringIO(text), keep_default_na=False)
    with Store(str(tmp_path / "other.duckdb")) as other:
        facts.add_cases(other, 3)
        take(other, "zoe")  # in hand there: her submit will be refused
        assert import_decisions(other, CARDS, file, now_ms=NOW + 9, person=EVE) == 2
        again = export_decisions(other, CARDS)
        for name in ("instance_id", *COMPARED, "model_id", "seconds"):
            assert again[name].tolist() == exported[name].tolist(), name
        assert set(again["source"]) == {"import"}
        assert set(again["happened_ms"]) == {NOW + 9}
        for rows in (file, exported, again):  # the same again
            assert import_decisions(other, CARDS, rows, now_ms=NOW + 10, person=EVE) == 0
        assert len(other.view("case_events", kind="imported")) == 2
        facts.check_heads(other)


@pytest.mark.parametrize(
    ("note", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1", "'+49 30 1"),
        ("-", "'-"),
        ("@home", "'@home"),
        ("'=1+1", "''=1+1"),
        ("'tis so", "'tis so"),
        ("'", "'"),
        ("1=1", "1=1"),
        ("", ""),
    ],
)
def test_no_text_of_an_export_is_a_formula_and_all_come_back_as_they_were(
    store, note, written
) -> None:
    mine = take(store, "=ann")
    decide(store, CARDS, mine, **FRAUD, note=note, key="k", now_ms=NOW)
    text = export_decisions(store, CARDS).to_csv(index=False)
    file = pd.read_csv(io.StringIO(text), keep_default_na=False, dtype=str)
    assert (file.loc[0, "note"], file.loc[0, "reviewer"]) == (written, "'=ann")
    assert import_decisions(store, CARDS, file, now_ms=NOW, person=EVE) == 0
    undo(store, CARDS, Person("=ann"), now_ms=NOW)
    assert import_decisions(store, CARDS, file, now_ms=NOW, person=EVE) == 1
    stands = store.view("decisions").iloc[0]
    assert (stands["note"], stands["reviewer"]) == (note, "=ann")


def test_a_formula_somebody_wrote_into_a_file_is_kept_as_text(store) -> None:
    assert imported(store, [GOOD | {"note": "=1+1"}]) == 1
    assert store.view("decisions")["note"].tolist() == ["=1+1"]


def imported(store: Store, rows: list[dict[str, Any]], by: str = "eve") -> int:
    return import_decisions(
        store, CARDS, pd.DataFrame(rows), now_ms=NOW, person=Person(by, "supervisor")
    )


def test_what_a_file_leaves_out_is_filled_in(store) -> None:
    rows = [
        {"instance_id": "case-0", "verdict": "fraud", "note": None, "reviewer": float("nan")},
        {"instance_id": "case-1", "verdict": "unsure", "note": pd.NA, "reviewer": "ann"},
    ]
    assert imported(store, rows) == 2
    found = store.view("decisions", order=("instance_id",))
    assert found["reviewer"].tolist() == ["eve", "ann"]
    assert found["reason"].tolist() == [REASONS["fraud"][0], REASONS["unsure"][0]]
    assert found["note"].tolist() == ["", ""]
    assert found["seconds"].tolist() == [0.0, 0.0]


def test_a_changed_decision_is_imported_over_the_standing_one(store) -> None:
    facts.decide(store, CARDS, take(store, "ann"), "fraud")
    assert imported(store, [{"instance_id": "case-0", "verdict": "legitimate"}]) == 1
    assert store.view("decisions")["verdict"].tolist() == ["legitimate"]
    assert undo(store, CARDS, Person("ann"), now_ms=NOW) is None  # hers does not stand any more
    assert [kind for kind, _ in events(store)] == ["queued", "claimed", "decided", "imported"]


GOOD = {"instance_id": "case-0", "verdict": "fraud"}


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        ([{"verdict": "fraud"}], MissingColumnsError, "lacks instance_id"),
        ([{"case": "case-0"}], MissingColumnsError, "lacks instance_id and verdict"),
        ([GOOD, {"instance_id": "case-9", "verdict": "fraud"}], UnknownRowError, "'case-9'"),
        ([GOOD, {"instance_id": None, "verdict": "fraud"}], UnknownRowError, "no case ''"),
        ([GOOD, {"instance_id": "case-1", "verdict": "guilty"}], InputError, "'guilty'"),
        ([GOOD, {"instance_id": "case-1", "verdict": None}], InputError, "'' is not a verdict"),
        ([GOOD | {"reason": "new but plausible"}], InputError, "not a reason for fraud"),
        ([GOOD | {"seconds": "soon"}], InputError, "'soon' is not a number of seconds"),
        ([GOOD | {"seconds": -1}], InputError, "'-1' is not a number of seconds"),
        ([GOOD | {"seconds": "inf"}], InputError, "'inf' is not a number of seconds"),
        ([GOOD, GOOD | {"verdict": "unsure"}], DuplicateIdsError, "case-0 is in the file 2 times"),
    ],
)
def test_a_file_that_cannot_be_used_leaves_nothing_half_written(store, rows, error, said) -> None:
    with pytest.raises(error, match=said):
        imported(store, rows)
    assert store.view("decisions").empty
    assert len(store.view("case_events")) == 3


def test_an_import_without_any_name_is_refused(store) -> None:
    with pytest.raises(InputError, match="needs a name"):
        imported(store, [GOOD], by=" ")


def test_a_file_without_rows_changes_nothing(store) -> None:
    rows = pd.DataFrame(columns=list(EXPORTED))
    assert import_decisions(store, CARDS, rows, now_ms=NOW, person=EVE) == 0


# Everything the queue can be put through, against a plain model of it


class Rules:
    """The queue as one would explain it: who has which case, until when, decided or not."""

    def __init__(self, cases: list[str]) -> None:
        self.cases = cases
        self.open = list(cases)
        self.in_hand: dict[str, tuple[str, int]] = {}
        self.decided: dict[str, tuple[str, str]] = {}

    def holds(self, reviewer: str, now_ms: int) -> str | None:
        mine = [
            (until, case)
            for case, (holder, until) in self.in_hand.items()
            if holder == reviewer and until >= now_ms
        ]
        return min(mine)[1] if mine else None

    def free(self, now_ms: int) -> list[str]:
        expired = [case for case, (_, until) in self.in_hand.items() if until < now_ms]
        return [case for case in self.cases if case in self.open or case in expired]

    def give(self, case: str, reviewer: str, until_ms: int) -> None:
        if case in self.open:
            self.open.remove(case)
        self.decided.pop(case, None)
        self.in_hand[case] = (reviewer, until_ms)

    def put_back(self, case: str) -> None:
        del self.in_hand[case]
        self.open.append(case)

    def settle(self, case: str, reviewer: str, verdict: str) -> None:
        if case in self.open:
            self.open.remove(case)
        self.in_hand.pop(case, None)
        self.decided[case] = (reviewer, verdict)

    def heads(self) -> dict[str, tuple[str, str]]:
        return {
            **dict.fromkeys(self.open, ("open", "")),
            **{case: ("claimed", holder) for case, (holder, _) in self.in_hand.items()},
            **{case: ("decided", reviewer) for case, (reviewer, _) in self.decided.items()},
        }


REVIEWERS = st.sampled_from(["ann", "bob"])
VERDICTS = st.sampled_from(CARDS.verdicts)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), REVIEWERS, st.none() | st.integers(0, 2)),
        st.tuples(st.just("decide"), REVIEWERS, VERDICTS),
        st.tuples(st.just("undo"), REVIEWERS, st.none()),
        st.tuples(st.just("release"), REVIEWERS, st.none()),
        st.tuples(st.just("import"), st.integers(0, 2), VERDICTS),
        st.tuples(st.just("wait"), st.sampled_from([1, LEASE, LEASE + 1]), st.none()),
    ),
    min_size=1,
    max_size=12,
)
RUNS = count()


def play(store: Store, steps: list[tuple[Any, Any, Any]]) -> None:
    """Do the steps on the database and on the rules, and compare them after each."""
    name = f"play-{next(RUNS)}"
    space = facts.space(name)
    cases = facts.add_cases(store, 3, workspace=name, prefix=name)
    rules, clock = Rules(cases), NOW
    newest: dict[str, list[str]] = {"ann": [], "bob": []}
    claims: dict[str, Claim] = {}
    for kind, who, what in steps:
        clock += 1
        if kind == "wait":
            clock += who
        elif kind == "claim":
            _play_claim(
                store, space, rules, claims, who, None if what is None else cases[what], clock
            )
        elif kind == "decide" and who in claims:
            _play_decide(store, space, rules, claims, newest, who, what, clock)
        elif kind == "release" and who in claims:
            mine = claims.pop(who)
            current = facts.heads(store)[mine.instance_id]
            release(store, space, mine, now_ms=clock)
            if current[0] == "claimed" and current[3] == mine.fence:
                rules.put_back(mine.instance_id)
        elif kind == "undo":
            _play_undo(store, space, rules, claims, newest, who, clock)
        elif kind == "import":
            _play_import(store, space, rules, newest, cases[who], what, clock)
        found = {c: h[:2] for c, h in facts.heads(store).items() if c in cases}
        assert found == rules.heads(), (kind, who, what)
    facts.check_heads(store)
    standing = store.view("decisions", workspace=name).set_index("instance_id")
    assert {c: (r.reviewer, r.verdict) for c, r in standing.iterrows()} == rules.decided


def _play_claim(store, space, rules, claims, who, case, clock) -> None:
    mine, free = rules.holds(who, clock), rules.free(clock)
    expected: str | None
    if mine is not None and case in (None, mine):
        expected = mine
    elif case is None:
        expected = free[0] if free else None
    else:
        own = rules.in_hand.get(case, ("", 0))[0] == who
        expected = case if case in free or own else None
    if case is not None and expected is None:
        error = AlreadyDecidedError if case in rules.decided else LeaseLostError
        with pytest.raises(error):
            claim(store, space, Person(who), now_ms=clock, instance_id=case)
        return
    got = claim(store, space, Person(who), now_ms=clock, instance_id=case)
    assert (got.instance_id if got else None) == expected
    if got and expected and expected != mine:
        if mine is not None:
            rules.put_back(mine)
        rules.give(expected, who, clock + LEASE)
    if got:
        claims[who] = got


def _play_decide(store, space, rules, claims, newest, who, verdict, clock) -> None:
    mine = claims.pop(who)
    status, _, _, fence = facts.heads(store)[mine.instance_id]
    details = {
        "verdict": verdict,
        "reason": REASONS[verdict][0],
        "key": f"{mine.instance_id}-{mine.fence}-key",
        "now_ms": clock,
    }
    if status == "claimed" and fence == mine.fence:
        for _ in range(2):  # a double click
            decide(store, space, mine, **details)
        rules.settle(mine.instance_id, who, verdict)
        newest[who].append(mine.instance_id)
    else:
        with pytest.raises(ConflictError):
            decide(store, space, mine, **details)


def _play_undo(store, space, rules, claims, newest, who, clock) -> None:
    while newest[who] and rules.decided.get(newest[who][-1], ("", ""))[0] != who:
        newest[who].pop()
    got = undo(store, space, Person(who), now_ms=clock)
    if not newest[who]:
        assert got is None
        return
    case, mine = newest[who].pop(), rules.holds(who, clock)
    assert got is not None
    assert got.instance_id == case
    if mine is not None:
        rules.put_back(mine)
    rules.give(case, who, clock + LEASE)
    claims[who] = got


def _play_import(store, space, rules, newest, case, verdict, clock) -> None:
    rows = pd.DataFrame([{"instance_id": case, "verdict": verdict, "reviewer": "eve"}])
    expected = 0 if rules.decided.get(case) == ("eve", verdict) else 1
    assert import_decisions(store, space, rows, now_ms=clock, person=EVE) == expected
    rules.settle(case, "eve", verdict)
    for decisions in newest.values():
        while case in decisions:
            decisions.remove(case)


@given(steps=STEPS)
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_heads_equal_the_fold_of_events_whatever_happens(store, steps) -> None:
    play(store, steps)


# Many at once


def run_together(*work: Callable[[], None]) -> None:
    trouble: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:  # noqa: BLE001  raised below
            trouble.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]


def test_sixteen_threads_claim_three_hundred_cases_none_twice(tmp_path: Path) -> None:
    taken: list[str] = []
    with Store(str(tmp_path / "test.duckdb")) as store:
        cases = facts.add_cases(store, 300)
        names = count()

        def reviewer() -> None:
            while claimed := claim(store, CARDS, Person(f"reviewer {next(names)}"), now_ms=NOW):
                taken.append(claimed.instance_id)

        run_together(*[reviewer] * 16)
        assert sorted(taken) == sorted(cases)
        facts.check_heads(store)


CLAIMING = """
import sys
from hitl.store import Store
from hitl.workflow import Person, claim
from hitl.workspaces import CARDS
url, name = sys.argv[1:]
with Store(url) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    number = 0
    while True:
        number += 1
        claimed = claim(store, CARDS, Person(f"{name} {number}"), now_ms=0)
        if claimed is None and not store.view("case_heads", status="open", limit=1).empty:
            continue  # the last ones were locked by another process just then
        if claimed is None:
            break
        print(claimed.instance_id)
"""


@pytest.mark.postgres
def test_four_processes_claim_three_hundred_cases_none_twice(fresh_postgres_url) -> None:
    with Store(fresh_postgres_url) as store:
        cases = facts.add_cases(store, 300)
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", CLAIMING, fresh_postgres_url, f"process {n}"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for n in range(4)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = [process.communicate(timeout=PATIENCE)[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0] * 4
        assert sorted(chain.from_iterable(taken)) == sorted(cases)
        facts.check_heads(store)


def test_one_submit_from_many_windows_at_once_is_one_decision(store) -> None:
    mine = take(store, "ann")
    submit = [lambda: decide(store, CARDS, mine, **FRAUD, key="k1", now_ms=NOW)] * 8
    run_together(*submit)
    assert len(store.view("case_events", kind="decided")) == 1


def test_of_many_different_submits_for_one_claim_one_counts(store) -> None:
    mine = take(store, "ann")
    refused: list[HitlError] = []

    def submit(number: int) -> None:
        try:
            decide(store, CARDS, mine, **FRAUD, key=f"k{number}", now_ms=NOW)
        except AlreadyDecidedError as error:
            refused.append(error)

    run_together(*[lambda n=n: submit(n) for n in range(8)])
    assert len(refused) == 7
    assert len(store.view("case_events", kind="decided")) == 1


def count_waiting(store: Store) -> int:
    """Count connections that wait for a lock; asked anew, since a transaction sees one answer."""
    with store._engine.reading() as work:
        rows = work.rows(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    return int(rows[0][0])


def at_one_moment(store: Store, work: Callable[[], Any]) -> list[Any]:
    """Do something twice so that both have read before either has written, on PostgreSQL."""
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(2)]
    with store._engine.transaction() as lock:
        lock.rows("SELECT * FROM case_heads FOR UPDATE")
        for thread in threads:
            thread.start()
        end = time.monotonic() + PATIENCE
        while count_waiting(store) < len(threads):
            assert time.monotonic() < end, "they do not wait for each other"
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def shared(fresh_postgres_url: str) -> Iterator[Store]:
    with Store(fresh_postgres_url) as store:
        facts.add_cases(store, 3)
        yield store
        facts.check_heads(store)


@pytest.mark.postgres
def test_one_submit_from_two_windows_that_both_saw_it_missing_is_one_decision(shared) -> None:
    mine = take(shared, "ann")

    def submit() -> None:
        decide(shared, CARDS, mine, **FRAUD, key="k1", now_ms=NOW)

    assert at_one_moment(shared, submit) == [None, None]
    assert [kind for kind, _ in events(shared)] == ["queued", "claimed", "decided"]


@pytest.mark.postgres
def test_one_undo_from_two_windows_takes_back_one_decision(shared) -> None:
    for _ in range(2):
        facts.decide(shared, CARDS, take(shared, "ann"), "fraud")
    results = at_one_moment(shared, lambda: undo(shared, CARDS, Person("ann"), now_ms=NOW + 9))
    assert sum(result is not None for result in results) == 1
    assert len(shared.view("decisions")) == 1


@pytest.mark.postgres
def test_one_file_imported_from_two_windows_is_one_import(shared) -> None:
    rows = [{"instance_id": f"case-{n}", "verdict": "fraud"} for n in range(3)]
    assert sorted(at_one_moment(shared, lambda: imported(shared, rows))) == [0, 3]


def test_a_double_undo_at_one_moment_takes_back_one_decision(store) -> None:
    facts.decide(store, CARDS, take(store, "ann"), "fraud")
    run_together(*[lambda: undo(store, CARDS, Person("ann"), now_ms=NOW)] * 4)
    assert len(store.view("case_events", kind="undone")) == 1
    assert status(store) == ("claimed", "ann")


def test_two_imports_of_one_file_at_once_are_one_import(store) -> None:
    rows = [{"instance_id": f"case-{n}", "verdict": "fraud"} for n in range(3)]
    run_together(*[lambda: imported(store, rows) and None] * 4)
    assert len(store.view("case_events", kind="imported")) == 3


def test_the_log_keeps_the_outcome_to_itself_while_a_case_waits_again(store) -> None:
    mine = take(store, "ann")
    outcome = {
        "instance_id": mine.instance_id,
        "workspace": "cards",
        "is_positive": True,
        "source": "outcome",
        "arrived_ms": NOW,
    }
    store.append("outcomes", [outcome])
    facts.decide(store, CARDS, mine, "fraud")
    assert list(store.view("decision_log", kind="decided")["outcome"]) == [True]
    undo(store, CARDS, Person("ann"), now_ms=NOW)
    assert store.view("decision_log")["outcome"].isna().all()
