from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pytest

from hitl import models
from hitl.errors import EmptyDataError, FeatureMismatchError, InputError
from hitl.explain import (
    Scorer,
    contribution_shares,
    dependence,
    importance,
    interactions,
    scorer,
    tree_path,
)
from hitl.explain.structure import walk

FEATURES = tuple(f"V{i}" for i in range(1, 6))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.normal(size=(600, 5)), columns=list(FEATURES))
    chance = 1 / (1 + np.exp(-3 * table["V1"] - 2 * table["V2"] * (table["V3"] > 0)))
    return table.assign(Class=(rng.random(600) < chance).astype(int))


@pytest.fixture(scope="module")
def model(rows):
    return models.fit(rows, features=FEATURES, budget=0.05, rounds=30)


@pytest.fixture(scope="module")
def face(model):
    return scorer(model)


def plain(odds, features=("x1", "x2", "x3")):
    return Scorer("by hand", features, lambda r: r.to_numpy(float), odds, 0.5)


@pytest.fixture(scope="module")
def cube():
    return np.random.default_rng(8).normal(size=(300, 3))


# Importance


@pytest.mark.filterwarnings(
    # shap sets up its colours on import in a way that matplotlib will give up.
    "ignore:The set_(bad|over|under) function will be deprecated:PendingDeprecationWarning"
)
@pytest.mark.filterwarnings(
    # shap says that it returns one array instead of a list for LightGBM's two classes.
    "ignore:LightGBM binary classifier with TreeExplainer shap values output has changed"
)
def test_importance_is_the_mean_absolute_shap_value(face, model, rows):
    import shap

    values = face.encode(rows)
    theirs = model.slope * shap.TreeExplainer(models.booster(model)).shap_values(values)
    found = importance(face, values).set_index("feature")
    np.testing.assert_allclose(found.loc[list(FEATURES), "mean_abs"], abs(theirs).mean(axis=0))
    assert found["share"].sum() == pytest.approx(1)
    assert found["share"].is_monotonic_decreasing
    shares = contribution_shares(model, rows)
    np.testing.assert_allclose(found["share"], shares)
    assert list(found.index) == list(shares.index)


def test_a_black_box_is_shuffled_and_repeats_itself(cube):
    face = plain(lambda v: 3 * v[:, 1] + v[:, 0])
    found = importance(face, cube)
    assert found["feature"].tolist() == ["x2", "x1", "x3"]
    assert found["mean_abs"].iloc[2] == 0
    assert found["mean_abs"].iloc[0] == pytest.approx(3 * 2 / np.sqrt(np.pi), rel=0.1)
    pd.testing.assert_frame_equal(found, importance(face, cube))


def test_a_model_that_never_moves_leans_on_nothing(cube):
    assert importance(plain(lambda v: np.zeros(len(v))), cube)["share"].tolist() == [0, 0, 0]


def test_dependence_gives_a_point_per_row(face, model, rows):
    found = dependence(face, face.encode(rows), "V2")
    _, parts = models.contributions(model, rows)
    np.testing.assert_array_equal(found["value"].astype(float), rows["V2"])
    np.testing.assert_array_equal(found["contribution"], parts[:, 1])
    np.testing.assert_array_equal(found["probability"], models.probabilities(model, rows))
    assert len(dependence(face, face.encode(rows), "V2", most=50)) == 50


def test_dependence_of_a_black_box_has_no_contributions_but_names():
    face = replace(plain(lambda v: v[:, 0], ("colour",)), categories={"colour": ("red", "blue")})
    found = dependence(face, np.array([[1.0], [0.0], [np.nan]]), "colour")
    assert found["value"].tolist() == ["blue", "red", None]
    assert found["contribution"].isna().all()


# Interactions


def test_only_the_two_that_are_multiplied_interact(cube):
    found = interactions(plain(lambda v: v[:, 0] * v[:, 1] + v[:, 2]), cube)
    assert (found["first"][0], found["second"][0]) == ("x1", "x2")
    assert found["strength"][0] > 0.5
    assert found["size"][1:].tolist() == pytest.approx([0, 0], abs=1e-12)
    assert found["strength"][1:].tolist() == pytest.approx([0, 0], abs=1e-12)


def test_features_that_add_up_do_not_interact(cube):
    found = interactions(plain(lambda v: np.sin(v[:, 0]) + v[:, 1] ** 2 - v[:, 2]), cube)
    assert len(found) == 3
    assert found["strength"].tolist() == pytest.approx([0, 0, 0], abs=1e-12)


def test_strength_is_friedmans_h_squared_by_hand(cube):
    def odds(values):
        return values[:, 0] * values[:, 1] + 0.5 * values[:, 0] + values[:, 2]

    rows = cube[:25]
    x1, x2 = rows[:, 0], rows[:, 1]
    joint = x1 * x2 + 0.5 * x1
    one = x1 * x2.mean() + 0.5 * x1
    two = x1.mean() * x2
    joint, one, two = (part - part.mean() for part in (joint, one, two))
    found = interactions(plain(odds), rows, rows=25).iloc[0]
    assert found["strength"] == pytest.approx(((joint - one - two) ** 2).sum() / (joint**2).sum())
    assert found["size"] == pytest.approx(np.sqrt(((joint - one - two) ** 2).mean()))


