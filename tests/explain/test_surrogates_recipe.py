import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from hitl.errors import InputError
from hitl.explain import (
    draw_sample,
    fidelity_by_size,
    fidelity_by_width,
    local_lime,
    making,
    prepare,
    shared_lime,
)
from hitl.explain.fitting import forward, sums
from hitl.explain.recipe import METHODS, neighbourhood, sample_distances
from tests.explain.surrogate_worlds import cards, mixed, mixed_rows, straight


@pytest.fixture(scope="module")
def world():
    face, training, frauds = cards()
    return face, prepare(face, training), face.encode(frauds)


def listening(face):
    """The same model, and every row it was asked about."""
    asked = []

    def odds(values):
        asked.append(values.copy())
        return face.odds(values)

    return replace(face, odds=odds), asked


@pytest.mark.parametrize("method", METHODS)
def test_the_rows_shown_are_the_rows_the_model_was_asked_about(world, method):
    face, asked = listening(world[0])
    found = making(face, world[2][0], world[1], method=method, seed=3, samples=200, rows=8)
    assert len(asked) == 1
    shown = np.array([[row[name] for name in face.features] for row in found.rows])
    assert np.array_equal(shown, asked[0][:8])
    odds = world[0].odds(asked[0])
    wanted = odds if method == "lime-local" else 1 / (1 + np.exp(-odds))
    assert found.answers == pytest.approx(wanted[:8].tolist())
    assert found.rows[0] == found.case
    assert set(found.coding[0].values()) == {1}


def test_the_line_is_the_one_of_the_explanation_with_that_seed(world):
    face, known, values = world
    shared = shared_lime(face, values[:1], [draw_sample(face, known, seed=7)])[0]
    near = local_lime(face, values[0], known, seeds=(7,))
    for explained in (shared, near):
        made = making(face, values[0], known, method=explained.method, seed=7)
        assert made.weights == pytest.approx(explained.weights, abs=1e-9)
        assert made.r2 == pytest.approx(explained.r2, abs=1e-9)
        assert made.intercept == pytest.approx(explained.intercept, abs=1e-9)
        assert made.conditions == explained.conditions
        assert (made.samples, made.unit) == (explained.samples, explained.unit)
        assert (made.kernel_width, made.complexity) == (explained.kernel_width, explained.kept)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_is_the_weighted_squared_error_over_all_samples(world, method):
    face, known, values = world
    found = making(face, values[0], known, method=method, seed=1, samples=300, rows=300)
    coding = np.array([[bits[name] for name in face.features] for bits in found.coding])
    line = found.intercept + coding @ [found.weights[name] for name in face.features]
    error = (np.array(found.answers) - line) ** 2
    assert found.loss == pytest.approx((found.proximity * error).sum())
    mean = np.average(found.answers, weights=found.proximity)
    whole = (found.proximity * (np.array(found.answers) - mean) ** 2).sum()
    assert found.r2 == pytest.approx(1 - found.loss / whole)


def test_stock_samples_count_by_how_many_features_stay(world):
    face, known, values = world
    found = making(face, values[0], known, method="lime", seed=1, samples=50, rows=50)
    differing = [sum(1 - bit for bit in bits.values()) for bits in found.coding]
    wanted = np.exp(-np.array(differing) / (2 * 0.75**2 * 29))
    assert found.proximity == pytest.approx(wanted.tolist())
    assert found.alpha == 1.0
    near = making(face, values[0], known, method="lime-local", seed=1, samples=50, rows=50)
    assert set(near.proximity) == {1.0}
    assert near.kernel_width is None


def test_rows_are_shown_in_their_own_words():
    face, rows = mixed(), mixed_rows()
    found = making(face, rows.iloc[[0]], rows, method="lime-local", seed=0, rows=40)
    assert found.case == {"age": None, "channel": rows["channel"].iloc[0], "same": 7.0}
    assert {row["channel"] for row in found.rows} == {"web", "shop", "phone"}
    text = json.dumps(asdict(found), allow_nan=False)
    assert json.loads(text)["rows"][0]["age"] is None


