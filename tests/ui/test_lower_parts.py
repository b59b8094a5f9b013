"""Parts of the lower half of Explain that need no page; and a model with names that would harm."""

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from hitl import models, novelty, workflow
from hitl.dictionaries import Reason
from hitl.explain import attribution
from hitl.ui import bends, changing, grounds, provenance, shortcut_lab, versus
from hitl.workspaces import CARDS, PAYMENTS, plain_workspace

HARM = "<script>alert(1)</script>"
LINK = "[press](https://example.org) $x$ :red[shop]"
SPACE = plain_workspace((LINK, "amount", "flat"))


@pytest.fixture(scope="module")
def hostile():
    """A model with a column and categories whose names would be markup, and one case of it."""
    rng = np.random.default_rng(0)
    kinds = rng.choice([HARM, "**bold**", "plain"], 600)
    amount = rng.normal(size=600)
    truth = ((kinds == HARM) & (amount > 0)).astype(int)
    rows = pd.DataFrame({LINK: kinds, "amount": amount, "flat": 1.0, "Class": truth})
    features = (LINK, "amount", "flat")
    current = workflow.Stored(
        "m-hostile",
        models.fit(rows, features=features, categorical=(LINK,), rounds=30),
        novelty.fit(rows, features=features, categorical=(LINK,)),
    )
    case = rows.loc[truth == 1, list(features)].iloc[[0]]
    return current, workflow.make(current, workflow.recipe(current, case, SPACE))


@pytest.fixture
def drawn(hostile, monkeypatch):
    """Draw one part about the hostile case."""
    current, evidence = hostile
    monkeypatch.setattr(grounds, "ground", lambda _: workflow.ground(current))

    def script(part, evidence, space):
        import importlib

        importlib.import_module(f"hitl.ui.{part}").draw({}, evidence, space)

    def draw(part):
        app = AppTest.from_function(script, default_timeout=60, args=(part, evidence, SPACE))
        app.query_params["try"] = "true"
        app.run()
        assert not app.exception
        return app

    return draw


def marked(app):
    """Give every text that is read as Markdown."""
    parts = [*app.markdown, *app.caption, *app.info, *app.warning]
    labels = [w.label for w in (*app.selectbox, *app.number_input, *app.slider)]
    return "\n".join([*(str(part.value) for part in parts), *labels])


# Names that would harm


def test_hostile_names_and_values_are_shown_as_text(drawn, hostile):
    app = drawn("changing")
    text = marked(app)
    assert "<script>" not in text
    assert "](https:" not in text
    assert ":red[" not in text
    assert "$x$" not in text
    assert "\\[press\\]" in text
    assert HARM in app.selectbox[0].options


def test_a_category_is_chosen_from_the_models_own_and_gives_its_exact_probability(drawn, hostile):
    current, evidence = hostile
    app = drawn("changing")
    place = f"whatif_{evidence['key']}_{LINK}"
    box = app.selectbox(key=place)
    assert set(box.options) == {HARM, "**bold**", "plain"}
    assert box.value == HARM
    app.selectbox(key=place).set_value("plain").run()
    assert not app.exception
    changed = pd.DataFrame([{**evidence["recipe"]["row"], LINK: "plain"}])
    expected = models.probabilities(current.model, changed)[0]
    assert app.metric[0].value == changing.number(expected, 4)


def test_curves_over_categories_draw_and_say_hostile_names_as_text(drawn, hostile):
    current, _ = hostile
    app = drawn("bends")
    app.selectbox(key=f"curve_feature_{current.model_id}").set_value(LINK).run()
    app.button(key="measure_pairs").click().run()
    app.toggle(key="show_tree").set_value(True).run()
    assert not app.exception
    text = marked(app)
    assert "<script>" not in text
    assert "](https:" not in text


# Controls


def kinds_of(evidence, base):
    return {f: changing.control(f, evidence, base, SPACE).kind for f in base.face.features}


def with_column(current, values):
    """Give known rows with other values in their last column."""
    base = workflow.ground(current)
    known = base.values.copy()
    known[:, -1] = values
    vars(base)["values"] = known
    return base


def test_a_control_knows_flags_counts_and_numbers(hostile):
    current, evidence = hostile
    base = workflow.ground(current)
    assert kinds_of(evidence, base) == {LINK: "category", "amount": "number", "flat": "count"}
    both = with_column(current, np.arange(len(base.values)) % 2)
    assert kinds_of(evidence, both)["flat"] == "flag"


def test_a_column_that_never_had_a_value_takes_any_number(hostile):
    current, evidence = hostile
    empty = with_column(current, np.nan)
    found = changing.control("flat", evidence, empty, SPACE)
    assert (found.kind, found.low, found.high) == ("number", 0.0, 0.0)


def test_a_number_goes_from_its_first_to_its_last_hundredth(hostile):
    current, evidence = hostile
    base = workflow.ground(current)
    found = changing.control("amount", evidence, base, SPACE)
    column = base.values[:, 1]
    assert (found.low, found.high) == tuple(np.quantile(column, [0.01, 0.99]))


def test_an_unseen_category_of_the_case_stays_a_choice(hostile):
    current, evidence = hostile
    recipe = {**evidence["recipe"], "row": {**evidence["recipe"]["row"], LINK: "new"}}
    found = changing.control(LINK, {**evidence, "recipe": recipe}, workflow.ground(current), SPACE)
    assert found.own == "new"
    assert found.choices[-1] == "new"