def test_an_interaction_that_trees_learned_is_found_among_the_heaviest():
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.normal(size=(1500, 5)), columns=list(FEATURES))
    table["Class"] = (table["V1"] + 2 * table["V2"] * np.sign(table["V3"]) > 1).astype(int)
    face = scorer(models.fit(table, features=FEATURES, budget=0.05, rounds=40))
    found = interactions(face, face.encode(table), top=3)
    assert {found["first"][0], found["second"][0]} == {"V2", "V3"}
    assert len(found) == 3


def test_missing_values_and_categories_interact_like_numbers():
    def odds(values):
        return np.where(np.isnan(values[:, 0]), 1.0, 0.0) * values[:, 1]

    face = replace(plain(odds, ("size", "colour")), categories={"colour": ("red", "blue")})
    rows = np.array([[np.nan, 0], [1, 1], [np.nan, 1], [2, 0]], dtype=float)
    assert interactions(face, rows)["strength"][0] > 0.1


def test_wrong_calls_are_refused(face, rows):
    values = face.encode(rows)
    with pytest.raises(InputError, match="top is 1"):
        interactions(face, values, top=1)
    with pytest.raises(EmptyDataError, match="no rows"):
        importance(face, values[:0])
    with pytest.raises(FeatureMismatchError, match="'V9'"):
        dependence(face, values, "V9")


# One tree


def test_the_leaves_of_all_trees_add_up_to_the_raw_score(model, rows):
    for position in (0, 17, 401):
        row = rows.iloc[[position]]
        paths = [tree_path(model, row, tree) for tree in range(30)]
        total = sum(path["leaf_value"].iloc[-1] for path in paths)
        assert total == pytest.approx(models.raw_scores(model, row)[0], abs=1e-12)


def test_the_leaf_reached_is_the_one_lightgbm_names(model, rows):
    trees = models.booster(model)
    for position in (3, 99):
        row = rows.iloc[[position]]
        for tree, leaf in enumerate(models.leaves(model, row)[0]):
            reached = tree_path(model, row, tree)["leaf_value"].iloc[-1]
            assert reached == trees.get_leaf_output(tree, int(leaf))


def test_every_step_says_what_was_asked_and_what_the_row_answered(model, rows):
    row = rows.iloc[[5]]
    path = tree_path(model, row, 0)
    assert list(path.columns) == ["step", "feature", "condition", "value", "went", "leaf_value"]
    assert path["step"].tolist() == list(range(1, len(path) + 1))
    assert path["feature"].iloc[-1] == "leaf"
    assert len(path) > 1
    for _, step in path.iloc[:-1].iterrows():
        assert step["value"] == row[step["feature"]].iloc[0]
        limit = float(step["condition"].removeprefix("at most ").replace("−", "-"))
        assert (step["went"] == "yes") == (step["value"] <= limit)
        assert np.isnan(step["leaf_value"])


@pytest.mark.parametrize("zero_as_missing", [False, True])
def test_missing_values_and_categories_go_where_lightgbm_sends_them(zero_as_missing):
    rng = np.random.default_rng(3)
    values = np.column_stack([rng.normal(size=800).round(1), rng.integers(0, 6, 800)])
    values[rng.random(800) < 0.2, 0] = np.nan
    values[rng.random(800) < 0.1, 1] = np.nan
    truth = np.isnan(values[:, 0]) ^ np.isin(values[:, 1], (1, 4)) ^ (values[:, 0] > 0.5)
    options = {"verbosity": -1, "num_leaves": 8, "max_cat_to_onehot": 1, "min_data_per_group": 5}
    options |= {"objective": "binary", "num_threads": 1, "zero_as_missing": zero_as_missing}
    kept = lightgbm.Dataset(values, truth.astype(int), categorical_feature=[1])
    trees = lightgbm.train(options, kept, 20)
    face = replace(
        plain(lambda v: trees.predict(v, raw_score=True), ("size", "colour")),
        categories={"colour": tuple("abcdef")},
    )
    dumped = [tree["tree_structure"] for tree in trees.dump_model()["tree_info"]]
    probes = np.array(
        [[s, c] for s in (-1.2, 0.0, 0.6, np.nan, 9.0) for c in (-1.0, 0, 1, 4, 5, 8, np.nan)]
    )
    for row in probes:
        total = sum(walk(face, row, tree)[1] for tree in dumped)
        assert total == pytest.approx(trees.predict(row[None], raw_score=True)[0], abs=1e-12)
    steps = [step for tree in dumped for step in walk(face, probes[-1], tree)[0]]
    assert any(step[0] == "colour" and step[2] is None and step[3] == "no" for step in steps)
    said = {step[1] for step in steps if step[0] == "colour"}
    assert any(text.startswith("one of ") and ", " in text for text in said)


def test_a_tree_of_one_leaf_has_one_line(model, rows):
    assert walk(scorer(model), np.zeros(5), {"leaf_value": 0.25}) == ([], 0.25)


def test_a_tree_that_is_not_there_is_refused(model, rows):
    with pytest.raises(InputError, match="no tree 30"):
        tree_path(model, rows.iloc[[0]], 30)
    with pytest.raises(InputError, match="no tree -1"):
        tree_path(model, rows.iloc[[0]], -1)
    with pytest.raises(ValueError, match="2 were given"):
        tree_path(model, rows.iloc[:2], 0)
