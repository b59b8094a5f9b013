import dataclasses
import itertools
import json
import subprocess
import sys
import threading
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold

from hitl import datasets, errors, models
from hitl.models import calibration, folders
from hitl.workspaces import CARD_FEATURES

SAMPLE = Path(__file__).parent.parent / "data" / datasets.SAMPLE_FILE
FEATURES = ("V4", "V14")
SMALL = {"features": FEATURES, "rounds": 30, "weight": "weight", "budget": 0.01}
CHANGED = r"^model\.txt was changed or cut off after its card was written\. Its SHA-256 is "
STORED = ("text", "features", "slope", "intercept", "threshold")


@pytest.fixture(scope="module")
def parts():
    """The sample's first two thirds and its last third, by time."""
    return datasets.split_by_time(datasets.read_table(SAMPLE), time="Time", shares=(2 / 3, 1 / 3))


@pytest.fixture(scope="module")
def cards(parts):
    """The model on all 29 features."""
    return models.fit(parts[0], features=CARD_FEATURES, weight="weight")


@pytest.fixture(scope="module")
def rows(parts):
    """A small training set: 1,500 legitimate rows, 100 frauds."""
    before = parts[0]
    legit = before[before["Class"] == 0].iloc[:1_500]
    return pd.concat([legit, before[before["Class"] == 1].iloc[:100]], ignore_index=True)


@pytest.fixture(scope="module")
def model(rows):
    return models.fit(rows, **SMALL)


@pytest.fixture(scope="module")
def unseen(parts):
    return parts[1].iloc[:300]


def far_rows(n=15, seed=0):
    """Legitimate rows far beyond the known frauds."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"V4": rng.normal(20, 2, n), "V14": rng.normal(-27, 2, n), "Class": 0})


def reference_scores(model, values):
    """Raw scores by LightGBM alone, columns in the model's order."""
    return lightgbm.Booster(model_str=model.text).predict(values, raw_score=True)


# --- training --------------------------------------------------------------------------------


def test_the_card_model_finds_later_frauds(cards, parts):
    after = parts[1]
    probability = models.probabilities(cards, after)
    assert average_precision_score(after["Class"], probability, sample_weight=after["weight"]) > 0.6
    legit = after["Class"] == 0
    assert models.flagged(cards, after[legit]).mean() < 0.004
    assert models.flagged(cards, after[~legit]).mean() > 0.6


def test_probabilities_are_at_natural_prevalence_and_not_at_the_samples(cards, parts):
    after = parts[1]
    probability = models.probabilities(cards, after)
    expected = np.average(probability, weights=after["weight"])
    natural = np.average(after["Class"], weights=after["weight"])
    assert natural < 0.002 < after["Class"].mean()
    assert natural / 2 < expected < natural * 2
    assert cards.card["prevalence"] < 0.003


def test_lightgbms_defaults_on_rare_fraud_are_refused_and_ours_are_not(parts):
    before = parts[0]
    legit = pd.concat([before[before["Class"] == 0]] * 5, ignore_index=True)
    legit["V14"] += np.random.default_rng(0).normal(0, 0.3, len(legit))
    rare = pd.concat([legit, before[before["Class"] == 1].iloc[:60]], ignore_index=True)
    defaults = {"learning_rate": 0.1, "num_leaves": 31, "lambda_l2": 0.0}
    with pytest.raises(
        errors.DivergedModelError, match=r"raw score is [\d,]+; above 30 .*lambda_l2"
    ):
        models.fit(rare, features=FEATURES, parameters=defaults)
    assert models.fit(rare, features=FEATURES).card["max_raw"] < 15


def test_a_model_held_back_is_refused_with_both_figures(rows):
    with pytest.raises(errors.DivergedModelError, match=r"precision of 0\.\d+; a small model .* 0"):
        models.fit(rows, **SMALL | {"parameters": {"min_data_in_leaf": 790}})


def test_features_that_say_nothing_are_refused():
    rows = pd.DataFrame({"a": 1.0, "Class": np.r_[np.ones(40), np.zeros(360)]})
    with pytest.raises(errors.DivergedModelError, match="do not rise with the label"):
        models.fit(rows, features=("a",), rounds=5)


def test_equal_scores_have_no_slope():
    with pytest.raises(errors.DivergedModelError, match="slope 0"):
        calibration.platt(np.ones(4), np.array([0.0, 1.0, 0.0, 1.0]), np.ones(4))


