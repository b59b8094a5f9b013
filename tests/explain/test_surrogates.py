from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lime.lime_tabular import LimeTabularExplainer

from hitl import models
from hitl.errors import EmptyDataError, FeatureMismatchError, MissingValuesError
from hitl.explain import Surrogate, lime
from hitl.explain.surrogates import _verdict

FEATURES = tuple(f"V{i}" for i in range(1, 11))
SAMPLES = 600


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(6)
    table = pd.DataFrame(rng.normal(size=(800, 10)), columns=list(FEATURES))
    chance = 1 / (1 + np.exp(2 * table["V1"] - 2 * table["V2"]))
    return table.assign(Class=(rng.random(800) < chance).astype(int))


@pytest.fixture(scope="module")
def model(rows):
    return models.fit(rows, features=FEATURES, budget=0.05, rounds=30)


def stock(model, row, background, seed, **options):
    """Lime's own explainer, told nothing but what it must know."""
    explainer = LimeTabularExplainer(
        background[list(FEATURES)].to_numpy(), feature_names=list(FEATURES), random_state=seed
    )

    def both(values):
        positive = models.probabilities(model, pd.DataFrame(values, columns=list(FEATURES)))
        return np.column_stack([1 - positive, positive])

    return explainer.explain_instance(
        row[list(FEATURES)].to_numpy()[0], both, num_samples=SAMPLES, **options
    )


@pytest.mark.parametrize("k", [8, 10])
def test_the_stand_in_is_the_one_of_the_stock_explainer_with_the_same_seed(model, rows, k):
    ours = lime(model, rows.iloc[[4]], rows, seed=11, samples=SAMPLES, k=k)
    theirs = stock(model, rows.iloc[[4]], rows, 11, num_features=k)
    assert list(ours.weights.items()) == theirs.as_list(label=1)
    assert ours.r2 == theirs.score
    assert ours.local_prediction == theirs.local_pred[0]
    assert ours.intercept == theirs.intercept[1]


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(model, rows):
    first, again, other = (
        lime(model, rows.iloc[[4]], rows, seed=seed, samples=SAMPLES) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.weights != other.weights


def test_global_random_numbers_neither_matter_nor_move(model, rows):
    before = lime(model, rows.iloc[[4]], rows, seed=1, samples=SAMPLES)
    np.random.random()  # noqa: NPY002
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert lime(model, rows.iloc[[4]], rows, seed=1, samples=SAMPLES) == before
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_conditions_hold_for_the_row_and_know_their_feature(model, rows):
    row = rows.iloc[[4]]
    found = lime(model, row, rows, seed=1, samples=SAMPLES)
    assert set(found.features) == set(found.weights)
    assert len(found.weights) == 8
    for condition, feature in found.features.items():
        assert feature in condition.split()
        value = round(float(row[feature].iloc[0]), 2)
        assert eval(condition, {}, {feature: value})


def test_intercept_and_weights_add_up_to_the_stand_ins_prediction(model, rows):
    for k in (2, 8):
        found = lime(model, rows.iloc[[4]], rows, seed=1, samples=SAMPLES, k=k)
        assert found.intercept + sum(found.weights.values()) == pytest.approx(
            found.local_prediction
        )
        assert len(found.weights) == k


def test_the_models_own_answer_stands_beside_it(model, rows):
    row = rows.iloc[[4]]
    found = lime(model, row, rows, seed=1, samples=SAMPLES)
    assert found.model_prediction == pytest.approx(models.probabilities(model, row)[0])
    assert (found.seed, found.samples) == (1, SAMPLES)


def test_the_features_that_matter_are_found(model, rows):
    found = lime(model, rows.iloc[[4]], rows, seed=1, samples=SAMPLES)
    heaviest = list(found.features.values())[:2]
    assert set(heaviest) == {"V1", "V2"}
    sizes = [abs(weight) for weight in found.weights.values()]
    assert sizes == sorted(sizes, reverse=True)


def test_more_features_never_fit_worse_on_the_same_sample(model, rows):
    fits = [
        lime(model, rows.iloc[[4]], rows, seed=1, samples=SAMPLES, k=k).r2 for k in (1, 3, 6, 10)
    ]
    assert fits == sorted(fits)


def test_columns_are_taken_by_name(model, rows):
    turned = rows[list(rows.columns[::-1])]
    left = lime(model, turned.iloc[[4]], turned, seed=1, samples=SAMPLES)
    assert left == lime(model, rows.iloc[[4]], rows, seed=1, samples=SAMPLES)


def test_a_model_that_never_changes_its_mind_is_not_explained_well(model, rows):
    still = replace(model, slope=0.0, intercept=-1.0)
    found = lime(still, rows.iloc[[4]], rows, seed=1, samples=SAMPLES)
    assert found.r2 == pytest.approx(1.0)
    assert found.is_flat
    assert found.verdict == "do not use"


def test_a_moving_model_has_a_spread(model, rows):
    found = lime(model, rows.iloc[[4]], rows, seed=1, samples=SAMPLES)
    assert 0.5 < found.spread <= 1
    assert not found.is_flat


@pytest.mark.parametrize(
    ("r2", "spread", "verdict"),
    [
        (0.7, 0.5, "good"),
        (0.69, 0.5, "weak"),
        (0.3, 0.5, "weak"),
        (0.29, 0.5, "do not use"),
        (-1.0, 0.5, "do not use"),
        (1.0, 0.0, "do not use"),
    ],
)
def test_the_verdict_follows_the_fit(r2, spread, verdict):
    assert _verdict(r2, spread) == verdict


def test_the_verdict_in_the_answer_is_that_of_its_fit(model, rows):
    found = lime(model, rows.iloc[[4]], rows, seed=1, samples=SAMPLES)
    assert isinstance(found, Surrogate)
    assert found.verdict == _verdict(found.r2, found.spread)


def test_a_constant_column_in_the_background_does_no_harm(model, rows):
    found = lime(model, rows.iloc[[4]], rows.assign(V9=0.5), seed=1, samples=SAMPLES, k=10)
    flat = next(condition for condition, name in found.features.items() if name == "V9")
    assert found.weights[flat] == pytest.approx(0, abs=0.2)
    assert np.isfinite(list(found.weights.values())).all()


def test_rows_that_cannot_be_explained_are_refused(model, rows):
    row = rows.iloc[[0]]
    with pytest.raises(FeatureMismatchError, match="V3"):
        lime(model, row.drop(columns="V3"), rows, seed=0)
    with pytest.raises(FeatureMismatchError, match="V3"):
        lime(model, row, rows.drop(columns="V3"), seed=0)
    with pytest.raises(MissingValuesError, match="V3"):
        lime(model, row.assign(V3=np.nan), rows, seed=0)
    with pytest.raises(EmptyDataError, match="background"):
        lime(model, row, rows.iloc[:0], seed=0)


def test_wrong_calls_say_what_was_wrong(model, rows):
    with pytest.raises(ValueError, match="2 were given"):
        lime(model, rows.iloc[:2], rows, seed=0)
    with pytest.raises(ValueError, match="samples is 1"):
        lime(model, rows.iloc[[0]], rows, seed=0, samples=1)
    with pytest.raises(ValueError, match="k is 0"):
        lime(model, rows.iloc[[0]], rows, seed=0, k=0)
