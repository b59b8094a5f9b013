import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import partial_dependence

from hitl import models, workflow
from hitl.errors import EmptyDataError, FeatureMismatchError, InputError
from hitl.explain import Scorer, curve, rule, scorer, surface
from hitl.workspaces import STORY

DATA = Path(__file__).parents[2] / "data"


def plain(odds, features=("a", "b", "c"), categories=None):
    return Scorer("by hand", features, lambda r: r.to_numpy(float), odds, 0.5, categories or {})


FACE = plain(lambda v: 2 * v[:, 0] - v[:, 1] * v[:, 2])


@pytest.fixture(scope="module")
def background():
    return np.random.default_rng(4).normal(size=(400, 3))


@pytest.fixture(scope="module")
def story():
    rows = workflow.materials(STORY, DATA)
    model = models.fit(
        rows.training,
        features=STORY.features,
        weight=STORY.weight_column,
        budget=STORY.false_alarm_budget,
        rounds=100,
    )
    return rows, scorer(model)


# One feature


def test_the_cases_own_line_is_the_function_itself(background):
    case = np.array([0.3, 1.0, -2.0])
    own = curve(FACE, case, background, "a").query("kind == 'this case'")
    expected = 1 / (1 + np.exp(-(2 * own["value"].astype(float) + 2)))
    np.testing.assert_allclose(own["probability"], expected)
    assert 0.3 in own["value"].tolist()
    assert len(own) == 41


def test_a_curve_goes_over_the_middle_98_percent(background):
    values = curve(FACE, np.array([0.0, 0.0, 0.0]), background, "b")["value"].astype(float)
    low, high = np.quantile(background[:, 1], (0.01, 0.99))
    assert (values.min(), values.max()) == (low, high)
    far = curve(FACE, np.array([0.0, 99.0, 0.0]), background, "b")
    assert far["value"].max() == 99


def test_the_average_is_scikit_learns_partial_dependence(background):
    truth = background[:, 0] + background[:, 1] ** 2 > 1
    forest = RandomForestClassifier(20, random_state=0).fit(background, truth)

    def odds(values):
        p = forest.predict_proba(values)[:, 1].clip(1e-9, 1 - 1e-9)
        return np.log(p / (1 - p))

    found = curve(plain(odds), background[0], background, "b", sample=400, grid=9)
    points = np.unique(found["value"].astype(float))
    theirs = partial_dependence(
        forest, background, [1], custom_values={1: points}, kind="average", method="brute"
    )
    average = found.query("kind == 'average'")["probability"]
    np.testing.assert_allclose(average, theirs["average"][0], atol=1e-8)


def test_few_values_get_a_point_each(background):
    counts = background.copy()
    counts[:, 2] = np.arange(400) % 4
    values = curve(FACE, counts[0], counts, "c").query("kind == 'average'")["value"]
    assert values.tolist() == [0, 1, 2, 3]


def test_categories_have_names_and_missing_is_a_point_where_it_occurs():
    face = plain(
        lambda v: np.nan_to_num(v[:, 0], nan=7.0) + v[:, 1],
        ("colour", "size"),
        {"colour": ("red", "blue")},
    )
    rows = np.array([[0.0, 1.0], [np.nan, 2.0], [1.0, np.nan]])
    colours = curve(face, rows[0], rows, "colour").query("kind == 'this case'")
    assert colours["value"].tolist() == ["red", "blue", None]
    np.testing.assert_allclose(colours["probability"], 1 / (1 + np.exp([-1.0, -2.0, -8.0])))
    assert curve(face, rows[0], rows[:1], "colour")["value"].tolist() == ["red", "blue"] * 2
    assert curve(face, rows[0], rows, "size")["value"].tolist()[:3] == [1.0, 2.0, None]
    alone = curve(face, rows[1], rows[:1], "colour")
    assert alone["value"].tolist()[:3] == ["red", "blue", None]


def test_what_cannot_be_drawn_is_refused(background):
    case = background[0]
    with pytest.raises(FeatureMismatchError, match="'z'"):
        curve(FACE, case, background, "z")
    with pytest.raises(EmptyDataError, match="no rows"):
        curve(FACE, case, background[:0], "a")
    with pytest.raises(InputError, match="grid is 1"):
        curve(FACE, case, background, "a", grid=1)
    with pytest.raises(InputError, match="a against a"):
        surface(FACE, case, background, "a", "a")


# Two features


def test_a_surface_is_the_function_with_all_else_as_in_the_case(background):
    case = np.array([0.5, 0.25, 3.0])
    found = surface(FACE, case, background, "a", "b", grid=6)
    assert len(found) == 7 * 7
    x, y = (found[name].astype(float) for name in ("x", "y"))
    np.testing.assert_allclose(found["probability"], 1 / (1 + np.exp(-(2 * x - 3 * y))))
    own = found[(x == 0.5) & (y == 0.25)]
    assert len(own) == 1


