"""Blind first, second opinions, adjudication, deferral: who may know and say what, and when."""

from collections.abc import Iterator
from typing import Any

import pytest

from hitl import workflow
from hitl.errors import (
    AlreadyDecidedError,
    InputError,
    LeaseLostError,
    NotAllowedError,
    NotRevealedError,
    UnknownRowError,
)
from hitl.store import Store
from hitl.workflow import Claim, Person, claim, decide, draft, journal, keep_draft
from hitl.workspaces import CARDS, REASONS
from tests import facts
from tests.facts import AWKWARD, MINUTE, NOW

ANN, BOB, CEM = Person("ann"), Person("bob"), Person("cem")
SUE, EVE = Person("sue", "supervisor"), Person("eve", "auditor")
DAY = 24 * 60 * MINUTE


@pytest.fixture(scope="module", params=facts.ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[Store]:
    with facts.opened(request) as store:
        yield store


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    yield facts.emptied(database)
    facts.check_heads(database)


def queue(store: Store, case: str = "a", **place: Any) -> None:
    event = journal.queued(case, happened_ms=NOW, **place)
    store.write(lambda work: journal.record(work, "cards", [event]))


def take(store: Store, person: Person, case: str | None = None, now_ms: int = NOW) -> Claim:
    found = claim(store, CARDS, person, now_ms=now_ms, instance_id=case)
    assert found is not None
    return found


def say(store: Store, mine: Claim, verdict: str, *, key: str = "", **options: Any) -> str:
    key = key or f"{mine.instance_id}-{mine.fence}-{mine.reviewer}"
    said = {"verdict": verdict, "reason": REASONS[verdict][0]}
    return decide(store, CARDS, mine, **said, key=key, now_ms=NOW, **options)


def think(store: Store, mine: Claim, verdict: str = "fraud", **options: Any) -> None:
    said = {"verdict": verdict, "reason": REASONS[verdict][0]}
    workflow.first_opinion(store, CARDS, mine, **said, now_ms=NOW, **options)


def kinds(store: Store, case: str = "a") -> list[str]:
    return store.view("case_events", instance_id=case, order=("number",))["kind"].tolist()


def head(store: Store, case: str = "a") -> journal.Head:
    return store.write(lambda work: journal.head(work, CARDS, case))


# Blind first


def test_a_blind_first_case_is_revealed_by_ones_own_first_opinion_and_to_nobody_else(store) -> None:
    queue(store, mode="blind-first")
    mine = take(store, ANN)
    assert mine.mode == "blind-first"
    for person in (ANN, BOB, SUE):
        assert not workflow.is_revealed(store, CARDS, person, "a")
    think(store, mine)
    assert workflow.is_revealed(store, CARDS, ANN, "a")
    assert not workflow.is_revealed(store, CARDS, BOB, "a")
    say(store, mine, "fraud")
    assert workflow.is_revealed(store, CARDS, BOB, "a")


def test_a_decision_before_the_first_opinion_is_refused_and_keeps_the_draft(store) -> None:
    queue(store, mode="blind-first")
    mine = take(store, ANN)
    keep_draft(store, CARDS, ANN, "a", {"note": "n"}, now_ms=NOW)
    with pytest.raises(NotRevealedError, match="needs your first opinion before the decision"):
        say(store, mine, "fraud")
    assert kinds(store) == ["queued", "claimed"]
    assert draft(store, CARDS, ANN, "a") == {"note": "n"}


def test_both_opinions_are_kept_with_what_was_on_the_screen(store) -> None:
    queue(store, mode="blind-first")
    mine = take(store, ANN)
    blind = {"score_shown": False, "order": ["data"]}
    revealed = {"score_shown": True, "explanation_key": "x-1", "order": ["data", "reasons"]}
    think(store, mine, "legitimate", seconds=4.5, note=AWKWARD, shown=blind)
    say(store, mine, "fraud", seconds=2.0, shown=revealed, model_id="m-1")
    pair = store.view("opinion_pairs").iloc[0]
    assert (pair["first_verdict"], pair["first_seconds"]) == ("legitimate", 4.5)
    assert (pair["verdict"], pair["seconds"], pair["kind"]) == ("fraud", 2.0, "decided")
    ids = store.view("case_events", instance_id="a", order=("number",))["event_id"].tolist()
    assert workflow.seen(store, ids[2]) == blind
    assert workflow.seen(store, ids[3]) == revealed
    assert store.view("decisions")["verdict"].tolist() == ["fraud"]


def test_there_is_one_first_opinion_for_a_person_and_a_case(store) -> None:
    queue(store, mode="blind-first")
    mine = take(store, ANN)
    for _ in range(2):
        think(store, mine, "fraud")
    with pytest.raises(InputError, match=r"Your first opinion on case a was fraud.*It stands"):
        think(store, mine, "legitimate")
    assert kinds(store) == ["queued", "claimed", "first opinion"]


def test_a_first_opinion_outlives_the_lease_but_is_not_the_next_ones(store) -> None:
    queue(store, mode="blind-first")
    think(store, take(store, ANN))
    late = NOW + 11 * MINUTE
    other = take(store, BOB, now_ms=late)
    with pytest.raises(NotRevealedError):
        say(store, other, "fraud")
    again = take(store, ANN, now_ms=late + 11 * MINUTE)
    assert say(store, again, "fraud") == "decided"


def test_a_first_opinion_from_a_stale_form_is_refused(store) -> None:
    queue(store, mode="blind-first")
    stale = take(store, ANN)
    take(store, BOB, now_ms=NOW + 11 * MINUTE)
    with pytest.raises(LeaseLostError, match="bob holds it now"):
        think(store, stale)


def test_a_blind_case_stays_hidden_until_it_is_decided(store) -> None:
    queue(store, mode="blind")
    mine = take(store, ANN)
    assert not workflow.is_revealed(store, CARDS, ANN, "a")
    with pytest.raises(NotRevealedError, match="is hidden so far"):
        workflow.evidence_for(store, CARDS, ANN, "a", now_ms=NOW)
    say(store, mine, "fraud")
    assert workflow.is_revealed(store, CARDS, ANN, "a")


def test_what_is_shown_or_was_never_queued_is_revealed_and_an_auditor_sees_all(store) -> None:
    queue(store, mode="shown")
    queue(store, "b", mode="blind-first")
    assert workflow.is_revealed(store, CARDS, ANN, "a")
    assert workflow.is_revealed(store, CARDS, ANN, "never queued")
    assert workflow.is_revealed(store, CARDS, EVE, "b")


# Second opinions


def test_two_people_who_agree_decide_a_case(store) -> None:
    queue(store, opinions=2)
    assert say(store, take(store, ANN), "fraud") == "second opinion"
    assert store.view("decisions").empty
    assert claim(store, CARDS, ANN, now_ms=NOW) is None
    with pytest.raises(InputError, match="ann has given an opinion on case a already"):
        claim(store, CARDS, ANN, now_ms=NOW, instance_id="a")
    second = take(store, BOB)
    assert second.stage == "second"
    assert say(store, second, "fraud") == "decided"
    assert store.view("decisions")["reviewer"].tolist() == ["bob"]
    assert kinds(store) == ["queued", "claimed", "decided", "claimed", "second opinion"]


def test_a_second_opinion_is_asked_for_with_a_key_press(store) -> None:
    queue(store)
    assert say(store, take(store, ANN), "unsure", second=True) == "second opinion"
    assert say(store, take(store, BOB), "unsure") == "decided"


def test_disagreement_escalates_and_a_third_person_adjudicates(store) -> None:
    queue(store, opinions=2)
    say(store, take(store, ANN), "fraud")
    assert say(store, take(store, BOB), "legitimate") == "escalated"
    for person in (ANN, BOB, CEM):
        assert claim(store, CARDS, person, now_ms=NOW) is None
    third = take(store, SUE)
    assert third.stage == "adjudication"
    assert say(store, third, "legitimate") == "decided"
    standing = store.view("decisions").iloc[0]
    assert (standing["reviewer"], standing["source"]) == ("sue", "adjudicator")
    pair = store.view("double_reviews").iloc[0]
    assert (pair["first_by"], pair["first_verdict"]) == ("ann", "fraud")
    assert (pair["second_by"], pair["second_verdict"]) == ("bob", "legitimate")
    assert (pair["adjudicated_by"], pair["adjudicated_verdict"]) == ("sue", "legitimate")


def test_nobody_adjudicates_their_own_case(store) -> None:
    queue(store, opinions=2)
    say(store, take(store, SUE), "fraud")
    say(store, take(store, BOB), "legitimate")
    assert claim(store, CARDS, SUE, now_ms=NOW) is None
    with pytest.raises(InputError, match=r"sue has given an opinion.*Leave it to another person"):
        claim(store, CARDS, SUE, now_ms=NOW, instance_id="a")
    with pytest.raises(NotAllowedError, match="cem is here as reviewer and may not adjudicate"):
        claim(store, CARDS, CEM, now_ms=NOW, instance_id="a")
    assert take(store, Person("ada", "admin")).stage == "adjudication"


def test_who_loses_the_role_while_holding_a_disputed_case_cannot_decide_it(store) -> None:
    queue(store, opinions=2)
    say(store, take(store, ANN), "fraud")
    say(store, take(store, BOB), "legitimate")
    third = take(store, SUE)
    demoted = workflow.held(store, CARDS, Person("sue"))
    assert demoted is not None
    assert demoted.fence == third.fence
    with pytest.raises(NotAllowedError, match="may not adjudicate"):
        say(store, demoted, "fraud")


def test_the_second_person_cannot_read_the_first_opinion_by_any_verb(store) -> None:
    queue(store, opinions=2, mode="blind-first")
    mine = take(store, ANN)
    think(store, mine, "fraud", note="looks bad")
    workflow.comment(store, CARDS, ANN, "a", note="looks bad to me", key="c", now_ms=NOW)
    say(store, mine, "fraud", note="looks bad")
    take(store, BOB)
    for person in (BOB, SUE, CEM):
        told = workflow.history(store, CARDS, person, "a")
        assert not told.to_string().count("looks bad")
        assert "fraud" not in told["verdict"].tolist()
        assert told["kind"].tolist() == ["queued", "claimed", "claimed"]
        assert workflow.newest(store, CARDS, person) is None
        assert not workflow.is_revealed(store, CARDS, person, "a")
    for view in ("decision_log", "decisions", "labels", "double_reviews"):
        assert store.view(view).empty
    assert len(workflow.history(store, CARDS, EVE, "a")) == 6


def test_who_adjudicates_reads_both_opinions(store) -> None:
    queue(store, opinions=2)
    say(store, take(store, ANN), "fraud")
    say(store, take(store, BOB), "legitimate")
    take(store, SUE)
    told = workflow.history(store, CARDS, SUE, "a")
    assert [verdict for verdict in told["verdict"] if verdict] == ["fraud", "legitimate"]


@pytest.mark.parametrize("verdicts", [("fraud", "fraud"), ("fraud", "legitimate")])
def test_each_opinion_can_be_taken_back_by_who_gave_it(store, verdicts) -> None:
    queue(store, opinions=2)
    say(store, take(store, ANN), verdicts[0])
    again = workflow.undo(store, CARDS, ANN, now_ms=NOW)
    assert again is not None
    assert (again.stage, head(store).first_by) == ("first", "")
    say(store, again, verdicts[0])
    say(store, take(store, BOB), verdicts[1])
    assert workflow.undo(store, CARDS, ANN, now_ms=NOW) is None  # another has looked since
    again = workflow.undo(store, CARDS, BOB, now_ms=NOW)
    assert again is not None
    assert (again.stage, head(store).second_by, head(store).first_by) == ("second", "", "ann")
    assert say(store, again, verdicts[0]) == "decided"


def test_an_adjudication_is_taken_back_and_given_again(store) -> None:
    queue(store, opinions=2)
    say(store, take(store, ANN), "fraud")
    say(store, take(store, BOB), "legitimate")
    say(store, take(store, SUE), "fraud")
    again = workflow.undo(store, CARDS, SUE, now_ms=NOW)
    assert again is not None
    assert again.stage == "adjudication"
    workflow.release(store, CARDS, again, now_ms=NOW)
    assert head(store).status == "escalated"
    assert say(store, take(store, SUE), "legitimate") == "decided"


def test_a_second_opinion_clicked_twice_is_one(store) -> None:
    queue(store, opinions=2)
    first = take(store, ANN)
    for _ in range(2):
        assert say(store, first, "fraud") == "second opinion"
    second = take(store, BOB)
    for _ in range(2):
        assert say(store, second, "fraud") == "decided"
    assert kinds(store).count("second opinion") == 1


def test_a_case_put_back_or_lost_waits_for_what_it_waited_for(store) -> None:
    queue(store, opinions=2)
    say(store, take(store, ANN), "fraud")
    workflow.release(store, CARDS, take(store, BOB), now_ms=NOW)
    assert head(store).status == "second opinion"
    take(store, BOB)
    assert claim(store, CARDS, ANN, now_ms=NOW + 11 * MINUTE) is None
    assert take(store, CEM, now_ms=NOW + 11 * MINUTE).stage == "second"
    assert "expired" in kinds(store)


# Put off, handed up, commented


def test_a_deferred_case_comes_back_by_itself(store) -> None:
    queue(store)
    mine = take(store, ANN)
    keep_draft(store, CARDS, ANN, "a", {"note": "n"}, now_ms=NOW)
    for _ in range(2):
        workflow.defer(store, CARDS, mine, until_ms=NOW + DAY, note="call", key="d", now_ms=NOW)
    assert (head(store).status, head(store).lease_until_ms) == ("deferred", NOW + DAY)
    assert draft(store, CARDS, ANN, "a") is None
    assert claim(store, CARDS, BOB, now_ms=NOW + DAY) is None
    assert take(store, BOB, now_ms=NOW + DAY + 1).instance_id == "a"
    with pytest.raises(LeaseLostError):
        say(store, mine, "fraud")


def test_a_deferred_second_opinion_stays_one(store) -> None:
    queue(store, opinions=2)
    say(store, take(store, ANN), "fraud")
    second = take(store, BOB)
    workflow.defer(store, CARDS, second, until_ms=NOW + 5, key="d", now_ms=NOW)
    assert claim(store, CARDS, ANN, now_ms=NOW + 6) is None
    assert take(store, BOB, now_ms=NOW + 6).stage == "second"


def test_a_deferral_to_the_past_is_refused(store) -> None:
    queue(store)
    with pytest.raises(InputError, match="has passed"):
        workflow.defer(store, CARDS, take(store, ANN), until_ms=NOW, key="d", now_ms=NOW)


def test_an_escalated_case_goes_to_somebody_else_who_may(store) -> None:
    queue(store)
    mine = take(store, Person("sue", "supervisor"))
    for _ in range(2):
        workflow.escalate(store, CARDS, mine, note="too big for me", key="e", now_ms=NOW)
    assert head(store).status == "escalated"
    assert claim(store, CARDS, SUE, now_ms=NOW) is None
    third = take(store, Person("ada", "admin"))
    assert say(store, third, "fraud") == "decided"


def test_a_second_person_may_hand_a_case_up_too(store) -> None:
    queue(store, opinions=2)
    say(store, take(store, ANN), "fraud")
    workflow.escalate(store, CARDS, take(store, BOB), note="unclear", key="e", now_ms=NOW)
    assert (head(store).first_by, head(store).second_by) == ("ann", "bob")
    assert take(store, SUE).stage == "adjudication"


def test_a_case_is_not_handed_up_without_a_word(store) -> None:
    queue(store)
    with pytest.raises(InputError, match="Nobody knows why"):
        workflow.escalate(store, CARDS, take(store, ANN), note=" ", key="e", now_ms=NOW)


def test_a_comment_leaves_the_case_and_its_holder_alone(store) -> None:
    queue(store)
    mine = take(store, ANN)
    before = head(store)
    for _ in range(2):
        workflow.comment(store, CARDS, BOB, "a", note=AWKWARD, key="c", now_ms=NOW)
    assert head(store) == before
    assert workflow.history(store, CARDS, ANN, "a")["note"].tolist()[-1] == AWKWARD
    assert say(store, mine, "fraud") == "decided"
    workflow.comment(store, CARDS, BOB, "a", note="late", key="c2", now_ms=NOW)
    assert store.view("decisions")["verdict"].tolist() == ["fraud"]


@pytest.mark.parametrize(
    ("case", "note", "error"), [("a", "  ", InputError), ("b", "note", UnknownRowError)]
)
def test_a_comment_needs_words_and_a_case(store, case, note, error) -> None:
    queue(store)
    with pytest.raises(error):
        workflow.comment(store, CARDS, ANN, case, note=note, key="c", now_ms=NOW)


def test_the_key_of_another_verb_is_refused(store) -> None:
    queue(store)
    mine = take(store, ANN)
    workflow.comment(store, CARDS, ANN, "a", note="n", key="k", now_ms=NOW)
    with pytest.raises(InputError, match="belongs to another submit"):
        workflow.defer(store, CARDS, mine, until_ms=NOW + 5, key="k", now_ms=NOW)
    with pytest.raises(InputError, match="belongs to another submit"):
        say(store, mine, "fraud", key="k")


def test_a_decided_case_is_neither_put_off_nor_handed_up(store) -> None:
    queue(store)
    mine = take(store, ANN)
    say(store, mine, "fraud")
    with pytest.raises(AlreadyDecidedError):
        workflow.defer(store, CARDS, mine, until_ms=NOW + 5, key="d", now_ms=NOW)
    with pytest.raises(AlreadyDecidedError):
        workflow.escalate(store, CARDS, mine, note="n", key="e", now_ms=NOW)
