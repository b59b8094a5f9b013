"""The lower half of Explain, part by part: what it says, when it is empty, what can be tried."""

import json

import numpy as np
import pandas as pd
import pytest

from hitl import models, workflow
from hitl.explain.text import number
from hitl.ui import bends, grounds, lower, provenance, shortcut_lab
from hitl.workflow import Person
from hitl.workspaces import REASONS, WORKSPACES
from tests.pages.conftest import NOW, words

ADA = Person("ada", "supervisor")
SPACES = ("cards", "payments", "story")
ROWS = {"cards": 600, "payments": 1_500, "story": 15}
CHANGE, CURVES, VERSIONS, SHORTCUTS, RECORD = lower.PARTS


@pytest.fixture(scope="module")
def flagged(home):
    """One flagged case of each workspace that waits, by workspace."""
    found = {}
    for name in SPACES:
        home.play(name, ROWS[name])
        queue = home.store.view("review_queue", workspace=name, order=("-priority",))
        flagged = queue[queue["probability"] >= queue["threshold"]]
        found[name] = str(flagged["instance_id"].iloc[0])
    return found


@pytest.fixture
def open_part(open_page, flagged):
    """Open one part of a workspace's flagged case."""

    def open_one(part, space="cards", case=None):
        trying = {"try": "true"} if part == CHANGE else {}
        app = open_page("explain", space, case=case or flagged[space], part=part, **trying)
        assert not app.exception
        return app

    return open_one


def evidence_of(home, space, case):
    return workflow.explain(home.store, WORKSPACES[space], case, now_ms=NOW)


def said(app):
    extra = [*app.subheader, *app.success, *app.code]
    return "\n".join([words(app), *(str(part.value) for part in extra)])


def plainly(app):
    """Give what a page says without the signs that keep it from being markup."""
    return said(app).replace("\\", "").replace("\u2060", "")


def table(app, *columns):
    return next(d.value for d in app.dataframe if set(columns) <= set(d.value.columns))


# Only what is open is drawn


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("part", lower.PARTS)
def test_every_part_opens_by_its_address_in_every_workspace(open_part, space, part):
    app = open_part(part, space)
    assert [tab.label for tab in app.tabs] == list(lower.PARTS)
    assert not app.error
    drawn = [tab.label for tab in app.tabs if len(tab.children)]
    assert drawn == [part]


def test_a_closed_part_costs_nothing(open_part, monkeypatch):
    def never(*parts):
        raise AssertionError("a closed part was drawn")

    monkeypatch.setattr(lower, "PARTS", {**dict.fromkeys(lower.PARTS, never), RECORD: lambda *_: 0})
    open_part(RECORD)


# What would change it


@pytest.mark.parametrize("space", SPACES)
def test_changes_are_sentences_and_a_table_of_the_same(open_part, home, flagged, space):
    evidence = evidence_of(home, space, flagged[space])
    app = open_part(CHANGE, space)
    ways = evidence["counterfactuals"]
    assert ways
    for way in ways:
        assert way["sentence"] in plainly(app)
    rows = table(app, "way", "feature", "from", "to")
    assert len(rows) == sum(len(way["changes"]) for way in ways)
    assert set(rows["probability then"]) == {way["probability"] for way in ways}


def test_changes_are_called_no_advice_and_fixed_features_are_named(open_part):
    assert "about the model and no advice" in said(open_part(CHANGE))
    assert "No feature is held fixed" in said(open_part(CHANGE))
    assert "Left as they are: Customer's payments, 24 hours;" in plainly(
        open_part(CHANGE, "payments")
    )


def test_a_verdict_that_nothing_turns_is_said(open_part, home, flagged, monkeypatch):
    evidence = {**evidence_of(home, "cards", flagged["cards"]), "counterfactuals": []}
    monkeypatch.setattr("hitl.ui.reasons._evidence", lambda *_: evidence)
    app = open_part(CHANGE)
    assert "no change of up to 3 values" in app.info[-1].value


@pytest.mark.parametrize("space", SPACES)
def test_a_tried_value_gives_exactly_what_the_model_gives_the_changed_row(
    open_part, home, flagged, space, monkeypatch
):
    evidence, found = evidence_of(home, space, flagged[space]), []
    real = lower.changing.answer_of
    monkeypatch.setattr(
        lower.changing, "answer_of", lambda *given: found.append(real(*given)) or found[-1]
    )
    feature = next(f for f in grounds.heaviest(evidence) if f != "weekend")
    app = open_part(CHANGE, space)
    assert number(evidence["probability"], 4) in metric(app, "Probability")
    app.number_input(key=f"whatif_{evidence['key']}_{feature}").set_value(0.25).run()
    assert not app.exception
    current = workflow.stored(home.store, evidence["model_id"])
    changed = pd.DataFrame([{**evidence["recipe"]["row"], feature: 0.25}])
    expected = models.probabilities(current.model, changed)[0]
    assert found[-1].probability == expected
    assert metric(app, "Probability") == number(expected, 4)
    delta = next(m.delta for m in app.metric if m.label == "Probability")
    assert delta.startswith("-") == (expected < evidence["probability"])
    is_flagged = expected >= current.model.threshold
    assert metric(app, "Verdict") == ("Flagged" if is_flagged else "Not flagged")
    assert sum(found[-1].contributions.values()) + found[-1].base_value == pytest.approx(
        found[-1].score, abs=1e-9
    )


