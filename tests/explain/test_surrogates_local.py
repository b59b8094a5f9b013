import json
from dataclasses import asdict

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from hitl.errors import EmptyDataError, FeatureMismatchError
from hitl.explain import deletion, draw_sample, local_lime, positive_tops, prepare, shared_lime
from hitl.explain.levels import levels_of
from hitl.explain.local import ALPHA, KEEP, SAMPLES, around
from tests.explain.surrogate_worlds import cards, mixed, mixed_rows, straight


@pytest.fixture(scope="module")
def world():
    return cards()


@pytest.fixture(scope="module")
def known(world):
    return prepare(world[0], world[1])


@pytest.fixture(scope="module")
def frauds(world):
    """Encoded frauds the model has not learned from, and its contributions to them."""
    values = world[0].encode(world[2])
    return values, world[0].split(values)[1]


@pytest.fixture(scope="module")
def flagged(world, known, frauds):
    """Both explanations of the first flagged frauds."""
    face, (values, parts) = world[0], frauds
    places = np.flatnonzero(face.probabilities(values) >= face.threshold)[:25]
    near = [local_lime(face, values[i], known, contributions=parts[i]) for i in places]
    drawn = [draw_sample(face, known, seed=seed) for seed in range(3)]
    return near, shared_lime(face, values[places], drawn, parts[places])


def table(surrogates, features):
    return np.array([[one.weights[name] for name in features] for one in surrogates])


def test_one_seed_is_scikit_learns_ridge_on_the_same_samples(world, known, frauds):
    face, row = world[0], frauds[0][0]
    values, coding = around(known, row, seed=8, samples=SAMPLES)
    odds = face.odds(values)
    line = Ridge(alpha=ALPHA).fit(coding, odds)
    found = local_lime(face, row, known, seeds=(8,))
    weights = dict(zip(face.features, line.coef_, strict=True))
    assert found.weights == pytest.approx(weights, abs=1e-9)
    assert found.intercept == pytest.approx(line.intercept_)
    assert found.r2 == pytest.approx(line.score(coding, odds))
    assert found.spread == pytest.approx(odds.max() - odds.min())
    ours = np.log(found.local_prediction / (1 - found.local_prediction))
    assert ours == pytest.approx(line.predict(np.ones((1, 29)))[0])


def test_samples_keep_most_values_and_take_the_rest_from_one_row(known, frauds):
    row = frauds[0][0]
    values, coding = around(known, row, seed=1, samples=400)
    assert np.array_equal(values[0], row)
    assert (values[1:] == row).mean() == pytest.approx(KEEP, abs=0.02)
    for sample in values[1:40]:
        changed = sample != row
        donors = (known.values[:, changed] == sample[changed]).all(axis=1)
        assert donors.any()
    alike = levels_of(known, values) == levels_of(known, row[None, :])
    assert np.array_equal(coding == 1, alike)


def test_five_seeds_are_the_mean_and_the_band_of_five_single_ones(world, known, frauds):
    face, row = world[0], frauds[0][1]
    found = local_lime(face, row, known)
    alone = [local_lime(face, row, known, seeds=(seed,)) for seed in found.seeds]
    assert found.seeds == (0, 1, 2, 3, 4)
    for name in face.features:
        over = [one.weights[name] for one in alone]
        assert found.weights[name] == pytest.approx(np.mean(over))
        assert (found.low[name], found.high[name]) == (min(over), max(over))
    assert found.r2 == pytest.approx(np.mean([one.r2 for one in alone]))
    assert alone[0].stability is None


def test_all_seeds_are_asked_in_one_call(world, known, frauds):
    asked = []
    face = world[0]
    once = type(face)(
        face.name,
        face.features,
        face.encode,
        lambda values: asked.append(len(values)) or face.odds(values),
        face.threshold,
    )
    local_lime(once, frauds[0][0], known, samples=100)
    assert asked == [500]


def test_flagged_cards_meet_the_promises(flagged):
    near, spread_out = flagged
    r2 = np.median([one.r2 for one in near])
    assert r2 >= 0.5
    assert r2 >= 2 * np.median([one.r2 for one in spread_out])
    assert np.mean([one.stability for one in near]) >= 0.8
    assert np.mean([one.stability for one in near]) > np.mean([o.stability for o in spread_out])
    assert np.median([one.shap_overlap for one in near]) >= 0.8
    assert np.mean([one.sign_agreement for one in near]) >= 0.95
    assert {one.verdict for one in spread_out} == {"do not use"}
    assert np.mean([one.verdict == "good" for one in near]) >= 0.9