def test_the_same_rows_and_seed_give_the_same_text_to_the_byte(rows, model):
    again = models.fit(rows.copy(), **SMALL)
    assert again.text.encode() == model.text.encode()
    assert again == model
    assert again.model_id == model.model_id


def test_training_in_two_threads_at_once_gives_the_same_models(rows, model):
    found = {}

    def train(name):
        found[name] = models.fit(rows, **SMALL).model_id

    threads = [threading.Thread(target=train, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: model.model_id, 1: model.model_id}


def test_another_seed_gives_another_calibration(rows, model):
    assert models.fit(rows, **SMALL | {"seed": 1}).slope != model.slope


def test_the_card_says_where_the_model_comes_from(rows, model):
    card = model.card
    assert (card["method"], card["parent"], card["seed"], card["rounds"]) == ("fit", None, 0, 30)
    assert (card["rows"], card["positives"]) == (1_600, 100)
    assert card["prevalence"] == pytest.approx(100 / rows["weight"].sum())
    assert card["parameters"] == models.DEFAULT_PARAMETERS
    assert set(card["versions"]) == {"lightgbm", "numpy", "python", "hitl"}
    assert card["data_fingerprint"] == datasets.fingerprint(rows[[*FEATURES, "Class", "weight"]])
    raw = reference_scores(model, rows[list(FEATURES)])
    assert card["max_raw"] == pytest.approx(np.abs(raw).max())
    assert card["train_ap"] == pytest.approx(
        average_precision_score(rows["Class"], raw, sample_weight=rows["weight"])
    )
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_the_cards_quantiles_are_those_of_legitimate_rows(rows, model):
    legit = rows.loc[rows["Class"] == 0, "V14"]
    usual = model.card["quantiles"]["V14"]
    assert usual["grid"] == pytest.approx(legit.quantile(np.linspace(0, 1, 101)).tolist())
    assert [usual[p] for p in ("p05", "p50", "p95")] == [usual["grid"][p] for p in (5, 50, 95)]


def test_feature_names_that_lightgbm_refuses_are_no_hindrance(rows):
    odd = rows.rename(columns={"V4": 'a "b": [€, x]', "V14": "two words"})
    features = ('a "b": [€, x]', "two words")
    model = models.fit(odd, **SMALL | {"features": features})
    assert model.features == features
    assert models.from_dict(models.to_dict(model), trusted=True) == model


def test_parameters_can_be_changed_by_their_full_names(rows):
    model = models.fit(rows, **SMALL | {"parameters": {"num_leaves": 3}})
    assert models.booster(model).num_trees() == 30
    assert models.leaves(model, rows).max() <= 2
    assert model.card["parameters"] == models.DEFAULT_PARAMETERS | {"num_leaves": 3}


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"budget": 0.0}, errors.InputError, "budget is 0.0"),
        ({"budget": 1.0}, errors.InputError, "budget is 1.0"),
        ({"rounds": 0}, errors.InputError, "rounds is 0"),
        ({"parameters": {"reg_lambda": 1}}, errors.InputError, "'reg_lambda' cannot be set"),
        ({"parameters": {"objective": "l2"}}, errors.InputError, "'objective' cannot be set"),
        ({"features": ("V4", "V99")}, errors.MissingColumnsError, "V99"),
        ({"label": "Fraud"}, errors.MissingColumnsError, "Fraud"),
    ],
)
def test_options_that_cannot_be_used_are_named(rows, options, error, said):
    with pytest.raises(error, match=said):
        models.fit(rows, **SMALL | options)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_sampling_weight_must_be_above_zero(rows, value):
    weight = rows["weight"].where(rows.index != 3, value)
    with pytest.raises(errors.InputError, match="weight"):
        models.fit(rows.assign(weight=weight), **SMALL)


def test_one_row_of_a_class_is_too_few(rows):
    few = rows[(rows["Class"] == 0) | (rows.index == len(rows) - 1)]
    with pytest.raises(errors.TooFewLabelsError, match="has 1 row"):
        models.fit(few, **SMALL)


def test_fewer_folds_are_used_when_a_class_is_small(rows):
    few = rows.iloc[:-97]
    assert few["Class"].sum() == 3
    model = models.fit(few, **SMALL | {"parameters": {"min_data_in_leaf": 1}})
    assert model.card["positives"] == 3