def metric(app, label):
    return next(m.value for m in app.metric if m.label == label)


def test_the_slider_moves_the_number_and_reset_brings_the_case_back(open_part, home, flagged):
    evidence = evidence_of(home, "cards", flagged["cards"])
    place = f"whatif_{evidence['key']}_{grounds.heaviest(evidence)[0]}"
    app = open_part(CHANGE)
    own = app.number_input(key=place).value
    app.slider(key=f"{place}_slider").set_value(0.0).run()
    assert app.number_input(key=place).value == 0.0
    assert "Nothing is changed yet" not in said(app)
    app.button(key="whatif_reset").click().run()
    assert app.number_input(key=place).value == own
    assert "Nothing is changed yet" in said(app)


def test_a_value_outside_training_may_be_typed_and_is_marked(open_part, home, flagged):
    evidence = evidence_of(home, "payments", flagged["payments"])
    app = open_part(CHANGE, "payments")
    app.selectbox(key=f"whatif_more_{evidence['key']}").set_value("amount").run()
    app.number_input(key=f"whatif_{evidence['key']}_amount").set_value(1e6).run()
    assert "out of range] training saw" in said(app)
    assert "Outside of what training saw: Amount" in plainly(app)


def test_an_emptied_number_is_missing_and_marked(open_part, home, flagged):
    evidence = evidence_of(home, "cards", flagged["cards"])
    feature = grounds.heaviest(evidence)[0]
    app = open_part(CHANGE)
    app.number_input(key=f"whatif_{evidence['key']}_{feature}").set_value(None).run()
    assert not app.exception
    assert "out of range" in said(app)


def test_another_feature_is_added_once_and_gone_after_a_reset(open_part, home, flagged):
    evidence = evidence_of(home, "cards", flagged["cards"])
    last = grounds.heaviest(evidence)[-1]
    app = open_part(CHANGE)
    more = app.selectbox(key=f"whatif_more_{evidence['key']}")
    assert len(more.options) == len(evidence["contributions"]) - 4
    more.set_value(last).run()
    assert app.number_input(key=f"whatif_{evidence['key']}_{last}").value == pytest.approx(
        evidence["recipe"]["row"][last]
    )
    more = app.selectbox(key=f"whatif_more_{evidence['key']}")
    assert more.value is None
    assert len(more.options) == len(evidence["contributions"]) - 5
    app.button(key="whatif_reset").click().run()
    assert not [n for n in app.number_input if n.key.endswith(f"_{last}")]


def test_a_flag_is_yes_or_no(open_part, home, flagged):
    evidence = evidence_of(home, "payments", flagged["payments"])
    app = open_part(CHANGE, "payments")
    app.selectbox(key=f"whatif_more_{evidence['key']}").set_value("weekend").run()
    assert app.selectbox(key=f"whatif_{evidence['key']}_weekend").options == ["yes", "no"]


def test_what_is_tried_is_never_stored(open_part, home, flagged):
    evidence = evidence_of(home, "cards", flagged["cards"])
    before = home.store.view("explanations", workspace="cards")
    app = open_part(CHANGE)
    app.number_input(key=f"whatif_{evidence['key']}_{grounds.heaviest(evidence)[0]}").set_value(
        1.0
    ).run()
    pd.testing.assert_frame_equal(home.store.view("explanations", workspace="cards"), before)


# Curves


@pytest.mark.parametrize("space", SPACES)
def test_the_rule_is_said_with_figures_against_model_and_truth(open_part, home, flagged, space):
    app = open_part(CURVES, space)
    figures = table(app, "the rule against", "precision", "recall")
    assert figures["the rule against"].tolist() == ["what the model flags", "what was fraud"]
    base = grounds.ground(evidence_of(home, space, flagged[space])["model_id"])
    x, y = WORKSPACES[space].shown
    names = grounds.names(WORKSPACES[space], base.face.features)
    rule = bends._rule(base.current.model_id, (x, y), tuple(names.items()), "payment")
    column_of = {name: feature for feature, name in names.items()}
    named = np.ones(len(base.values), dtype=bool)
    for feature, ends in rule["conditions"].items():
        column = base.values[:, base.face.features.index(column_of[feature])]
        named &= column > (-np.inf if ends["above"] is None else ends["above"])
        named &= column <= (np.inf if ends["below"] is None else ends["below"])
    truth = base.labels == 1
    assert figures["precision"].iloc[1] == pytest.approx(truth[named].mean())
    assert figures["recall"].iloc[1] == pytest.approx(named[truth].mean())
    assert rule["sentence"] in plainly(app)
    assert f"of {len(base.values):,} known rows" in said(app)


