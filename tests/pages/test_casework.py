"""Review beyond a verdict: drafts, second opinions, later, handing up, and what stays hidden."""

import pandas as pd
import pytest

from hitl import workflow
from hitl.ui import casework, resources, reviewing
from hitl.workflow import Person
from hitl.workspaces import REASONS, STORY
from tests.pages.conftest import words


@pytest.fixture(scope="module")
def opened(home, open_page):
    """Open the page in a new session as somebody, and take a case."""
    home.materials("story")

    def open_as(name, *, case=None, take=True):
        if take and (held := in_hand(name)):
            workflow.release(resources.store(), STORY, held, now_ms=resources.now_ms())
        page = open_page("review", case=(case or fresh()) if take else case or "")
        page.text_input(key="reviewer").set_value(name).run()
        if take:
            page.button(key="start").click().run()
        assert not page.exception
        return page

    return open_as


def fresh():
    """Name a case that nobody has looked at."""
    queue = resources.store().view("review_queue", workspace="story", order=("place",))
    return queue[(queue["status"] == "open") & (queue["stage"] == "first")]["instance_id"].iloc[0]


def in_hand(name):
    return workflow.held(resources.store(), STORY, Person(name))


def status_of(case):
    rows = resources.store().view("case_heads", workspace="story", instance_id=case)
    return rows.iloc[0]


def say(page, verdict, number=1):
    page.button(key=f"verdict-{verdict}").click().run()
    page.button(key=f"reason-{number}").click().run()
    assert not page.exception


# Drafts


def test_a_half_typed_note_and_a_chosen_verdict_outlive_the_session(opened) -> None:
    page = opened("Mina")
    case = in_hand("Mina").instance_id
    page.text_area(key=f"note-of-{case}").set_value("rang twice — nobody, 请再打").run()
    page.button(key="verdict-fraud").click().run()
    again = opened("Mina", take=False)
    assert again.text_area(key=f"note-of-{case}").value == "rang twice — nobody, 请再打"
    assert "**Fraud**, because:" in words(again)


def test_a_draft_is_its_writers_alone(opened) -> None:
    case = in_hand("Mina").instance_id
    workflow.release(resources.store(), STORY, in_hand("Mina"), now_ms=resources.now_ms())
    page = opened("Ada", case=case)
    assert in_hand("Ada").instance_id == case
    assert page.text_area(key=f"note-of-{case}").value == ""
    workflow.release(resources.store(), STORY, in_hand("Ada"), now_ms=resources.now_ms())


def test_a_decision_takes_the_draft_along(opened) -> None:
    case = next(iter(resources.store().view("drafts", workspace="story")["instance_id"]))
    page = opened("Mina", case=case)
    note = page.text_area(key=f"note-of-{case}").value
    say(page, "fraud")
    decision = resources.store().view("decisions", workspace="story", instance_id=case)
    assert decision["note"].tolist() == [note] == ["rang twice — nobody, 请再打"]
    assert workflow.draft(resources.store(), STORY, Person("Mina"), case) is None


def test_a_note_sent_with_the_deciding_click_is_decided_and_leaves_no_draft(opened) -> None:
    page = opened("Eve")
    case = in_hand("Eve").instance_id
    page.button(key="verdict-fraud").click().run()
    page.text_area(key=f"note-of-{case}").set_value("typed and clicked")
    page.button(key="reason-1").click().run()
    assert not page.exception
    decision = resources.store().view("decisions", workspace="story", instance_id=case)
    assert decision["note"].tolist() == ["typed and clicked"]
    assert resources.store().view("drafts", workspace="story", instance_id=case).empty


# Another look


def test_a_second_person_decides_blind_to_the_first_and_a_third_settles_it(opened) -> None:
    first = opened("Mina")
    case = in_hand("Mina").instance_id
    first.text_area(key=f"note-of-{case}").set_value("the first one's words").run()
    first.button(key="second").click().run()
    assert first.button(key="second").label == "Second opinion asked"
    say(first, "fraud")
    assert f"Case {case} now waits for a second person" in words(first)
    assert status_of(case)["status"] == "second opinion"
    assert resources.store().view("decisions", workspace="story", instance_id=case).empty

    second = opened("Ada", case=case)
    assert in_hand("Ada").instance_id == case
    said = words(second)
    assert "You decide without knowing what they said" in said
    assert "the first one's words" not in said
    assert "Decided " + case not in said
    frames = pd.concat([d.value.astype(str) for d in second.dataframe], ignore_index=True)
    assert not frames.isin(["the first one's words"]).any().any()
    assert "second" not in [button.key for button in second.button]
    say(second, "legitimate")
    assert f"You two disagree on case {case}" in words(second)
    assert status_of(case)["status"] == "escalated"

    third = opened("Noor", case=case)
    said = words(third)
    assert "Yours settles it" in said
    assert "Mina said fraud (matches known fraud)" in said
    assert "Ada said legitimate (matches known legitimate)" in said
    say(third, "fraud")
    decision = resources.store().view("decisions", workspace="story", instance_id=case).iloc[0]
    assert (decision["verdict"], decision["reviewer"]) == ("fraud", "Noor")
    assert status_of(case)["status"] == "decided"


