import json
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from lime.lime_tabular import LimeTabularExplainer

from hitl.errors import EmptyDataError, FeatureMismatchError
from hitl.explain import draw_sample, prepare, shared_lime
from hitl.explain.levels import MISSING
from hitl.explain.surrogates import kernel_width
from tests.explain.surrogate_worlds import cards, mixed, mixed_rows, straight


@pytest.fixture(scope="module")
def world():
    return cards()


@pytest.fixture(scope="module")
def known(world):
    return prepare(world[0], world[1])


def stock(face, background, row, seed, samples=5000, **options):
    """Lime's own explainer, fresh, on all features; and the rows it showed to the model."""
    shown = []
    explainer = LimeTabularExplainer(
        background, random_state=seed, feature_selection="none", **options
    )

    def both(values):
        shown.append(values.copy())
        positive = face.probabilities(values)
        return np.column_stack([1 - positive, positive])

    found = explainer.explain_instance(
        row, both, num_features=len(face.features), num_samples=samples
    )
    return found, shown[0]


def assert_stock(ours, theirs, features):
    weights = {features[place]: weight for place, weight in theirs.as_map()[1]}
    assert ours.weights == pytest.approx(weights, abs=1e-9)
    assert ours.r2 == pytest.approx(theirs.score, abs=1e-9)
    assert ours.intercept == pytest.approx(theirs.intercept[1], abs=1e-9)
    assert ours.local_prediction == pytest.approx(theirs.local_pred[0], abs=1e-9)
    assert ours.model_prediction == pytest.approx(theirs.predict_proba[1], abs=1e-12)


def test_a_queue_gets_the_numbers_of_a_fresh_stock_explainer_for_every_case(world, known):
    face, training, frauds = world
    rows = pd.concat([frauds.iloc[:14], training.iloc[:6]])
    found = shared_lime(face, rows, [draw_sample(face, known, seed=11)])
    values, background = face.encode(rows), training.to_numpy()
    for row, ours in zip(values, found, strict=True):
        assert_stock(ours, stock(face, background, row, 11)[0], face.features)
    assert len(found) == 20


def test_the_sample_is_to_the_bit_the_one_the_stock_explainer_draws(world, known):
    face, training, frauds = world
    sample = draw_sample(face, known, seed=5, samples=700)
    _, shown = stock(face, training.to_numpy(), face.encode(frauds)[3], 5, samples=700)
    assert np.array_equal(sample.values, shown[1:])
    assert sample.samples == 700
    assert np.array_equal(sample.answers, face.probabilities(shown[1:]))


def test_columns_of_few_values_and_of_one_value_are_sampled_as_the_package_does():
    face = straight([1.0, -2.0, 0.5, 0.0])
    rng = np.random.default_rng(0)
    rows = np.column_stack(
        [rng.integers(0, 2, 300), rng.integers(0, 3, 300), rng.normal(size=300), np.full(300, 7.0)]
    ).astype(float)
    sample = draw_sample(face, rows, seed=2, samples=500)
    theirs, shown = stock(face, rows, rows[0], 2, samples=500)
    assert np.array_equal(sample.values, shown[1:])
    ours = shared_lime(face, rows[:1], [sample])[0]
    assert_stock(ours, theirs, face.features)
    assert ours.weights["x3"] == 0.0


def test_categories_are_the_packages_own_categories():
    face, rows = mixed(), mixed_rows().dropna()
    values = face.encode(rows)
    ours = shared_lime(face, rows.iloc[:3], [draw_sample(face, rows, seed=4, samples=800)])
    for row, found in zip(values[:3], ours, strict=True):
        theirs, _ = stock(face, values, row, 4, samples=800, categorical_features=[1])
        assert_stock(found, theirs, face.features)
    assert ours[0].conditions["channel"] == f"channel = {rows['channel'].iloc[0]}"