def test_without_a_weight_column_every_row_stands_for_itself(rows):
    bare = rows.drop(columns="weight")
    model = models.fit(bare, **SMALL)
    assert model.card["weight_column"] is None
    assert model.card["prevalence"] == 100 / 1_600
    assert model == models.fit(bare.assign(weight=1.0), **SMALL | {"weight": None})


# --- calibration and threshold ---------------------------------------------------------------


def test_calibration_is_the_weighted_maximum_of_likelihood():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=3_000)
    truth = (rng.random(3_000) < 1 / (1 + np.exp(-(1.5 * raw - 2)))).astype(float)
    weight = np.where(truth == 1, 1.0, 7.0)

    def loss(line):
        odds = line[0] * raw + line[1]
        return np.sum(weight * (np.logaddexp(0, odds) - truth * odds))

    best = minimize(loss, (1.0, 0.0)).x
    assert calibration.platt(raw, truth, weight) == pytest.approx(best, abs=1e-3)


def test_scores_that_fall_with_the_label_are_refused():
    truth = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    with pytest.raises(errors.DivergedModelError, match="do not rise"):
        calibration.platt(-truth + np.linspace(0, 0.1, 6), truth, np.ones(6))


def test_separable_scores_are_calibrated_to_finite_numbers():
    truth = np.r_[np.zeros(50), np.ones(50)]
    slope, intercept = calibration.platt(truth * 4 - 2, truth, np.ones(100))
    assert 0 < slope < 100
    assert abs(intercept) < 1


@pytest.mark.parametrize("seed", range(20))
def test_the_threshold_is_the_smallest_that_keeps_the_budget(seed):
    rng = np.random.default_rng(seed)
    probability = rng.integers(0, 30, 80) / 30
    weight = rng.integers(1, 5, 80).astype(float)
    budget = rng.uniform(0.05, 0.9)

    def share(threshold):
        return weight[probability >= threshold].sum() / weight.sum()

    allowed = [value for value in set(probability.tolist()) if share(value) <= budget]
    found = calibration.threshold_for(probability, weight, budget)
    if allowed:
        assert found.threshold == min(allowed)
    assert found.share == pytest.approx(share(found.threshold))
    assert found.rows == (probability >= found.threshold).sum()
    assert found.share <= budget


def test_with_equal_weights_the_threshold_is_the_kth_largest_probability():
    probability = np.random.default_rng(1).random(10_000)
    found = calibration.threshold_for(probability, np.full(10_000, 14.4), 0.001)
    assert found.threshold == np.sort(probability)[-10]
    assert found.rows == 10


def test_a_budget_below_one_row_flags_none():
    found = calibration.threshold_for(np.array([0.2, 0.7]), np.ones(2), 0.001)
    assert found.rows == 0
    assert 0.7 < found.threshold < 0.7000001


def test_the_card_says_how_many_rows_the_threshold_rests_on(rows, model):
    card = model.card
    assert card["budget"] == 0.01
    assert 10 <= card["threshold_rows"] <= 15
    assert card["expected_false_alarms"] == pytest.approx(card["threshold_rows"] / 1_500)
    assert f"rests on the {card['threshold_rows']} highest" in card["threshold_sentence"]
    tight = models.fit(rows, **SMALL | {"budget": 1e-6}).card
    assert (tight["threshold_rows"], tight["expected_false_alarms"]) == (0, 0.0)
    assert "smaller than one legitimate row" in tight["threshold_sentence"]


def test_slope_and_threshold_come_from_rows_each_model_had_not_seen(rows, model):
    """Rebuild the out-of-fold scores with scikit-learn and LightGBM alone."""
    settings = {"objective": "binary", "deterministic": True, "force_row_wise": True, "seed": 0}
    settings |= {"verbosity": -1, "num_threads": 1} | models.DEFAULT_PARAMETERS
    values, truth = rows[list(FEATURES)].to_numpy(), rows["Class"].to_numpy(dtype=float)
    raw = np.zeros(len(rows))
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    for inside, outside in split.split(values, truth):
        part = lightgbm.Dataset(values[inside], truth[inside])
        raw[outside] = lightgbm.train(settings, part, 30).predict(values[outside], raw_score=True)
    slope, intercept = calibration.platt(raw, truth, rows["weight"].to_numpy())
    assert (model.slope, model.intercept) == pytest.approx((slope, intercept))
    legit = np.sort(models.sigmoid(slope * raw + intercept)[truth == 0])
    assert model.threshold == pytest.approx(legit[-model.card["threshold_rows"]])
    assert (legit >= legit[-16]).sum() > 15, "one row more would break the budget"


