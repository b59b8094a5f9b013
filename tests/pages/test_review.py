"""Review: claim, read, decide with two keys, undo; nothing typed is lost."""

import io

import pandas as pd
import pytest

from hitl import workflow
from hitl.ui import resources, reviewing
from hitl.workflow import Person
from hitl.workflow.decision_files import EXPORTED
from hitl.workspaces import REASONS, STORY
from tests.pages.conftest import NOW, count_model_calls, words


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
    claimed = workflow.held(resources.store(), STORY, Person("Mina"))
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
    following = workflow.held(resources.store(), STORY, Person("Mina"))
    assert following is not None
    assert following.instance_id != case
    assert f"Decided {case}" in words(app)


def test_undo_is_a_new_event_and_opens_the_case_again(app, case) -> None:
    app.button(key="undo").click().run()
    assert resources.store().view("decisions", workspace="story").empty
    kinds = resources.store().view("case_events", instance_id=case, order=("fence",))["kind"]
    assert list(kinds) == ["queued", "claimed", "decided", "undone"]
    assert workflow.held(resources.store(), STORY, Person("Mina")).instance_id == case


def test_an_undone_decision_comes_back_with_its_verdict_and_note(app, case) -> None:
    assert app.text_area(key=f"note-of-{case}").value == "Seen before — “new shop”"
    labels = [app.button(key=f"reason-{number}").label for number in (1, 2, 3)]
    assert [label.lower() for label in labels] == list(REASONS["legitimate"])
    assert "**Legitimate**, because:" in words(app)


def test_a_case_taken_by_somebody_else_keeps_what_was_typed(app, case) -> None:
    app.text_area(key=f"note-of-{case}").set_value("half a thought").run()
    app.button(key="verdict-fraud").click().run()
    head = resources.store().rows("case_head", "story", case)[0]
    late = head[4] + 1
    taken = workflow.claim(resources.store(), STORY, Person("Ada"), now_ms=late, instance_id=case)
    assert taken is not None
    app.button(key="reason-1").click().run()
    assert "is not yours any more" in words(app)
    assert "Ada" in words(app)
    assert app.session_state[f"note-of-{case}"] == "half a thought"
    workflow.release(resources.store(), STORY, taken, now_ms=late)


def test_putting_back_leaves_the_case_undecided(app) -> None:
    app.button(key="start").click().run()
    claimed = workflow.held(resources.store(), STORY, Person("Mina"))
    app.button(key="release").click().run()
    assert workflow.held(resources.store(), STORY, Person("Mina")) is None
    status = resources.store().rows("case_head", "story", claimed.instance_id)[0][2]
    assert status == "open"


def test_a_link_to_a_waiting_case_offers_just_that_one(home, open_page) -> None:
    page = open_page("review", case="story-w-5")
    assert page.button(key="start").label == "Take case story-w-5"
    missing = open_page("review", case="story-w-99")
    assert "story-w-99 does not wait" in words(missing)


def open_as(open_page, name):
    """Open the page in a new session, as a reload does."""
    page = open_page("review")
    return page.text_input(key="reviewer").set_value(name).run()


def decide_here(page, verdict: str, number: int) -> str:
    """Decide the case in hand with two keys."""
    case = workflow.held(
        resources.store(), STORY, Person(page.session_state["reviewer"])
    ).instance_id
    page.button(key=f"verdict-{verdict}").click().run()
    page.button(key=f"reason-{number}").click().run()
    return case


def decide_elsewhere(name: str, *, now_ms: int) -> str:
    claimed = workflow.claim(resources.store(), STORY, Person(name), now_ms=now_ms)
    workflow.decide(
        resources.store(),
        STORY,
        claimed,
        verdict="fraud",
        reason="matches known fraud",
        key=f"elsewhere-{claimed.instance_id}-{claimed.fence}",
        now_ms=now_ms,
    )
    return claimed.instance_id


