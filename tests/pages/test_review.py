"""Review: claim, read, decide with two keys, undo; nothing typed is lost."""

import pytest

from hitl import workflow
from hitl.ui import resources
from hitl.workspaces import STORY
from tests.pages.conftest import NOW, words


@pytest.fixture(scope="module")
def app(home, open_page):
    """Review of the story, whose twelve waiting rows are there from the start."""
    home.materials("story")
    page = open_page("review")
    page.text_input(key="reviewer").set_value("Mina").run()
    return page


@pytest.fixture(scope="module")
def case(app):
    """The first case, claimed."""
    app.button(key="start").click().run()
    claimed = workflow.held(resources.store(), STORY, "Mina")
    assert claimed is not None
    return claimed.instance_id


def test_the_page_says_how_much_waits_before_anything_is_claimed(app) -> None:
    assert "12 waiting" in words(app)
    assert "No decision yet" in words(app)


def test_the_claimed_case_shows_its_evidence_and_three_verdicts(app, case) -> None:
    said = words(app)
    assert case in said
    assert "the model gives" in said
    assert [app.button(key=f"verdict-{v}").label for v in STORY.verdicts] == [
        "Fraud",
        "Legitimate",
        "Unsure",
    ]
    assert not app.exception


def test_two_keys_record_the_decision_with_its_note_and_take_the_next_case(app, case) -> None:
    app.text_area(key=f"note-of-{case}").set_value("Seen before — “new shop”").run()
    app.button(key="verdict-legitimate").click().run()
    assert app.text_area(key=f"note-of-{case}").value == "Seen before — “new shop”"
    app.button(key="reason-2").click().run()
    decision = resources.store().view("decisions", workspace="story").iloc[0]
    assert decision["instance_id"] == case
    assert (decision["verdict"], decision["reviewer"]) == ("legitimate", "Mina")
    assert decision["note"] == "Seen before — “new shop”"
    assert decision["reason"] == "new but plausible"
    following = workflow.held(resources.store(), STORY, "Mina")
    assert following is not None
    assert following.instance_id != case
    assert f"Decided {case}" in words(app)


def test_undo_is_a_new_event_and_opens_the_case_again(app, case) -> None:
    app.button(key="undo").click().run()
    assert resources.store().view("decisions", workspace="story").empty
    kinds = resources.store().view("case_events", instance_id=case, order=("fence",))["kind"]
    assert list(kinds) == ["queued", "claimed", "decided", "undone"]
    assert workflow.held(resources.store(), STORY, "Mina").instance_id == case


def test_a_case_taken_by_somebody_else_keeps_what_was_typed(app, case) -> None:
    app.text_area(key=f"note-of-{case}").set_value("half a thought").run()
    app.button(key="verdict-fraud").click().run()
    head = resources.store().rows("case_head", "story", case)[0]
    late = head[2] + 1
    taken = workflow.claim(resources.store(), STORY, "Ada", now_ms=late, instance_id=case)
    assert taken is not None
    app.button(key="reason-1").click().run()
    assert "is not yours any more" in words(app)
    assert "Ada" in words(app)
    assert app.session_state[f"note-of-{case}"] == "half a thought"
    workflow.release(resources.store(), STORY, taken, now_ms=late)


def test_putting_back_leaves_the_case_undecided(app) -> None:
    app.button(key="start").click().run()
    claimed = workflow.held(resources.store(), STORY, "Mina")
    app.button(key="release").click().run()
    assert workflow.held(resources.store(), STORY, "Mina") is None
    status = resources.store().rows("case_head", "story", claimed.instance_id)[0][0]
    assert status == "open"


def test_a_link_to_a_waiting_case_offers_just_that_one(home, open_page) -> None:
    page = open_page("review", case="story-w-5")
    assert page.button(key="start").label == "Take case story-w-5"
    missing = open_page("review", case="story-w-99")
    assert "story-w-99 does not wait" in words(missing)


def test_the_log_is_filtered_by_verdict_and_reviewer(home, open_page) -> None:
    store = resources.store()
    for name, verdict, reason in (
        ("Ada", "fraud", "unusual amount or time"),
        ("Bo", "unsure", "needs the customer"),
    ):
        claimed = workflow.claim(store, STORY, name, now_ms=NOW)
        workflow.decide(
            store, STORY, claimed, verdict=verdict, reason=reason, key=f"log-{name}", now_ms=NOW
        )
    page = open_page("review")
    log = page.dataframe[-1].value
    assert {"Ada", "Bo"} <= set(log["Who"])
    page.multiselect(key="people_shown").set_value(["Bo"]).run()
    assert set(page.dataframe[-1].value["Who"]) == {"Bo"}


def test_an_empty_queue_says_where_cases_come_from(home, open_page) -> None:
    store = resources.store()
    while claimed := workflow.claim(store, STORY, "Cy", now_ms=NOW + 10**9):
        workflow.decide(
            store,
            STORY,
            claimed,
            verdict="unsure",
            reason="needs the customer",
            key=f"all-{claimed.instance_id}-{claimed.fence}",
            now_ms=NOW + 10**9,
        )
    page = open_page("review")
    assert "No case waits" in words(page)
    assert page.button(key="start").disabled