# --- continuing and refitting ----------------------------------------------------------------


def test_continuing_repairs_reviewed_rows_and_keeps_fraud_verdicts(rows, model, parts):
    reviewed, frauds = far_rows(), parts[1][parts[1]["Class"] == 1]
    assert models.flagged(model, reviewed).all()
    said = []
    challenger = models.extend(
        model, rows, reviewed, weight="weight", progress=lambda *told: said.append(told)
    )
    card = challenger.card
    assert card["repaired"] is True
    assert not models.flagged(challenger, reviewed).any()
    assert not models.flagged(challenger, far_rows(200, seed=1)).any()
    caught = models.flagged(model, frauds)
    assert caught.sum() >= 30
    assert (caught & ~models.flagged(challenger, frauds)).sum() <= 1
    assert said[-1] == (
        card["added_rounds"],
        100,
        f"{card['added_rounds']} trees added, 0 of 15 reviewed rows still wrong",
    )
    assert [told[0] for told in said] == list(range(10, card["added_rounds"] + 1, 10))


def test_continuing_keeps_the_champions_trees_calibration_and_threshold(rows, model):
    before = models.raw_scores(model, rows)
    challenger = models.extend(model, rows, far_rows(), step=5, max_rounds=5)
    assert [getattr(challenger, name) for name in STORED[1:]] == [
        getattr(model, name) for name in STORED[1:]
    ]
    old_trees = lightgbm.Booster(model_str=challenger.text).predict(
        rows[list(FEATURES)], raw_score=True, num_iteration=30
    )
    assert old_trees == pytest.approx(before, abs=1e-12)
    assert models.raw_scores(model, rows).tolist() == before.tolist()
    assert models.booster(challenger).num_trees() == 35
    card = challenger.card
    assert (card["method"], card["parent"]) == ("continue", model.model_id)
    assert (card["rounds"], card["added_rounds"], card["reviewed_rows"]) == (35, 5, 15)
    assert card["rows"] == len(rows) + 15 * 20
    assert card["threshold_rows"] == model.card["threshold_rows"]


def test_continuing_keeps_what_is_typical_free_of_the_copies(rows, model):
    challenger = models.extend(model, rows, far_rows(), label="Class")
    assert challenger.card["quantiles"] == model.card["quantiles"]


def test_continuing_gives_up_after_the_most_rounds(rows, model):
    contradicted = pd.concat([far_rows(3), far_rows(3).assign(Class=1)])
    challenger = models.extend(model, rows, contradicted, step=10, max_rounds=15)
    assert challenger.card["added_rounds"] == 15
    assert challenger.card["repaired"] is False


def test_rows_that_are_right_already_still_add_one_step(rows, model):
    challenger = models.extend(model, rows, far_rows().assign(Class=1))
    assert challenger.card["added_rounds"] == 10
    assert challenger.card["repaired"] is True
    assert challenger.model_id != model.model_id


def test_continuing_twice_is_repeatable_and_can_go_on(rows, model):
    first = models.extend(model, rows, far_rows(), step=5, max_rounds=5)
    assert models.extend(model, rows, far_rows(), step=5, max_rounds=5) == first
    second = models.extend(first, rows, far_rows(), step=5, max_rounds=5)
    assert (second.card["parent"], second.card["rounds"]) == (first.model_id, 40)
    assert models.from_dict(models.to_dict(second), trusted=True) == second


def test_continuing_without_reviewed_rows_has_nothing_to_learn(rows, model):
    with pytest.raises(errors.NothingToLearnError):
        models.extend(model, rows, far_rows(0))


@pytest.mark.parametrize("name", ["copies", "step", "max_rounds"])
def test_continuing_needs_whole_numbers_above_zero(rows, model, name):
    with pytest.raises(errors.InputError, match=f"{name} is 0"):
        models.extend(model, rows, far_rows(), **{name: 0})