def test_after_a_reload_two_undos_take_back_the_newest_and_the_one_before(home, open_page) -> None:
    page = open_as(open_page, "Dora")
    page.button(key="start").click().run()
    first, second = decide_here(page, "fraud", 1), decide_here(page, "unsure", 2)
    page = open_as(open_page, "Dora")
    for case in (second, first):
        assert f"Decided {case}" in words(page)
        page.button(key="undo").click().run()
        assert workflow.held(resources.store(), STORY, Person("Dora")).instance_id == case
    assert "Decided" not in words(page).replace("Decisions", "")
    assert not [button for button in page.button if button.key == "undo"]
    page.button(key="release").click().run()


def test_undo_takes_back_the_case_it_names_or_says_that_nothing_was_undone(home, open_page) -> None:
    shown = decide_elsewhere("Eli", now_ms=resources.now_ms())
    page = open_as(open_page, "Eli")
    assert f"Decided {shown}" in words(page)
    newer = decide_elsewhere("Eli", now_ms=resources.now_ms() + 1)
    page.button(key="undo").click().run()
    assert f"Nothing was undone: {shown}" in words(page)
    assert {shown, newer} <= set(resources.store().view("decisions")["instance_id"])
    assert f"Decided {newer}" in words(page)
    for case in (newer, shown):
        page.button(key="undo").click().run()
        assert workflow.held(resources.store(), STORY, Person("Eli")).instance_id == case
    page.button(key="release").click().run()


def test_the_undo_of_one_person_and_workspace_is_not_offered_in_another(home, open_page) -> None:
    case = decide_elsewhere("Fay", now_ms=resources.now_ms())
    page = open_as(open_page, "Fay")
    assert f"Decided {case}" in words(page)
    page.text_input(key="reviewer").set_value("Gil").run()
    assert "Decided story" not in words(page)
    page.text_input(key="reviewer").set_value("Fay").run()
    page.selectbox(key="workspace").set_value("cards").run()
    assert "Decided story" not in words(page)
    assert not [button for button in page.button if button.key == "undo"]
    workflow.undo(resources.store(), STORY, Person("Fay"), now_ms=resources.now_ms())


def test_a_decision_of_an_hour_ago_has_no_undo_beside_it(home, open_page) -> None:
    decide_elsewhere("Hal", now_ms=resources.now_ms() - 60 * reviewing.MS_PER_MINUTE)
    assert "Decided story" not in words(open_as(open_page, "Hal"))
    workflow.undo(resources.store(), STORY, Person("Hal"), now_ms=resources.now_ms())


def test_a_reason_without_a_verdict_records_nothing_and_says_what_is_missing(
    home, open_page
) -> None:
    page = open_as(open_page, "Ivo")
    page.button(key="start").click().run()
    before = len(resources.store().view("decisions"))
    assert page.button(key="reason-1").label == "Reason 1"
    page.button(key="reason-1").click().run()
    assert "Choose F, L or U first" in words(page)
    assert len(resources.store().view("decisions")) == before


@pytest.mark.parametrize("keys", [("verdict-unsure", "reason-3"), ("reason-3", "verdict-unsure")])
def test_two_keys_that_arrive_together_decide(home, open_page, keys) -> None:
    page = open_as(open_page, "Jon")
    page.button(key="start").click().run()
    case = workflow.held(resources.store(), STORY, Person("Jon")).instance_id
    for key in keys:
        page.button(key=key).click()
    page.run()
    decisions = resources.store().view("decisions", instance_id=case)
    assert decisions["reason"].tolist() == ["needs a second opinion"]
    assert not page.error
    page.button(key="undo").click().run()
    page.button(key="release").click().run()