def test_two_equal_features_make_no_surface(open_part, home, flagged):
    model_id = evidence_of(home, "cards", flagged["cards"])["model_id"]
    app = open_part(CURVES)
    app.selectbox(key=f"surface_y_{model_id}").set_value("V14").run()
    assert "Choose two different features" in app.info[-1].value


def test_another_feature_moves_curve_and_dots(open_part, home, flagged):
    model_id = evidence_of(home, "payments", flagged["payments"])["model_id"]
    app = open_part(CURVES, "payments")
    app.selectbox(key=f"curve_feature_{model_id}").set_value("amount").run()
    assert not app.exception
    drawn = [chart.proto.spec for chart in app.get("vega_lite_chart")]
    assert sum('"title": "Amount"' in spec for spec in drawn) == 2


def test_pairs_and_trees_are_worked_out_when_asked(open_part, home, flagged):
    app = open_part(CURVES, "story")
    assert "Strongest" not in said(app)
    app.button(key="measure_pairs").click().run()
    assert "Strongest: V4 × V14" in plainly(app)
    app.toggle(key="show_tree").set_value(True).run()
    steps = table(app, "question", "here", "answer")
    assert set(steps["answer"]) <= {"yes", "no"}
    assert "Tree 0" in said(app)
    app.number_input(key="tree").set_value(3).run()
    assert "Tree 3" in said(app)


# Old and new


def test_with_one_model_the_page_leads_to_retrain(open_part):
    app = open_part(VERSIONS, "payments")
    assert "There is one model only" in app.info[-1].value
    assert "Train one on Retrain" in [link.proto.label for link in app.get("page_link")]


def test_another_model_is_compared_with_a_receipt(open_part, home, flagged):
    rows = home.materials("story")
    decide(home, "story", 3)
    challenger = workflow.retrain(home.store, rows, seed=0, person=ADA, now_ms=NOW + 5)
    app = open_part(VERSIONS, "story")
    assert not app.error
    old = evidence_of(home, "story", flagged["story"])
    new = workflow.explain(
        home.store, WORKSPACES["story"], flagged["story"], now_ms=NOW, model_id=challenger
    )
    flips = old["is_flagged"] != new["is_flagged"]
    assert ("the verdict flips" in said(app)) is flips
    assert ("the same verdict" in said(app)) is not flips
    changes = table(app, "old", "new", "change", "rank", "status").set_index("label")["change"]
    for feature in ("V4", "V14"):
        change = new["contributions"][feature] - old["contributions"][feature]
        assert changes[feature] == pytest.approx(change)
    assert f"Old: {old['model_id']}, trained first. New: {challenger}." in said(app)
    assert "residual" in said(app)


def decide(home, space, count):
    for _ in range(count):
        claimed = workflow.claim(home.store, WORKSPACES[space], Person("ada"), now_ms=NOW)
        verdict = "legitimate"
        workflow.decide(
            home.store, WORKSPACES[space], claimed, verdict=verdict, reason=REASONS[verdict][0],
            key=f"{space}-{claimed.instance_id}", now_ms=NOW,
        )  # fmt: skip


# Shortcuts


@pytest.mark.parametrize("space", ["cards", "payments"])
def test_a_scan_without_warnings_says_what_was_looked_at(open_part, home, flagged, space):
    model_id = evidence_of(home, space, flagged[space])["model_id"]
    app = open_part(SHORTCUTS, space)
    assert "No shortcut found" not in said(app)
    app.button(key=f"scan_{model_id}_button").click().run()
    count = len(WORKSPACES[space].features)
    assert f"**No shortcut found** among {count} features." in said(app)
    assert "area under the curve above 0.999" in said(app)


@pytest.mark.parametrize("space", ["cards", "payments"])
def test_a_planted_leak_is_named_first(open_part, space):
    app = open_part(SHORTCUTS, space)
    app.button(key=f"leak_{space}_button").click().run()
    assert "The scan names `settlement_code` first." in said(app)
    assert table(app, "feature", "warning", "figure")["feature"].iloc[0] == "settlement_code"