def test_removing_the_models_top_reasons_lowers_the_score_as_much_as_stock_limes(
    world, known, frauds
):
    face, (values, parts) = world[0], frauds
    drawn = shared_lime(face, values, [draw_sample(face, known, seed=0)])
    near = [local_lime(face, row, known) for row in values]
    tops = {
        "shap": positive_tops(parts, 3),
        "lime": positive_tops(table(drawn, face.features), 3),
        "local": positive_tops(table(near, face.features), 3),
    }
    falls = {name: deletion(face, values, known, top, seed=0) for name, top in tops.items()}
    means = {name: fall.mean() for name, fall in falls.items()}
    assert means["shap"] >= means["lime"]
    assert means["local"] >= means["lime"]
    assert means["shap"] > 5


def test_deletion_on_a_straight_line_is_its_weights_times_what_is_lost():
    face = straight([2.0, -1.0, 0.0])
    background = np.tile([0.5, 0.0, 0.0], (7, 1))
    rows = np.array([[3.0, 1.0, 9.0], [0.0, 4.0, 0.0]])
    falls = deletion(face, rows, background, np.array([[0, -1], [1, 0]]), seed=0)
    assert falls.tolist() == [2 * 2.5, -4.0 - 1.0]


def test_only_what_speaks_for_the_positive_class_is_a_top_reason():
    weights = np.array([[0.0, 2.0, 3.0, -9.0], [-1.0, -1.0, -1.0, 0.5]])
    assert positive_tops(weights, 2).tolist() == [[2, 1], [3, -1]]


def test_the_weights_of_a_straight_line_are_found():
    face = straight([3.0, 0.0, -1.0])
    rows = np.random.default_rng(2).normal(size=(500, 3))
    found = local_lime(face, np.array([2.0, 2.0, 2.0]), rows, keep=0.5, samples=3000)
    # a kept 2 against an average of the levels below it, so somewhat more than 2 per weight
    assert found.weights["x0"] == pytest.approx(3 * 2.4, rel=0.15)
    assert found.weights["x2"] == pytest.approx(-2.4, rel=0.15)
    assert abs(found.weights["x1"]) < 0.2
    assert found.verdict == "good"


def test_missing_values_and_categories_are_reasons_of_their_own():
    face, rows = mixed(), mixed_rows()
    row = rows.iloc[[0]].assign(channel="web")
    found = local_lime(face, row, rows)
    assert found.conditions == {
        "age": "age missing",
        "channel": "channel = web",
        "same": "same = 7",
    }
    assert found.weights["channel"] == pytest.approx(2.0, abs=0.2)
    assert found.weights["age"] > 1.5
    assert found.weights["same"] == 0.0
    assert json.loads(json.dumps(asdict(found)))["kernel_width"] is None


def test_a_category_never_seen_has_a_weight():
    face, rows = mixed(), mixed_rows()
    found = local_lime(face, rows.iloc[[1]].assign(channel="fax"), rows)
    assert found.conditions["channel"] == "channel = fax"
    nameless = local_lime(face, np.array([41.5, -1.0, 7.0]), rows)
    assert nameless.conditions["channel"] == "channel never seen"
    assert found.weights["channel"] < -0.5


def test_a_model_of_one_feature_and_one_background_row_work():
    found = local_lime(straight([2.0]), np.array([1.5]), np.linspace(-2, 2, 50)[:, None])
    assert list(found.weights) == ["x0"]
    assert found.weights["x0"] > 2
    alone = local_lime(straight([2.0, 1.0]), np.array([1.0, 1.0]), np.zeros((1, 2)))
    assert alone.weights["x0"] == pytest.approx(2.0, abs=0.01)


def test_a_model_that_never_changes_its_mind_has_no_bars():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    found = local_lime(straight([0.0, 0.0]), rows[0], rows)
    assert found.is_flat
    assert set(found.weights.values()) == set(found.high.values()) == {0.0}
    assert found.verdict == "do not use"
    assert found.local_prediction == pytest.approx(found.model_prediction)


def test_the_same_seeds_give_the_same_answer_to_the_last_bit(world, known, frauds):
    face, row = world[0], frauds[0][2]
    first, again = (local_lime(face, row, known, seeds=(3, 4)) for _ in range(2))
    assert first == again
    assert first.weights != local_lime(face, row, known, seeds=(3, 5)).weights


def test_wrong_calls_say_what_was_wrong():
    face, rows = mixed(), mixed_rows()
    with pytest.raises(ValueError, match="2 were given"):
        local_lime(face, rows.iloc[:2], rows)
    for wrong in ({"seeds": ()}, {"samples": 1}, {"keep": 1.0}, {"keep": 0.0}):
        with pytest.raises(ValueError, match="at least one seed"):
            local_lime(face, rows.iloc[[0]], rows, **wrong)
    with pytest.raises(EmptyDataError, match="no rows"):
        local_lime(face, rows.iloc[[0]], rows.iloc[:0])
    with pytest.raises(FeatureMismatchError, match="do not fit"):
        local_lime(face, np.zeros(2), rows)
