import json

import pytest

from hitl import workflow
from hitl.charts.streams import HIDDEN
from hitl.ui import resources, wording
from hitl.workflow import Person
from hitl.workspaces import REASONS, STORY
from tests.pages.conftest import NOW, count_model_calls, unescaped, words

NOVEL, USUAL = "story-1-9", "story-1-1"


def test_without_flagged_cases_the_page_leads_to_monitor(open_page, home):
    home.materials("cards")
    home.store.forget("cards")
    app = open_page("explain", "cards")
    resources.materials.clear()
    assert not app.exception
    assert "Nothing flagged or novel" in app.info[0].value
    assert not app.dataframe


def test_without_a_case_the_latest_flagged_are_offered(open_page, home):
    home.play("story", 15)
    app = open_page("explain")
    offered = app.dataframe[0].value
    assert offered["case"].tolist()[0] == "story-1-11"
    assert all(state != ["normal"] for state in offered["state"])


def test_an_unknown_case_is_an_error_with_a_way_on(open_page):
    app = open_page("explain", case="story-9-99")
    assert "There is no case 'story-9-99'" in app.error[0].value
    assert len(app.dataframe[0].value) > 0


def test_a_novel_case_warns_before_any_reason(open_page, home):
    app = open_page("explain", case=NOVEL)
    assert not app.exception
    warned = unescaped(app.warning[0].value)
    assert warned.startswith("**Unlike anything in training: its distance from known payments is")
    assert "times the limit of" in warned
    assert "The nearest known payment is row" in warned
    assert ".0, which was" not in warned
    assert "V14 (an anonymous component) is" in warned
    assert warned.endswith("as a guess, and decide from the payment itself.")
    evidence = kept(home, NOVEL)
    assert warned.replace("**", "") == " ".join(evidence["warnings"])


def kept(home, case_id):
    """Read what is stored of a case."""
    return json.loads(home.store.view("explanations", instance_id=case_id)["body"].iloc[0])


def test_a_usual_case_has_no_warning(open_page):
    app = open_page("explain", case=USUAL)
    assert not app.warning
    assert "resembles known payments" in words(app)


def test_the_parts_come_in_the_order_of_reading(open_page):
    app = open_page("explain", case=NOVEL)
    assert [h.value for h in app.header] == [
        "Similar past cases",
        "Reasons",
        "What moved the score",
        "A second opinion: LIME",
    ]


def test_the_receipt_says_that_the_parts_add_up(open_page):
    receipt = next(m.value for m in open_page("explain", case=NOVEL).markdown if "Start" in m.value)
    assert receipt.endswith("✓")
    assert "residual" in receipt


def test_lime_comes_with_a_verdict_and_the_figures_it_rests_on(open_page, home):
    app = open_page("explain", case=NOVEL)
    local, stock = (kept(home, NOVEL)[name] for name in ("lime_local", "lime"))
    assert f"{local['verdict']}] {local['why']}" in words(app)
    assert [m.label for m in app.metric[:6]] == [
        "Local R²",
        "LIME's own prediction",
        "The model's prediction",
        "Stable over seeds",
        "Overlap with contributions",
        "Same direction",
    ]
    assert all(m.help.endswith((".", "explain.")) for m in app.metric[:6])
    assert "1,500 samples each" in words(app)
    app.radio(key="lime_variant").set_value("lime").run()
    assert not app.exception
    assert f"{stock['verdict']}] {stock['why']}" in words(app)
    assert "5,000 samples each" in words(app)


def test_how_lime_was_made_is_shown_with_the_rows_it_really_used(open_page, home):
    app = open_page("explain", case=NOVEL)
    app.radio(key="lime_variant").set_value("lime").run()
    assert "1. The case" not in words(app)
    app.session_state["making"] = True
    app.run()
    assert not app.exception
    said = words(app)
    for step in ("1. The case", "2. Changed", "3. How much", "4. A straight", "5. Is a shorter"):
        assert f"**{step}" in said
    stock = kept(home, NOVEL)["lime"]
    assert f"kernel width {wording.number(stock['kernel_width'])}" in said
    assert f"intercept {wording.number(stock['intercept'])}" in said
    assert f"R² {wording.number(round(stock['r2'], 3))}" in said
    assert "the features in the line: **2**" in said
    rows = next(d.value for d in app.dataframe if "copy 1" in set(d.value.iloc[:, 0]))
    assert rows.loc[0, "row"] == "the case"
    assert rows.loc[0, "model, probability"] == pytest.approx(stock["model_prediction"])
    assert rows.loc[0, "changed"] == 0


def test_similar_cases_are_near_by_values_or_by_reasons(open_page, home):
    app = open_page("explain", case=NOVEL)
    by_values = app.dataframe[0].value
    assert by_values["distance"].is_monotonic_increasing
    assert NOVEL not in set(by_values["case"])
    assert "nearest known payments were fraud" in words(app)
    app.radio(key="similar_by").set_value("reasons").run()
    assert not app.exception
    assert "known alerts with the most similar reasons were fraud" in words(app)
    by_reasons = app.dataframe[0].value
    assert by_reasons["distance"].is_monotonic_increasing
    assert NOVEL not in set(by_reasons["case"])
    assert by_reasons["distance"].iloc[0] < by_values["distance"].iloc[0]