def test_continuing_that_runs_away_is_refused(rows, model):
    wild = dataclasses.replace(
        model, card=model.card | {"parameters": {"learning_rate": 50.0, "lambda_l2": 0.0}}
    )
    with pytest.raises(errors.DivergedModelError, match="largest raw score"):
        models.extend(wild, rows, far_rows(), max_rounds=30)


def test_a_refit_on_the_same_rows_is_the_same_trees(rows, model):
    again = models.refit(model, rows, weight="weight")
    assert again.text == model.text
    assert (again.card["method"], again.card["parent"]) == ("refit", model.model_id)


def test_a_refit_takes_copies_and_weights(rows, model):
    once = models.refit(model, rows, far_rows(), weight="weight")
    copied = models.refit(model, rows, far_rows(), copies=20, weight="weight")
    heavy = models.refit(model, rows, far_rows(), sample_weight=20.0, weight="weight")
    assert len({once.text, copied.text, heavy.text, model.text}) == 4
    assert [m.card["rows"] for m in (once, copied, heavy)] == [1_615, 1_900, 1_615]
    assert (heavy.threshold, heavy.slope) == (model.threshold, model.slope)
    kept = {"copies": 1, "sample_weight": 20.0, "reviewed_rows": 15}
    assert kept.items() <= heavy.card.items()


def test_a_refit_on_a_bootstrap_of_the_rows_differs(rows, model):
    drawn = rows.sample(len(rows), replace=True, random_state=0)
    assert models.refit(model, drawn, weight="weight").text != model.text


@pytest.mark.parametrize("options", [{"copies": 0}, {"sample_weight": 0.0}])
def test_a_refit_needs_a_copy_and_a_weight(rows, model, options):
    with pytest.raises(errors.InputError, match="copies is"):
        models.refit(model, rows, far_rows(), **options)


# --- scoring ---------------------------------------------------------------------------------


def test_columns_are_taken_by_name_in_any_order(model, unseen):
    turned = unseen[list(reversed(unseen.columns))]
    assert models.scores(model, turned).tolist() == models.scores(model, unseen).tolist()


def test_raw_scores_are_lightgbms(model, unseen):
    expected = reference_scores(model, unseen[list(FEATURES)].to_numpy())
    assert models.raw_scores(model, unseen).tolist() == expected.tolist()


def test_scores_probabilities_and_flags_follow_from_raw_scores(model, unseen):
    odds = model.slope * models.raw_scores(model, unseen) + model.intercept
    assert models.scores(model, unseen).tolist() == odds.tolist()
    assert models.probabilities(model, unseen) == pytest.approx(1 / (1 + np.exp(-odds)))
    assert (
        models.flagged(model, unseen).tolist()
        == (models.probabilities(model, unseen) >= model.threshold).tolist()
    )


def test_many_rows_score_as_each_alone(model, unseen):
    many = pd.concat([unseen] * 80, ignore_index=True)
    assert len(many) > 20_000
    assert models.scores(model, many)[:300].tolist() == models.scores(model, unseen).tolist()
    assert models.scores(model, unseen.iloc[[7]])[0] == models.scores(model, unseen)[7]


def test_no_rows_give_no_scores(model, unseen):
    none = unseen.iloc[:0]
    assert models.scores(model, none).shape == (0,)
    assert models.flagged(model, none).dtype == bool
    assert models.leaves(model, none).shape == (0, 30)
    base, parts = models.contributions(model, none)
    assert parts.shape == (0, 2)
    assert base == models.contributions(model, unseen)[0]


def test_contributions_and_base_add_up_to_the_score(cards, unseen):
    base, parts = models.contributions(cards, unseen)
    assert parts.shape == (300, 29)
    assert base + parts.sum(axis=1) == pytest.approx(models.scores(cards, unseen), abs=1e-9)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore:LightGBM binary")
def test_contributions_are_shaps(model, unseen):
    import shap

    explainer = shap.TreeExplainer(
        lightgbm.Booster(model_str=model.text), feature_perturbation="tree_path_dependent"
    )
    expected = model.slope * explainer.shap_values(unseen[list(FEATURES)].to_numpy())
    assert models.contributions(model, unseen)[1] == pytest.approx(expected, abs=1e-9)


def test_leaves_hold_the_values_that_make_the_raw_score(model, unseen):
    trees = lightgbm.Booster(model_str=model.text)
    found = models.leaves(model, unseen.iloc[:20])
    assert found.shape == (20, 30)
    total = [sum(trees.get_leaf_output(t, leaf) for t, leaf in enumerate(row)) for row in found]
    assert models.raw_scores(model, unseen.iloc[:20]) == pytest.approx(total)