def test_a_category_never_seen_is_called_by_its_name_where_that_is_known():
    face, rows = mixed(), mixed_rows()
    new = rows.iloc[[1]].assign(channel="fax")
    made = making(face, new, rows, method="lime-local", seed=0, rows=40)
    assert made.case["channel"] == "fax"
    assert made.conditions["channel"] == "channel = fax"
    bits = [bit["channel"] for bit in made.coding]
    shown = [row["channel"] == "fax" for row in made.rows]
    assert shown == [bool(bit) for bit in bits]
    nameless = making(face, face.encode(new), rows, method="lime", seed=0)
    assert nameless.case["channel"] == "never seen"


@pytest.mark.parametrize("method", METHODS)
def test_more_features_never_fit_worse(world, method):
    face, known, values = world
    for row in values[:5]:
        found = fidelity_by_size(face, row, known, method=method, seed=0)
        assert found["k"].tolist() == list(range(1, 30))
        assert sorted(found["feature"]) == sorted(face.features)
        assert found["r2"].is_monotonic_increasing
        assert found["r2"].between(0, 1).all()
        whole = making(face, row, known, method=method, seed=0)
        assert found["r2"].iloc[-1] == pytest.approx(whole.r2, abs=0.01)


def test_each_size_is_least_squares_on_its_features(world):
    face, known, values = world
    found = neighbourhood(face, values[0], known, method="lime", seed=0, samples=900)
    path = forward(sums(found.coding, found.answers, found.proximity))
    places = [place for place, _ in path]
    for k in (1, 2, 5, 29):
        chosen = found.coding[:, places[:k]]
        line = LinearRegression().fit(chosen, found.answers, sample_weight=found.proximity)
        theirs = line.score(chosen, found.answers, sample_weight=found.proximity)
        assert path[k - 1][1] == pytest.approx(theirs, abs=1e-9)
    scores = []
    for place in range(29):
        one = found.coding[:, [place]]
        line = LinearRegression().fit(one, found.answers, sample_weight=found.proximity)
        scores.append(line.score(one, found.answers, sample_weight=found.proximity))
    assert places[0] == int(np.argmax(scores))


def test_columns_that_explain_nothing_come_last():
    face = straight([1.0, 0.0, 2.0])
    rows = np.random.default_rng(0).normal(size=(300, 3))
    rows[:, 1] = 4.0
    found = fidelity_by_size(face, rows[0], rows, method="lime-local", seed=0)
    assert found["feature"].tolist() == ["x2", "x0", "x1"]
    assert found["r2"].iloc[1] == found["r2"].iloc[2]
    still = fidelity_by_size(straight([0.0, 0.0, 0.0]), rows[0], rows, method="lime", seed=0)
    assert still["r2"].tolist() == [0.0, 0.0, 0.0]


def test_the_local_samples_lie_nearer_to_the_case(world):
    face, known, values = world
    found = making(face, values[0], known, method="lime", seed=0).distances
    assert found == sample_distances(face, values[0], known, seed=0)
    assert found["lime-local"] < 0.7 * found["lime"]
    drawn = draw_sample(face, known, seed=0).values
    gaps = (drawn - values[0]) / known.values.std(axis=0)
    assert found["lime"] == pytest.approx(np.median(np.sqrt((gaps**2).sum(axis=1))))


def test_distances_count_a_category_or_a_missing_value_as_one():
    face, rows = mixed(), mixed_rows()
    found = sample_distances(face, rows.iloc[[0]], rows, seed=0)
    assert found["lime-local"] == 0.0  # more than half of the samples kept both features
    assert found["lime"] in (1.0, np.sqrt(2))


def test_a_narrow_kernel_looks_better_than_it_is(world):
    face, known, values = world
    found = fidelity_by_width(face, values[0], known, seed=0).set_index("width")
    stock = making(face, values[0], known, method="lime", seed=0)
    assert found.loc[0.75, "r2"] == pytest.approx(stock.r2)
    assert found.loc[0.75, "top"] == list(stock.weights)[:5]
    assert found["effective"].is_monotonic_increasing
    assert found.loc[0.75, "effective"] > 4_500
    assert found.loc[0.15, "effective"] < 100


def test_wrong_calls_say_what_was_wrong(world):
    face, known, values = world
    with pytest.raises(InputError, match="no method 'shap'"):
        making(face, values[0], known, method="shap", seed=0)
    with pytest.raises(ValueError, match="2 were given"):
        making(face, values[:2], known, method="lime", seed=0)
    with pytest.raises(ValueError, match="rows is 0"):
        making(face, values[0], known, method="lime", seed=0, rows=0)