def test_a_decision_is_seen_among_similar_cases_at_once(open_page, home):
    case_id = "story-w-0"
    before = open_page("explain", case="story-w-1").dataframe[0].value
    claimed = workflow.claim(home.store, STORY, Person("Zoe"), now_ms=NOW, instance_id=case_id)
    workflow.decide(
        home.store,
        STORY,
        claimed,
        verdict="legitimate",
        reason=REASONS["legitimate"][0],
        key="seen at once",
        now_ms=NOW,
    )
    after = open_page("explain", case="story-w-1").dataframe[0].value.set_index("case")
    assert case_id not in set(before["case"])
    assert after.loc[case_id, "decision"] == "legitimate"
    workflow.undo(home.store, STORY, Person("Zoe"), now_ms=NOW + 1)


def test_waiting_cases_are_explained_ahead_and_opened_without_asking_the_model(
    open_page, home, monkeypatch
):
    open_page("explain")
    resources.ahead("story").wait(300)
    waiting = home.store.view("review_queue", workspace="story")["instance_id"]
    explained = home.store.view("explanations", workspace="story")["instance_id"]
    assert set(waiting) <= set(explained)
    asked = count_model_calls(monkeypatch)
    for case_id in waiting[:3]:
        app = open_page("explain", case=case_id)
        app.run()
        app.radio(key="lime_variant").set_value("lime").run()
        app.radio(key="similar_by").set_value("reasons").run()
        assert not app.exception
    assert asked == []
    offered = open_page("explain").dataframe[0].value.set_index("case")
    assert set(offered.loc[[i for i in waiting if i in offered.index], "LIME"]) <= {
        "good",
        "weak",
        "do not use",
    }


def test_the_counter_of_the_test_above_counts(home, monkeypatch):
    asked = count_model_calls(monkeypatch)
    workflow.predict(workflow.champion(home.store, "story"), home.materials("story").test.head(2))
    assert asked


def test_what_is_open_is_not_read_again_while_nothing_changes(open_page, home, monkeypatch):
    app = open_page("explain", case=NOVEL)
    resources.ahead("story").wait(300)
    app.run()
    read = []
    real = type(home.store).view
    monkeypatch.setattr(
        type(home.store), "view", lambda *a, **k: read.append(a[1]) or real(*a, **k)
    )
    app.run()
    assert read == []


@pytest.mark.parametrize("workspace", ["cards", "payments"])
def test_a_case_of_a_real_workspace_reads_from_warning_to_second_opinion(
    open_page, home, workspace
):
    queue = home.materials(workspace) and home.store.view("review_queue", workspace=workspace)
    case_id = queue.sort_values("priority")["instance_id"].iloc[-1]
    app = open_page("explain", workspace, case=case_id)
    assert not app.exception
    assert not app.error
    said, evidence = words(app), kept(home, case_id)
    places = [
        said.index(part)
        for part in (
            f"`{case_id}`",
            evidence["sentence"],
            evidence["cost"],
            "nearest known payments",
            evidence["told"][0]["sentence"],
            "✓",
            evidence["lime_local"]["why"],
        )
    ]
    assert places == sorted(places)
    if workspace == "payments":
        assert "customer C" in said
        assert "terminal T" in said


def test_an_explanation_is_stored_once_and_read_back(open_page, home):
    before = open_page("explain", case=NOVEL)
    stored = home.store.view("explanations", instance_id=NOVEL)
    after = open_page("explain", case=NOVEL)
    assert len(stored) == 1
    assert words(before) == words(after)


def test_another_case_leads_back_to_the_list(open_page):
    app = open_page("explain", case=NOVEL)
    app.button(key="another").click().run()
    assert "Choose a case" in words(app)


def test_a_picked_case_is_opened_by_its_id(open_page):
    app = open_page("explain")
    app.session_state["_picked_case"] = NOVEL
    app.run()
    assert NOVEL in words(app)


def test_a_payment_shows_its_amount(open_page, home):
    home.play("cards", 1)
    said = words(open_page("explain", "cards", case="cards-1-0"))
    assert "€" in said
    assert "day 1" in said


def link_labels(app):
    return [link.proto.label for link in app.get("page_link")]


def test_a_waiting_case_whose_outcome_arrived_hides_it_until_it_is_decided(open_page, home):
    home.play("story", 15)
    rows = home.store.view("scored_instances", workspace="story", status="open")
    case_id = rows[rows["outcome"].notna()]["instance_id"].iloc[0]
    offered = open_page("explain").dataframe[0].value.set_index("case")
    assert offered.loc[case_id, "truth"] == HIDDEN
    waiting = open_page("explain", case=case_id)
    assert f"Waiting for a decision · truth {HIDDEN}" in words(waiting)
    assert waiting.button(key="review_case").label == "Review this case"

    claimed = workflow.claim(home.store, STORY, Person("Mina"), now_ms=NOW, instance_id=case_id)
    assert f"truth {HIDDEN}" in words(open_page("explain", case=case_id))
    workflow.decide(
        home.store,
        STORY,
        claimed,
        verdict="unsure",
        reason=REASONS["unsure"][0],
        key="one",
        now_ms=NOW,
    )
    resources.settle("decisions")
    decided = open_page("explain", case=case_id)
    assert "Decided **unsure** by Mina · truth: **" in words(decided)
    assert "review_case" not in [button.key for button in decided.button]
    offered = open_page("explain").dataframe[0].value.set_index("case")
    assert offered.loc[case_id, "truth"] in STORY.verdicts


def test_a_case_that_was_never_queued_offers_no_review(open_page):
    app = open_page("explain", case=USUAL)
    assert "review_case" not in [button.key for button in app.button]
    assert "Back to Monitor" in link_labels(app)