def test_missing_columns_are_named(model, unseen):
    with pytest.raises(errors.FeatureMismatchError, match="lack 1 of the model's 2 features: V14"):
        models.scores(model, unseen.drop(columns="V14"))


def test_a_long_list_of_missing_columns_is_cut(cards, unseen):
    with pytest.raises(errors.FeatureMismatchError, match=r"lack 28 .*: V1, V2, V3, V4, V5 …"):
        models.scores(cards, unseen[["Amount"]])


def test_a_bare_array_is_refused(model, unseen):
    with pytest.raises(TypeError, match="DataFrame with named columns, not ndarray"):
        models.scores(model, unseen[list(FEATURES)].to_numpy())


def test_text_and_gaps_in_rows_are_refused(model, unseen):
    with pytest.raises(errors.NotNumericError, match="four"):
        models.scores(model, unseen.assign(V4="four"))
    gap = unseen.reset_index(drop=True)
    gap.loc[5, "V14"] = np.nan
    with pytest.raises(errors.MissingValuesError, match="'V14' has no finite number in row 5"):
        models.scores(model, gap)


def test_the_parsed_model_is_kept_for_its_text(model):
    twin = dataclasses.replace(model, threshold=0.5, text="".join(list(model.text)))
    assert models.booster(twin) is models.booster(model)


def test_the_id_covers_text_calibration_and_threshold(model):
    assert model.model_id.startswith("m-")
    assert len(model.model_id) == 10
    others = [
        dataclasses.replace(model, text=model.text + " "),
        dataclasses.replace(model, slope=model.slope * 1.01),
        dataclasses.replace(model, intercept=0.0),
        dataclasses.replace(model, threshold=0.5),
        dataclasses.replace(model, card={}),
    ]
    assert [other.model_id == model.model_id for other in others] == [False] * 4 + [True]


# --- dictionaries, folders, damage -----------------------------------------------------------


def test_a_model_comes_back_from_plain_values(model, unseen):
    plain = json.loads(json.dumps(models.to_dict(model), allow_nan=False))
    back = models.from_dict(plain, trusted=True)
    assert back == model
    assert models.scores(back, unseen).tolist() == models.scores(model, unseen).tolist()


def test_a_model_comes_back_from_its_folder_after_a_trial_in_another_process(model, tmp_path):
    folder = tmp_path / "exports" / "first"
    models.save(model, folder)
    assert sorted(file.name for file in folder.iterdir()) == ["card.json", "model.txt"]
    assert models.load(folder) == model
    assert models.load(folder, trusted=True) == model


def test_saving_leaves_no_half_written_folder(model, tmp_path):
    folder = tmp_path / "model"
    (tmp_path / f".model.{model.model_id}.partial").mkdir()
    unwritable = dataclasses.replace(model, card=model.card | {"train_ap": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        models.save(unwritable, folder)
    assert not folder.exists()
    folder.mkdir()
    models.save(model, folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_saving_over_something_is_refused(model, tmp_path):
    folder = tmp_path / "model"
    models.save(model, folder)
    with pytest.raises(errors.InputError, match="is there already"):
        models.save(model, folder)
    with pytest.raises(errors.InputError, match="is there already"):
        models.save(model, folder / "card.json")


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.8, 0.95, 0.99])
def test_a_truncated_model_is_refused_before_parsing(model, tmp_path, share):
    models.save(model, tmp_path / "model")
    file = tmp_path / "model" / "model.txt"
    file.write_bytes(model.text.encode()[: int(share * len(model.text))])
    with pytest.raises(errors.TamperedModelError, match=CHANGED) as caught:
        models.load(tmp_path / "model", trusted=True)
    assert f"its card says {model.sha256[:12]}…." in caught.value.message
    assert caught.value.hint == "Copy the folder again, or train the model again."


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.8, 0.95, 0.99])
def test_a_truncated_text_with_a_fitting_checksum_is_refused_too(model, share):
    cut = dataclasses.replace(model, text=model.text[: int(share * len(model.text))])
    with pytest.raises(errors.ModelFormatError):
        models.from_dict(models.to_dict(cut), trusted=True)
    with pytest.raises(errors.ModelFormatError):
        models.booster(cut)