def test_the_first_person_is_not_given_their_own_case_again(opened) -> None:
    page = opened("Zoe")
    case = in_hand("Zoe").instance_id
    page.button(key="second").click().run()
    say(page, "legitimate")
    assert in_hand("Zoe").instance_id != case
    refused = opened("Zoe", case=case)
    assert in_hand("Zoe") is None
    assert case in words(refused)
    assert refused.error


def test_asking_for_a_second_opinion_can_be_taken_back(opened) -> None:
    page = opened("Lin")
    case = in_hand("Lin").instance_id
    page.button(key="second").click().run()
    page.button(key="second").click().run()
    assert page.button(key="second").label == "Second opinion"
    say(page, "unsure")
    assert status_of(case)["status"] == "decided"


# Later and up


def test_a_case_put_off_comes_back_after_an_hour_with_its_note(opened) -> None:
    page = opened("Ivy")
    case = in_hand("Ivy").instance_id
    page.text_area(key=f"note-of-{case}").set_value("bank opens at nine").run()
    page.button(key="later").click().run()
    assert in_hand("Ivy") is None
    head = status_of(case)
    assert head["status"] == "deferred"
    late = int(head["lease_until_ms"])
    hour = casework.LATER_HOURS * casework.MS_PER_HOUR
    assert 0 <= resources.now_ms() + hour - late < 600_000
    table = next(d.value for d in page.dataframe if "Waits for" in d.value)
    assert table.set_index("Case").loc[case, "Waits for"] == "later"
    taken = workflow.claim(
        resources.store(), STORY, Person("Ivy"), now_ms=late + 1, instance_id=case
    )
    told = workflow.history(resources.store(), STORY, Person("Ivy"), case)
    assert told["note"].tolist().count("bank opens at nine") == 1
    workflow.release(resources.store(), STORY, taken, now_ms=late + 1)


def test_handing_up_asks_for_a_reason_and_keeps_the_case_until_there_is_one(opened) -> None:
    page = opened("Omar")
    case = in_hand("Omar").instance_id
    page.button(key="hand_up").click().run()
    assert "Write it into the note" in words(page)
    assert in_hand("Omar").instance_id == case
    page.text_area(key=f"note-of-{case}").set_value("knows the customer").run()
    page.button(key="hand_up").click().run()
    assert status_of(case)["status"] == "escalated"
    settled = opened("Noor", case=case)
    assert "Omar handed it up: knows the customer" in words(settled)


# Lists


def test_the_list_stands_in_the_order_in_which_cases_are_given_out(opened) -> None:
    queue, _ = reviewing.read("story", resources.state("story"))
    listed = queue[queue["status"].isin(["open", "second opinion", "escalated"])]
    expected = listed["instance_id"].tolist()
    given = []
    while (taken := workflow.claim(
        resources.store(), STORY, Person(f"walker {len(given)}", "admin"),
        now_ms=resources.now_ms(),
    )) is not None:  # fmt: skip
        given.append(taken)
    assert [claimed.instance_id for claimed in given] == expected
    for claimed in given:
        workflow.release(resources.store(), STORY, claimed, now_ms=resources.now_ms())


def test_overdue_cases_come_first_then_those_for_another_person() -> None:
    queue = pd.DataFrame(
        {
            "instance_id": ["plain", "escalated", "overdue", "due later", "assigned"],
            "due_ms": [0, 0, 50, 500, 0],
            "stage": ["first", "adjudication", "first", "first", "first"],
            "status": ["open", "escalated", "open", "open", "assigned"],
        }
    )
    expected = ["overdue", "escalated", "assigned", "plain", "due later"]
    assert reviewing.in_turn(queue, now_ms=100)["instance_id"].tolist() == expected


@pytest.mark.parametrize(
    ("status", "stage", "who"),
    [
        ("open", "first", "anybody"),
        ("second opinion", "second", "a second person"),
        ("claimed", "second", "a second person"),
        ("escalated", "adjudication", "a third person"),
        ("deferred", "adjudication", "later"),
    ],
)
def test_the_list_says_whose_turn_it_is(status, stage, who) -> None:
    assert reviewing.waits_for(status, stage) == who


def test_a_history_is_told_in_words(opened) -> None:
    case = resources.store().view("decisions", workspace="story", reviewer="Noor").iloc[0]
    rows = workflow.history(resources.store(), STORY, Person("Ann"), case["instance_id"])
    told = casework.history_rows(rows)
    assert told["What"].tolist()[0] == "queued"
    assert told["What"].tolist()[-1] == "adjudicated"
    assert told["Reason"].tolist()[-1] == REASONS["fraud"][0]
    assert set(told["Who"]) == {"", "Mina", "Ada", "Noor"}