def test_the_storys_surface_is_highest_where_v4_is_high_and_v14_low(story):
    rows, face = story
    values = face.encode(rows.training)
    found = surface(face, values[0], values, "V4", "V14")
    quadrant = np.where(found["x"].astype(float) > 0, "high V4", "low V4")
    below = np.where(found["y"].astype(float) < 0, ", low V14", ", high V14")
    mean = found["probability"].groupby(pd.Series(quadrant) + below).mean()
    assert mean.idxmax() == "high V4, low V14"
    assert mean.max() > 3 * mean.drop(mean.idxmax()).max()


# Rules


def test_the_storys_rule_has_v4_above_and_v14_below(story):
    rows, face = story
    values = face.encode(rows.training)
    found = rule(face, values, "V4", "V14", truth=rows.training["Class"])
    assert found.sentence.startswith("The model flags payments when V4 is above ")
    assert " and V14 is below −" in found.sentence
    assert found.conditions["V4"]["above"] > 0
    assert found.conditions["V14"]["below"] < 0
    assert found.precision > 0.9
    assert found.recall > 0.9
    assert found.truth_precision > 0.8


def test_precision_and_recall_are_those_of_the_sentence(story):
    rows, face = story
    values = face.encode(rows.training)
    weight, truth = rows.training["weight"].to_numpy(), rows.training["Class"].to_numpy() == 1
    found = rule(face, values, "V4", "V14", truth=truth, weight=weight)
    named = rows.training["V4"].gt(found.conditions["V4"]["above"]) & rows.training["V14"].le(
        found.conditions["V14"]["below"]
    )
    flags = face.probabilities(values) >= face.threshold
    assert found.precision == pytest.approx(weight[named & flags].sum() / weight[named].sum())
    assert found.recall == pytest.approx(weight[named & flags].sum() / weight[flags].sum())
    assert found.truth_precision == pytest.approx(weight[named & truth].sum() / weight[named].sum())
    assert found.truth_recall == pytest.approx(weight[named & truth].sum() / weight[truth].sum())
    assert (found.named, found.flagged, found.n) == (named.sum(), flags.sum(), len(values))


def test_a_corner_cut_by_hand_is_found(background):
    face = plain(lambda v: np.where((v[:, 0] > 0.5) & (v[:, 2] <= 0.0), 2.0, -2.0))
    found = rule(face, background, "a", "c")
    assert found.conditions["a"] == {"above": pytest.approx(0.5, abs=0.1), "below": None}
    assert found.conditions["c"] == {"above": None, "below": pytest.approx(0.0, abs=0.1)}
    assert found.precision > 0.9
    assert found.recall > 0.9
    assert (found.truth_precision, found.truth_recall) == (None, None)


def test_a_box_cut_by_hand_is_found_and_said_as_between(background):
    face = plain(lambda v: np.where((abs(v[:, 0]) < 0.6) & (v[:, 1] > 0), 2.0, -2.0))
    found = rule(face, background, "a", "b")
    assert found.conditions["a"]["above"] == pytest.approx(-0.6, abs=0.2)
    assert found.conditions["a"]["below"] == pytest.approx(0.6, abs=0.2)
    assert "a is between −0." in found.sentence


def test_a_feature_that_does_not_matter_is_left_out(background):
    face = plain(lambda v: v[:, 0] - 1)
    found = rule(face, background, "a", "b")
    assert list(found.conditions) == ["a"]
    assert "b is" not in found.sentence


def test_a_missing_value_meets_no_condition(background):
    rows = background.copy()
    rows[::5, 0] = np.nan
    face = plain(lambda v: np.nan_to_num(v[:, 0], nan=9.0) - 1)
    found = rule(face, rows, "a", "b")
    flags = np.nan_to_num(rows[:, 0], nan=9.0) >= 1
    if "a" in found.conditions:
        assert found.named <= (~np.isnan(rows[:, 0])).sum()
        assert found.recall < 0.8
    assert found.flagged == flags.sum()


def test_without_flags_there_is_no_rule(background):
    never, always = (plain(lambda v, s=s: np.full(len(v), s)) for s in (-1.0, 1.0))
    assert rule(never, background, "a", "b").sentence == (
        "The model flags none of the 400 payments, so there is no rule."
    )
    found = rule(always, background, "a", "b", noun="company")
    assert "all of the 400 companies" in found.sentence
    assert (found.precision, found.flagged) == (None, 400)


def test_a_rule_is_plain_enough_for_json_and_needs_two_numbers(background):
    found = rule(FACE, background, "a", "b")
    assert json.loads(json.dumps(asdict(found))) == asdict(found)
    face = plain(FACE.odds, categories={"c": ("x", "y")})
    with pytest.raises(InputError, match="features of numbers"):
        rule(face, background, "a", "c")
    with pytest.raises(InputError, match="two different"):
        rule(face, background, "a", "a")