def test_a_truncated_text_ends_the_interpreter_that_parses_it(model):
    """The reason for all this care: LightGBM takes its whole process down."""
    cut = model.text[: len(model.text) // 2]
    script = "import sys; from lightgbm import Booster; Booster(model_str=sys.stdin.read())"
    done = subprocess.run(
        [sys.executable, "-c", script], input=cut, text=True, capture_output=True, check=False
    )
    assert done.returncode != 0
    with pytest.raises(errors.ModelFormatError, match="could not read"):
        folders._child_scores(cut, [[0.0, 0.0]])


def test_one_changed_digit_is_noticed(model):
    stored = models.to_dict(model)
    place = stored["text"].index("leaf_value=") + len("leaf_value=-0.")
    digit = "1" if stored["text"][place] != "1" else "2"
    stored["text"] = stored["text"][:place] + digit + stored["text"][place + 1 :]
    with pytest.raises(errors.TamperedModelError, match=CHANGED):
        models.from_dict(stored, trusted=True)


def test_a_changed_text_with_a_fitting_checksum_fails_the_probe(model):
    point = model.text.index(".", model.text.rindex("leaf_value=")) + 1
    changed = dataclasses.replace(model, text=model.text[:point] + "7" + model.text[point:])
    with pytest.raises(errors.TamperedModelError, match="differ by up to"):
        models.from_dict(models.to_dict(changed), trusted=False)


@pytest.mark.parametrize("name", ["slope", "intercept", "threshold"])
def test_a_changed_calibration_or_threshold_is_noticed(model, name):
    stored = models.to_dict(model)
    stored[name] = abs(stored[name]) * 0.9
    with pytest.raises(errors.TamperedModelError, match=model.model_id):
        models.from_dict(stored, trusted=True)


def test_without_a_checksum_even_a_trusted_model_must_reproduce_its_probe(model):
    stored = models.to_dict(model)
    del stored["sha256"], stored["model_id"]
    wrong = model.card["probe"] | {"raw_scores": [0.0] * 20}
    with pytest.raises(errors.TamperedModelError, match="probe"):
        models.from_dict(stored | {"card": model.card | {"probe": wrong}}, trusted=True)


@pytest.mark.parametrize(
    "probe",
    [
        None,
        {"rows": [], "raw_scores": []},
        {"rows": [[1.0]], "raw_scores": [1.0]},
        {"rows": [["x", 1.0]], "raw_scores": [1.0]},
    ],
)
def test_a_foreign_model_needs_probe_rows(model, probe):
    stored = models.to_dict(model)
    with pytest.raises(errors.ModelFormatError, match="probe"):
        models.from_dict(stored | {"card": {"probe": probe}}, trusted=False)


def test_reading_a_foreign_model_has_a_time_limit(model):
    with pytest.raises(errors.ModelFormatError, match=r"longer than 0\.01 seconds"):
        folders._child_scores(model.text, [[0.0, 0.0]], seconds=0.01)


def test_another_order_of_features_is_refused(model):
    turned = dataclasses.replace(model, features=("V14", "V4"))
    with pytest.raises(errors.FeatureMismatchError, match="feature 1: 'V4' against 'V14'"):
        models.from_dict(models.to_dict(turned), trusted=True)


def test_a_card_with_more_features_than_the_text_is_refused(model):
    longer = dataclasses.replace(model, features=(*FEATURES, "V1"))
    with pytest.raises(errors.FeatureMismatchError, match="feature 3: nothing against 'V1'"):
        models.from_dict(models.to_dict(longer), trusted=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x04\x95\x10\x00\x00\x00", "Python pickle"),
        (b"PK\x03\x04zip", "starts with"),
        (b"", "starts with"),
        (b"tree\nversion=v4\n", "cut off"),
    ],
)
def test_files_that_are_no_lightgbm_text_are_refused(model, tmp_path, content, said):
    with pytest.raises(errors.ModelFormatError, match=said):
        models.check_text(content)
    models.save(model, tmp_path / "model")
    (tmp_path / "model" / "model.txt").write_bytes(content)
    if b"tree" not in content:
        with pytest.raises(errors.ModelFormatError, match=said):
            models.load(tmp_path / "model")


def test_a_pickle_read_as_text_is_refused():
    with pytest.raises(errors.ModelFormatError, match="Python pickle"):
        models.check_text("\x80\x04")