def test_a_missing_value_is_a_level_of_its_own():
    face, rows = mixed(), mixed_rows()
    sample = draw_sample(face, rows, seed=4, samples=3000)
    missing = np.isnan(sample.values[:, 0])
    assert missing.mean() == pytest.approx(rows["age"].isna().mean(), abs=0.02)
    assert np.array_equal(sample.levels[:, 0] == MISSING, missing)
    gone, there = shared_lime(face, rows.iloc[:2], [sample])
    assert gone.conditions["age"] == "age missing"
    assert gone.weights["age"] > 0.2
    assert "≤" in there.conditions["age"] or ">" in there.conditions["age"]
    assert gone.weights["same"] == 0.0
    assert gone.conditions["same"] == "same = 7"


def test_a_category_never_seen_is_a_level_of_its_own():
    face, rows = mixed(), mixed_rows()
    new = rows.iloc[[1]].assign(channel="fax")
    samples = [draw_sample(face, rows, seed=4, samples=500)]
    found = shared_lime(face, new, samples)[0]
    assert found.conditions["channel"] == "channel = fax"
    encoded = shared_lime(face, face.encode(new), samples)[0]
    assert encoded.conditions["channel"] == "channel never seen"
    assert encoded.weights == found.weights
    assert np.isfinite(list(found.weights.values())).all()


def test_the_other_samples_give_the_band_and_the_stability(world, known):
    face, _, frauds = world
    samples = [draw_sample(face, known, seed=seed) for seed in (0, 1, 2)]
    _, parts = face.split(face.encode(frauds.iloc[:1]))
    found = shared_lime(face, frauds.iloc[:1], samples, parts)[0]
    alone = [shared_lime(face, frauds.iloc[:1], [sample])[0] for sample in samples]
    assert found.weights == alone[0].weights
    assert found.r2 == alone[0].r2
    for name in face.features:
        over = [one.weights[name] for one in alone]
        assert (found.low[name], found.high[name]) == (min(over), max(over))
    tops = [set(list(one.weights)[:5]) for one in alone]
    pairs = [(tops[0], tops[1]), (tops[0], tops[2]), (tops[1], tops[2])]
    by_hand = sum(len(a & b) / len(a | b) for a, b in pairs) / 3
    assert found.stability == pytest.approx(by_hand)
    assert found.seeds == (0, 1, 2)
    assert alone[0].stability is None
    largest = np.array(face.features)[np.argsort(-np.abs(parts[0]))[:5]]
    assert found.shap_overlap == len(set(largest) & tops[0]) / 5


def test_weights_come_heaviest_first_and_add_up(world, known):
    face, _, frauds = world
    found = shared_lime(face, frauds.iloc[:5], [draw_sample(face, known, seed=0)])
    for one in found:
        sizes = [abs(weight) for weight in one.weights.values()]
        assert sizes == sorted(sizes, reverse=True)
        whole = one.intercept + sum(one.weights.values())
        assert whole == pytest.approx(one.local_prediction)
        assert (one.kept, one.samples) == (29, 5000)
        assert one.kernel_width == pytest.approx(0.75 * np.sqrt(29))
        assert 0.5 < one.spread <= 1


def test_conditions_are_true_of_the_row(world, known):
    face, _, frauds = world
    found = shared_lime(face, frauds, [draw_sample(face, known, seed=0, samples=50)])
    for (_, row), one in zip(frauds.iterrows(), found, strict=True):
        for name, text in one.conditions.items():
            python = text.replace("−", "-").replace("≤", "<=").replace(",", "")
            assert eval(python.replace(" = ", " == "), {}, {name: float(row[name])})


def test_a_model_of_one_feature_is_explained():
    face = straight([2.0])
    rows = np.linspace(-2, 2, 101)[:, None]
    found = shared_lime(face, rows[-1:], [draw_sample(face, rows, seed=0, samples=400)])[0]
    assert list(found.weights) == ["x0"]
    assert found.weights["x0"] > 0.3
    assert found.kernel_width == kernel_width(1) == 0.75