def test_changed_values_split_exactly_as_an_attribution_of_the_changed_row(hostile):
    current, evidence = hostile
    base = workflow.ground(current)
    found = changing.answer_of(evidence, base, {"amount": -1.0})
    row = pd.DataFrame([{**evidence["recipe"]["row"], "amount": -1.0}])
    expected = attribution(current.model, row)
    assert found.contributions == expected.contributions
    assert found.score == expected.score


@pytest.mark.parametrize(
    ("one", "other", "same"), [(None, None, True), (None, 0.0, False), (1.0, 1.0, True)]
)
def test_missing_is_like_missing_only(one, other, same):
    assert changing.is_same(one, other) is same


def test_a_turned_verdict_is_said_and_escaped():
    evidence = {"is_flagged": True, "threshold": 0.5}
    found = changing.WhatIf(0.25, -1.1, False, None, None, [])
    text = changing.answer_sentence(evidence, found, {"a": 1.0}, {"a": "*a*"})
    assert text == (
        "**The verdict turns**: the model would give 0.25 (limit 0.5). Changed: \\*a\\*."
    )


# Names


def test_names_are_short_and_each_one_differs():
    found = grounds.names(PAYMENTS, PAYMENTS.features)
    assert len(set(found.values())) == len(found)
    assert max(map(len, found.values())) <= 32
    assert found["terminal_risk_7d"] == "Terminal's fraud share, 7 days"
    assert grounds.names(CARDS, ("V14", "Amount")) == {"V14": "V14", "Amount": "Amount"}


def test_a_column_without_words_keeps_its_whole_name():
    assert grounds.short_name(Reason("size (cm)", "size (cm)", "size (cm)")) == "size (cm)"
    assert grounds.short_name(Reason("Amount", "Amount", "Amount")) == "Amount"


def test_names_that_would_be_alike_carry_their_column():
    found = grounds.names(CARDS, ("Amount", "amount"))
    assert len(set(found.values())) == 2


# Rules


def test_a_rule_without_conditions_has_no_box():
    assert bends.box_of({}, "a", "b") is None


def test_a_box_takes_its_ends_from_the_conditions():
    conditions = {"a": {"above": 1.0, "below": None}}
    assert bends.box_of(conditions, "a", "b") == (1.0, None, None, None)


def test_features_called_otherwise_give_the_same_scores(hostile):
    base = workflow.ground(hostile[0])
    spoken = bends.called(base.face, {name: f"the {name}" for name in base.face.features})
    assert spoken.features[1] == "the amount"
    assert spoken.categories[f"the {LINK}"] == base.face.categories[LINK]
    np.testing.assert_array_equal(spoken.odds(base.values), base.face.odds(base.values))


def test_the_first_pair_is_the_workspaces_own_if_the_model_has_it():
    evidence = {"contributions": {"V1": 3.0, "V14": 1.0, "V4": 0.1}}
    assert bends.starting_pair(["V1", "V4", "V14"], evidence, CARDS) == ("V14", "V4")
    assert bends.starting_pair(["V1", "V4"], evidence, CARDS) == ("V1", "V4")


def test_a_leaf_adds_or_takes():
    path = pd.DataFrame({"feature": ["leaf"], "leaf_value": [-0.5]})
    assert "takes **0.5** from" in bends.leaf_sentence(path, 2, 9)
    assert "adds **0.5** to" in bends.leaf_sentence(path.assign(leaf_value=0.5), 2, 9)


# Versions


def history(**columns):
    rows = {"model_id": ["m-2", "m-1"], "is_champion": [False, False], "number": [np.nan, 1.0]}
    return pd.DataFrame({**rows, "method": "fit", "trained_ms": 0, **columns})


def test_the_model_in_use_is_compared_first_else_the_newest():
    assert versus.default_of(history()) == "m-2"
    assert versus.default_of(history(is_champion=[False, True])) == "m-1"


def test_a_model_is_in_use_was_or_never_was():
    rows = history(is_champion=[False, True]).to_dict("records")
    assert "· not in use ·" in versus.model_words(rows[0])
    assert "· in use ·" in versus.model_words(rows[1])
    assert "· in use earlier ·" in versus.model_words(history().to_dict("records")[1])


# Shortcuts and record


def test_every_kind_of_warning_has_words():
    from hitl.explain.shortcuts import KINDS

    assert set(shortcut_lab.KINDS) == set(KINDS)
    found = [{"feature": HARM, "kind": KINDS[0], "figure": 1.0, "sentence": ""}]
    assert shortcut_lab.shortcut_rows(found, CARDS, ("V1",))["feature"].tolist() == [HARM]


def test_a_decision_taken_back_is_marked_and_people_write_no_markup():
    decision = {
        "reviewer": "*a*",
        "verdict": "fraud",
        "reason": "x",
        "note": ":red[n]",
        "happened_ms": 0,
        "explanation_key": None,
        "is_current": False,
    }
    text = provenance.decision_sentence(decision)
    assert "by \\*a\\*, 1970-01-01" in text
    assert ":red[" not in text
    assert "taken back or replaced" in text
    assert "explanation `" not in text


def test_settings_are_words_not_code():
    how = {"max_changed": 3, "immutable": ["a", "b"], "none": []}
    assert provenance._settings(how) == "max changed 3, immutable a, b"