def test_a_leak_that_is_missed_is_said():
    assert "Missed" in shortcut_lab.demonstration_sentence([])


# Record


@pytest.mark.parametrize("space", SPACES)
def test_the_record_names_all_an_explanation_follows_from(open_part, home, flagged, space):
    evidence = evidence_of(home, space, flagged[space])
    rows = table(open_part(RECORD, space), "what", "value").set_index("what")["value"]
    assert rows["explanation key"] == evidence["key"]
    assert rows["model, SHA-256"] == evidence["recipe"]["model"]["sha256"]
    assert rows["row, SHA-256"] == evidence["recipe"]["row_sha256"]
    assert rows["reason dictionary"].startswith(f"{space}-")
    assert "lightgbm" in rows["versions"]


@pytest.mark.parametrize("space", SPACES)
def test_a_replay_is_the_same_to_the_last_byte(open_part, home, flagged, space):
    key = evidence_of(home, space, flagged[space])["key"]
    app = open_part(RECORD, space)
    assert f"python -m hitl replay {key}" in said(app)
    app.button(key="replay").click().run()
    assert "the same to the last byte" in plainly(app)


def test_a_replay_that_differs_is_an_error(open_part, monkeypatch):
    other = workflow.Replayed({"key": "x-1"}, ["numpy was 1 and is 2"], ["score"])
    monkeypatch.setattr(provenance.workflow, "replay_stored", lambda *_: other)
    app = open_part(RECORD)
    app.button(key="replay").click().run()
    assert "it is NOT what was kept: score. Since then numpy was 1 and is 2." in plainly(app)


@pytest.mark.parametrize("space", SPACES)
def test_the_case_file_is_small_and_names_its_key(home, flagged, space):
    case = workflow.case(home.store, WORKSPACES[space], flagged[space])
    evidence = evidence_of(home, space, flagged[space])
    page, plain = provenance.files(
        case, evidence, [], home.store, home.materials(space), now_ms=NOW
    )
    html, whole = page(), json.loads(plain())
    assert len(html.encode()) < 300_000
    assert f"python -m hitl replay {evidence['key']}" in html
    assert "Similar past cases" in html
    assert "If one value were another" in html
    assert evidence["recipe"]["words"]["dictionary"] in html
    assert whole["evidence"] == evidence
    near = workflow.similar_cases(home.store, home.materials(space), flagged[space])
    assert [row["id"] for row in whole["case"]["similar"]] == near["id"].tolist()


def test_the_files_can_be_loaded_down(open_part):
    labels = [button.proto.label for button in open_part(RECORD).get("download_button")]
    assert labels == ["Case file (HTML)", "Case file (JSON)"]


def test_an_undecided_case_says_that_nobody_decided(open_part):
    assert "Nobody has decided this payment yet" in said(open_part(RECORD))


def test_what_the_reviewer_saw_is_shown_as_it_was(open_part, home, flagged):
    space, case = WORKSPACES["payments"], flagged["payments"]
    evidence = evidence_of(home, "payments", case)
    claimed = workflow.claim(
        home.store, space, Person("Ada *bold* <b>"), now_ms=NOW, instance_id=case
    )
    workflow.decide(
        home.store,
        space,
        claimed,
        verdict="fraud",
        reason=REASONS["fraud"][0],
        note="see [here](https://example.org)",
        key="seen-1",
        now_ms=NOW,
        shown={
            "explanation_key": evidence["key"],
            "sentence": "As it was said then.",
            "reasons": ["The first reason.", "$x$ is :red[odd]"],
            "similar": [{"distance": 0.5, "id": "row 7", "truth": "fraud"}],
        },
    )
    app = open_part(RECORD, "payments")
    assert "Verdict: As it was said then." in plainly(app)
    assert "- $x$ is :red[odd]" in plainly(app)
    raw = "\n".join(str(part.value) for part in app.markdown)
    assert ":red[odd]" not in raw
    assert "\\*bold\\* \\<b\\>" in raw
    assert "](https:" not in raw
    assert evidence["key"] in said(app)
    shown = table(app, "id", "distance", "truth")
    assert shown.columns.tolist() == ["id", "distance", "truth"]
    case_now = workflow.case(home.store, space, case)
    decisions = provenance.decisions_of(case, space)
    page, _ = provenance.files(
        case_now, evidence, decisions, home.store, home.materials("payments"), now_ms=NOW
    )
    assert "What people decided" in page()
    assert evidence["key"] in page().split("What people decided")[1][:3_000]


def test_a_decision_without_a_kept_screen_says_so(open_part, home):
    decide(home, "cards", 1)
    case = home.store.view("decisions", workspace="cards")["instance_id"].iloc[0]
    assert "was not kept with this decision" in said(open_part(RECORD, "cards", case))