def test_a_model_that_never_changes_its_mind_has_no_bars():
    face = straight([0.0, 0.0])
    rows = np.random.default_rng(0).normal(size=(60, 2))
    found = shared_lime(face, rows[:1], [draw_sample(face, rows, seed=0, samples=80)])[0]
    assert found.is_flat
    assert set(found.weights.values()) == {0.0}
    assert found.verdict == "do not use"
    assert "no single feature changes" in found.why.lower()
    assert found.local_prediction == pytest.approx(found.model_prediction)


def test_the_answer_is_the_same_in_another_process_and_can_be_written_as_json():
    program = (
        "import json, numpy as np\nfrom dataclasses import asdict\n"
        "from hitl.explain import draw_sample, shared_lime\n"
        "from tests.explain.surrogate_worlds import mixed, mixed_rows\n"
        "face, rows = mixed(), mixed_rows()\n"
        "drawn = [draw_sample(face, rows, seed=s, samples=300) for s in (1, 2)]\n"
        "print(json.dumps([asdict(one) for one in shared_lime(face, rows.iloc[:4], drawn)]))"
    )
    run = [sys.executable, "-c", program]
    texts = {subprocess.run(run, capture_output=True, check=True).stdout for _ in range(2)}
    assert len(texts) == 1
    assert len(json.loads(texts.pop())) == 4


def test_global_random_numbers_neither_matter_nor_move():
    face, rows = mixed(), mixed_rows()
    before = draw_sample(face, rows, seed=1, samples=100).values
    np.random.random()  # noqa: NPY002
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert np.array_equal(before, draw_sample(face, rows, seed=1, samples=100).values, True)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    other = draw_sample(face, rows, seed=2, samples=100).values
    assert not np.array_equal(before, other, True)


def test_no_case_is_no_explanation():
    face, rows = mixed(), mixed_rows()
    assert shared_lime(face, rows.iloc[:0], [draw_sample(face, rows, seed=1, samples=50)]) == []


def test_a_table_and_its_encoding_give_the_same(world):
    face, rows = mixed(), mixed_rows()
    by_name = draw_sample(face, rows[["same", "channel", "age"]], seed=1, samples=60)
    encoded = draw_sample(face, face.encode(rows), seed=1, samples=60)
    assert np.array_equal(by_name.values, encoded.values, True)
    left, right = shared_lime(face, rows[:3], [by_name]), shared_lime(face, rows[:3], [encoded])
    assert [asdict(one) for one in left] == [asdict(one) for one in right]


def test_wrong_calls_say_what_was_wrong(world):
    face, rows = mixed(), mixed_rows()
    drawn = draw_sample(face, rows, seed=1, samples=50)
    with pytest.raises(EmptyDataError, match="no rows"):
        draw_sample(face, rows.iloc[:0], seed=0)
    with pytest.raises(FeatureMismatchError, match="do not fit 3 features"):
        draw_sample(face, np.zeros((4, 2)), seed=0)
    with pytest.raises(FeatureMismatchError, match="V3"):
        shared_lime(world[0], world[2].drop(columns="V3"), [replace(drawn, scorer=world[0].name)])
    with pytest.raises(ValueError, match="samples is 1"):
        draw_sample(face, rows, seed=0, samples=1)
    with pytest.raises(ValueError, match="no sample"):
        shared_lime(face, rows, [])
    with pytest.raises(ValueError, match="drawn for mixed, not for line"):
        shared_lime(straight([1.0, 1.0, 1.0]), np.zeros((1, 3)), [drawn])
    shorter = draw_sample(face, rows, seed=2, samples=40)
    elsewhere = draw_sample(face, rows.iloc[1:], seed=2, samples=50)
    for other in (shorter, elsewhere):
        with pytest.raises(ValueError, match="differ in background or size"):
            shared_lime(face, rows, [drawn, other])