def test_a_text_beyond_all_measure_is_refused(monkeypatch, model):
    monkeypatch.setattr("hitl.models.artefact.MAX_TEXT_BYTES", 1_000)
    with pytest.raises(errors.ModelFormatError, match="1,000 are allowed"):
        models.check_text(model.text)


@pytest.mark.parametrize("name", ["model.txt", "card.json"])
def test_a_missing_file_is_named(model, tmp_path, name):
    models.save(model, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    with pytest.raises(errors.ModelFormatError, match=name):
        models.load(tmp_path / "model")


@pytest.mark.parametrize("content", [b'{"format": ', b"\xff\xfe", b"[1]", b"{}", b'{"card": 1}'])
def test_a_damaged_card_is_refused(model, tmp_path, content):
    models.save(model, tmp_path / "model")
    (tmp_path / "model" / "card.json").write_bytes(content)
    with pytest.raises(errors.ModelFormatError):
        models.load(tmp_path / "model")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other/1"},
        {"features": [1, 2]},
        {"features": 3},
        {"text": 5},
        {"card": []},
        {"slope": -1.0},
        {"slope": "steep"},
        {"intercept": float("nan")},
        {"threshold": -0.1},
    ],
)
def test_wrong_fields_are_refused(model, change):
    with pytest.raises(errors.ModelFormatError):
        models.from_dict(models.to_dict(model) | change, trusted=True)


def replaced_line(text, name, change):
    """Change the first line that starts with a name."""
    lines = text.split("\n")
    number = next(i for i, line in enumerate(lines) if line.startswith(f"{name}="))
    lines[number] = f"{name}={change(lines[number].split('=', 1)[1])}"
    return "\n".join(lines)


def refitted_sizes(text):
    """Make the stated tree sizes true again after an edit."""
    head, _, rest = text.partition("\n\n")
    trees = rest.split("end of trees")[0]
    starts = [i for i in range(len(trees)) if trees.startswith("Tree=", i)] + [len(trees)]
    sizes = " ".join(str(b - a) for a, b in itertools.pairwise(starts))
    return replaced_line(head, "tree_sizes", lambda _: sizes) + "\n\n" + rest


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("left_child", lambda v: " ".join(["0", *v.split()[1:]])),
        ("right_child", lambda v: " ".join(v.split()[:-1])),
        ("split_feature", lambda v: " ".join(["2", *v.split()[1:]])),
        ("split_feature", lambda v: " ".join(["-1", *v.split()[1:]])),
        ("split_feature", lambda v: " ".join(["x", *v.split()[1:]])),
        ("leaf_value", lambda v: " ".join(v.split()[:-1])),
        ("leaf_value", lambda v: " ".join(["nan", *v.split()[1:]])),
        ("threshold", lambda v: " ".join(v.split()[1:])),
        ("num_leaves", lambda _: "400000"),
        ("num_cat", lambda _: "1"),
        ("is_linear", lambda _: "1"),
        ("objective", lambda _: "multiclass num_class:3"),
        ("num_class", lambda _: "3"),
        ("max_feature_idx", lambda _: "7"),
        ("max_feature_idx", lambda _: "many"),
    ],
)
def test_trees_that_point_outside_themselves_are_refused(model, name, change):
    edited = refitted_sizes(replaced_line(model.text, name, change))
    with pytest.raises(errors.ModelFormatError):
        models.check_text(edited)


def test_the_edits_of_the_tests_above_are_harmless_by_themselves(model):
    assert refitted_sizes(replaced_line(model.text, "num_leaves", str)) == model.text


def test_trees_of_another_size_than_stated_are_refused(model):
    with pytest.raises(errors.ModelFormatError, match="longer or shorter"):
        models.check_text(replaced_line(model.text, "tree_sizes", lambda v: v.split(" ", 1)[1]))
    with pytest.raises(errors.ModelFormatError, match="longer or shorter"):
        models.check_text(replaced_line(model.text, "tree_sizes", lambda v: v + " 999999"))


def test_a_text_with_a_tree_of_a_single_leaf_is_whole(rows):
    values, truth = rows[list(FEATURES)].to_numpy(), rows["Class"].to_numpy()
    settings = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 10_000}
    text = lightgbm.train(settings, lightgbm.Dataset(values, truth), 1).model_to_string()
    models.check_text(text)
    models.check_text(text.encode())