def test_the_log_downloads_in_the_layout_of_an_export_without_formulas(home) -> None:
    store = resources.store()
    claimed = workflow.claim(store, STORY, Person("=Kim"), now_ms=NOW)
    workflow.decide(
        store,
        STORY,
        claimed,
        verdict="fraud",
        reason="matches known fraud",
        note='=HYPERLINK("http://a.example")',
        key="formula",
        now_ms=NOW,
    )
    rows = store.view("decision_log", workspace="story", instance_id=claimed.instance_id)
    text = reviewing.log_csv(rows[rows["event_id"] == "formula"], STORY)
    file = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert list(file.columns[: len(EXPORTED)]) == list(EXPORTED)
    assert file["note"].iloc[0] == '\'=HYPERLINK("http://a.example")'
    assert file["reviewer"].iloc[0] == "'=Kim"
    assert file["outcome"].iloc[0] in {"fraud", "legitimate", "not known yet"}
    workflow.undo(store, STORY, Person("=Kim"), now_ms=NOW + 1)


def test_the_log_is_filtered_by_verdict_and_reviewer(home, open_page) -> None:
    store = resources.store()
    for name, verdict, reason in (
        ("Ada", "fraud", "unusual amount or time"),
        ("Bo", "unsure", "needs the customer"),
    ):
        claimed = workflow.claim(store, STORY, Person(name), now_ms=NOW)
        workflow.decide(
            store, STORY, claimed, verdict=verdict, reason=reason, key=f"log-{name}", now_ms=NOW
        )
    page = open_page("review")
    log = page.dataframe[-1].value
    assert {"Ada", "Bo"} <= set(log["Who"])
    page.multiselect(key="people_shown").set_value(["Bo"]).run()
    assert set(page.dataframe[-1].value["Who"]) == {"Bo"}


def test_what_is_kept_beside_the_decision_is_what_the_page_said(home, open_page) -> None:
    page = open_as(open_page, "Lea")
    page.button(key="start").click().run()
    case_id = workflow.held(resources.store(), STORY, Person("Lea")).instance_id
    said, similar = words(page), page.dataframe[0].value
    page.button(key="verdict-unsure").click().run()
    page.button(key="reason-1").click().run()
    log = resources.store().view("decision_log", instance_id=case_id, reviewer="Lea")
    (event_id,) = log["event_id"]
    kept = workflow.seen(resources.store(), event_id)
    stored = resources.store().view("explanations", instance_id=case_id)
    assert [kept["explanation_key"]] == stored["explanation_key"].tolist()
    assert kept["explanation_key"] == log["explanation_key"].iloc[0]
    assert kept["model_id"] == stored["model_id"].iloc[0]
    assert kept["score_shown"] is True
    assert kept["order"] == ["similar", "warnings", "verdict", "reasons"]
    assert kept["similar_sentence"] in said
    assert f"**{kept['sentence']}** {kept['cost']}".strip() in said
    assert " ".join(kept["warnings"]) in said.replace("**", "")
    assert kept["summary"] in said
    places = [said.index(f"{n}. {text}") for n, text in enumerate(kept["reasons"], 1)]
    assert places == sorted(places)
    assert len(places) == 2
    assert all(text in said for text in kept["against"])
    shown = similar.rename(columns={"case": "id"})[["id", "distance", "decision", "truth"]]
    assert kept["similar"] == shown.to_dict("records")
    page.button(key="undo").click().run()
    page.button(key="release").click().run()


def test_a_case_in_hand_asks_no_model_once_it_was_explained_ahead(
    home, open_page, monkeypatch
) -> None:
    page = open_as(open_page, "Max")
    resources.ahead("story").wait(300)
    asked = count_model_calls(monkeypatch)
    page.button(key="start").click().run()
    page.run()
    assert not page.exception
    assert "the model gives" in words(page)
    assert asked == []
    page.button(key="release").click().run()


def test_an_empty_queue_says_where_cases_come_from(home, open_page) -> None:
    store = resources.store()
    while claimed := workflow.claim(store, STORY, Person("Cy"), now_ms=NOW + 10**9):
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
