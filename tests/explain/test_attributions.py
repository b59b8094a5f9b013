import itertools
import json
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import percentileofscore

from hitl import models
from hitl.errors import EmptyDataError, FeatureMismatchError, MissingValuesError
from hitl.explain import (
    RESIDUAL_LIMIT,
    Scorer,
    attribution,
    attribution_of,
    black_box,
    contribution_shares,
    contribution_table,
    permutation_attribution,
    scorer,
)

FEATURES = ("V4", "V14", "Amount", "V1")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.normal(size=(1_500, 4)), columns=list(FEATURES))
    table["Amount"] = np.maximum(0, table["Amount"]).round(2)
    chance = 1 / (1 + np.exp(4 + 2 * table["V14"] - table["V4"] * (table["Amount"] > 0)))
    return table.assign(Class=(rng.random(1_500) < chance).astype(int))


@pytest.fixture(scope="module")
def model(rows):
    return models.fit(rows, features=FEATURES, budget=0.05, rounds=40)


@pytest.mark.filterwarnings(
    # shap sets up its colours on import in a way that matplotlib will give up.
    "ignore:The set_(bad|over|under) function will be deprecated:PendingDeprecationWarning"
)
@pytest.mark.filterwarnings(
    # shap says that it returns one array instead of a list for LightGBM's two classes.
    "ignore:LightGBM binary classifier with TreeExplainer shap values output has changed"
)
def test_contributions_are_shaps_times_the_calibration_slope(model, rows):
    import shap

    explainer = shap.TreeExplainer(models.booster(model))
    theirs = np.asarray(explainer.shap_values(rows[list(FEATURES)].iloc[:20]))
    for i in range(20):
        ours = attribution(model, rows.iloc[[i]])
        assert list(ours.contributions) == list(FEATURES)
        assert list(ours.contributions.values()) == pytest.approx(
            model.slope * theirs[i], abs=1e-12
        )
        base = float(np.ravel(explainer.expected_value)[-1])
        assert ours.base_value == pytest.approx(model.slope * base + model.intercept, abs=1e-12)


def test_the_parts_add_up_to_the_score_of_a_separate_prediction(model, rows):
    found = attribution(model, rows.iloc[[3]])
    assert found.base_value + sum(found.contributions.values()) == pytest.approx(found.score)
    assert found.score == models.scores(model, rows.iloc[[3]])[0]
    assert found.probability == pytest.approx(1 / (1 + np.exp(-found.score)))
    assert found.residual <= 1e-12


def test_columns_are_taken_by_name(model, rows):
    shuffled = rows[["Class", "V1", "Amount", "V14", "V4"]].iloc[[7]]
    assert attribution(model, shuffled) == attribution(model, rows.iloc[[7]])
    left, right = contribution_table(model, shuffled), contribution_table(model, rows.iloc[[7]])
    pd.testing.assert_frame_equal(left, right)


def test_the_table_sums_to_score_minus_base_value_whatever_its_length(model, rows):
    whole = attribution(model, rows.iloc[[3]])
    for k, lines in ((1, 2), (2, 3), (4, 4), (9, 4)):
        table = contribution_table(model, rows.iloc[[3]], k)
        assert len(table) == lines
        assert table["contribution"].sum() == pytest.approx(whole.score - whole.base_value)


def test_the_heaviest_features_come_first_and_the_rest_is_one_line(model, rows):
    table = contribution_table(model, rows.iloc[[3]], 2)
    parts = attribution(model, rows.iloc[[3]]).contributions
    heaviest = sorted(parts, key=lambda name: -abs(parts[name]))
    assert table["feature"].tolist() == [*heaviest[:2], "other features"]
    assert table["contribution"].tolist()[2] == pytest.approx(
        sum(parts[name] for name in heaviest[2:])
    )
    assert table.iloc[2][["value", "typical_low", "typical_high", "percentile"]].isna().all()
    assert table["value"].tolist()[:2] == rows.iloc[3][heaviest[:2]].tolist()


def test_the_typical_range_holds_nine_in_ten_legitimate_rows(model, rows):
    legit = rows[rows["Class"] == 0]
    for line in contribution_table(model, rows.iloc[[0]]).itertuples():
        inside = legit[line.feature].between(line.typical_low, line.typical_high)
        assert inside.mean() == pytest.approx(0.9, abs=0.06 if line.feature == "Amount" else 0.01)


def test_percentiles_are_scipys_rounded_towards_the_middle(model, rows):
    legit = rows[rows["Class"] == 0]
    for i in range(25):
        for line in contribution_table(model, rows.iloc[[i]]).itertuples():
            exact = percentileofscore(legit[line.feature], line.value)
            assert line.percentile == pytest.approx(exact, abs=1.2)
            if line.feature != "Amount":
                assert abs(line.percentile - 50) <= abs(exact - 50) + 0.05


@pytest.mark.parametrize(("value", "percentile"), [(-99.0, 0.0), (99.0, 100.0)])
def test_a_value_beyond_all_training_rows_is_at_the_end_of_the_scale(
    model, rows, value, percentile
):
    table = contribution_table(model, rows.iloc[[0]].assign(V14=value))
    assert table.set_index("feature").loc["V14", "percentile"] == percentile


def test_a_value_that_many_rows_share_stands_in_the_middle_of_them(model, rows):
    legit = rows[rows["Class"] == 0]
    table = contribution_table(model, rows.iloc[[0]].assign(Amount=0.0))
    share = (legit["Amount"] == 0).mean()
    found = table.set_index("feature").loc["Amount", "percentile"]
    assert found == pytest.approx(50 * share, abs=1)


def test_a_card_without_quantiles_leaves_the_usual_range_open(model, rows):
    bare = replace(model, card={})
    table = contribution_table(bare, rows.iloc[[0]])
    assert table[["typical_low", "typical_high", "percentile"]].isna().all(axis=None)
    assert table["contribution"].tolist() == (
        contribution_table(model, rows.iloc[[0]])["contribution"].tolist()
    )


def test_a_card_that_went_through_json_says_the_same(model, rows):
    stored = replace(model, card=json.loads(json.dumps(model.card)))
    left, right = (contribution_table(m, rows.iloc[[1]]) for m in (model, stored))
    pd.testing.assert_frame_equal(left, right)


def test_shares_are_mean_absolute_contributions_that_sum_to_one(model, rows):
    shares = contribution_shares(model, rows.iloc[:50])
    parts = pd.DataFrame(
        [attribution(model, rows.iloc[[i]]).contributions for i in range(50)]
    ).abs()
    assert shares.sum() == pytest.approx(1)
    assert shares.is_monotonic_decreasing
    assert shares.index[0] == "V14"
    assert shares.to_dict() == pytest.approx((parts.mean() / parts.mean().sum()).to_dict())


def test_a_model_that_never_moves_leans_on_nothing(model, rows):
    still = replace(model, slope=0.0)
    assert contribution_shares(still, rows.iloc[:5]).tolist() == [0.0] * 4


def test_rows_that_cannot_be_explained_are_refused(model, rows):
    with pytest.raises(FeatureMismatchError, match="V14"):
        attribution(model, rows.iloc[[0]].drop(columns="V14"))
    with pytest.raises(MissingValuesError, match="V4"):
        contribution_table(model, rows.iloc[[0]].assign(V4=np.nan))
    with pytest.raises(EmptyDataError, match="no rows"):
        contribution_shares(model, rows.iloc[:0])


def test_wrong_calls_say_what_was_wrong(model, rows):
    with pytest.raises(ValueError, match="2 were given"):
        attribution(model, rows.iloc[:2])
    with pytest.raises(ValueError, match="0 were given"):
        contribution_table(model, rows.iloc[:0])
    with pytest.raises(ValueError, match="k is 0"):
        contribution_table(model, rows.iloc[[0]], 0)


# --- categories and missing values


@pytest.fixture(scope="module")
def wild():
    """A category, a number with gaps that mean something, a constant."""
    rng = np.random.default_rng(2)
    shop = rng.choice(["web", "store", "phone"], 1_500, p=[0.5, 0.4, 0.1])
    rows = pd.DataFrame({"shop": shop, "age": rng.normal(40, 9, 1_500), "one": 1.0})
    gone = rng.random(1_500) < 0.2
    rows.loc[gone, "age"] = np.nan
    rows.loc[rng.random(1_500) < 0.05, "shop"] = None
    chance = 1 / (1 + np.exp(3 - 2 * (shop == "phone") - 2 * gone))
    return rows.assign(Class=(rng.random(1_500) < chance).astype(int))


@pytest.fixture(scope="module")
def wild_model(wild):
    return models.fit(
        wild, features=("shop", "age", "one"), categorical=("shop",), budget=0.05, rounds=40
    )


def test_wild_rows_are_split_and_add_up(wild_model, wild):
    odd = wild.iloc[[0]].assign(shop="kiosk")
    for row in [wild.iloc[[i]] for i in range(30)] + [odd]:
        found = attribution(wild_model, row)
        total = found.base_value + sum(found.contributions.values())
        assert total == pytest.approx(found.score, abs=RESIDUAL_LIMIT)
        assert found.residual <= RESIDUAL_LIMIT
        assert found.score == models.scores(wild_model, row)[0]
        assert found.contributions["one"] == 0.0


def test_a_category_and_a_gap_have_a_share_and_no_percentile(wild_model, wild):
    legit = wild[wild["Class"] == 0]
    row = wild.iloc[[0]].assign(shop="phone", age=None)
    table = contribution_table(wild_model, row).set_index("feature")
    assert table["value"].to_dict() == {"shop": "phone", "age": "missing", "one": 1.0}
    assert table.loc["shop", "share"] == pytest.approx((legit["shop"] == "phone").mean())
    assert table.loc["age", "share"] == pytest.approx(legit["age"].isna().mean())
    assert table.loc[["shop", "age"], "percentile"].isna().all()
    assert table.loc["age", ["typical_low", "typical_high"]].notna().all()
    assert np.isnan(table.loc["one", "share"])
    assert table.loc["one", "percentile"] == 50
    gone = contribution_table(wild_model, row.assign(shop=None)).set_index("feature")
    assert gone.loc["shop", "value"] == "missing"
    assert gone.loc["shop", "share"] == pytest.approx(legit["shop"].isna().mean())
    odd = contribution_table(wild_model, row.assign(shop="kiosk")).set_index("feature")
    assert odd.loc["shop", ["value", "share"]].tolist() == ["kiosk", 0.0]


def test_percentiles_are_of_the_rows_that_have_a_value(wild_model, wild):
    legit = wild.loc[wild["Class"] == 0, "age"].dropna()
    row = wild.iloc[[0]].assign(age=47.0)
    found = contribution_table(wild_model, row).set_index("feature").loc["age", "percentile"]
    assert found == pytest.approx(percentileofscore(legit, 47.0), abs=1.2)


def test_a_card_without_quantiles_leaves_categories_open_too(wild_model, wild):
    bare = replace(wild_model, card={"missing": ["shop", "age"]})
    table = contribution_table(bare, wild.iloc[[0]].assign(age=None))
    wanted = ["typical_low", "typical_high", "percentile", "share"]
    assert table[wanted].isna().all(axis=None)


def test_numbers_alone_keep_a_column_of_numbers(model, rows):
    table = contribution_table(model, rows.iloc[[0]])
    assert table["value"].dtype == np.float64
    assert table["share"].isna().all()


# --- any function


def face_of(odds, n):
    """Give a function of numbers the common face."""
    names = tuple(f"x{i}" for i in range(n))
    return Scorer("f", names, lambda rows: rows[list(names)].to_numpy(), odds, 0.5)


def shapley(odds, row, background):
    """Average over all orders, one at a time: the definition."""
    n = len(row)

    def value(inside):
        mixed = background.copy()
        mixed[:, list(inside)] = row[list(inside)]
        return odds(mixed).mean()

    parts = np.zeros(n)
    orders = list(itertools.permutations(range(n)))
    for order in orders:
        for place, feature in enumerate(order):
            parts[feature] += value(order[: place + 1]) - value(order[:place])
    return value(()), parts / len(orders)


def bent(values):
    return values[:, 0] * values[:, 1] * values[:, 2] + np.sin(values[:, 1]) - values[:, 2] ** 2


def paired(values):
    """Interactions of two at a time."""
    return values[:, 0] * values[:, 1] + np.exp(values[:, 2]) * values[:, 0] - values[:, 2]


@pytest.mark.parametrize("seed", range(3))
def test_all_sets_of_features_give_shapleys_values(seed):
    rng = np.random.default_rng(seed)
    row, background = rng.normal(size=(1, 3)), rng.normal(size=(20, 3))
    found = permutation_attribution(face_of(bent, 3), row, background, seed=0)
    base, parts = shapley(bent, row[0], background)
    assert found.base_value == pytest.approx(base, abs=1e-12)
    assert list(found.contributions.values()) == pytest.approx(parts, abs=1e-12)
    assert found.residual <= 1e-12


def test_one_order_and_its_reverse_are_exact_for_interactions_of_two():
    rng = np.random.default_rng(0)
    row, background = rng.normal(size=(1, 3)), rng.normal(size=(20, 3))
    found = permutation_attribution(face_of(paired, 3), row, background, seed=5, rounds=1)
    assert list(found.contributions.values()) == pytest.approx(
        shapley(paired, row[0], background)[1], abs=1e-12
    )


def test_more_orders_come_nearer_to_shapleys_values():
    rng = np.random.default_rng(3)
    row, background = rng.normal(size=(1, 9)), rng.normal(size=(30, 9))

    def odds(values):
        return values[:, :3].prod(axis=1) + values[:, 3:6].prod(axis=1) + values[:, 6]

    face = face_of(odds, 9)
    exact = permutation_attribution(face, row, background, seed=0, rounds=100)
    wanted = np.array(list(exact.contributions.values()))

    def miss(rounds):
        found = [
            list(permutation_attribution(face, row, background, seed=s, rounds=rounds)
                 .contributions.values()) for s in range(8)
        ]  # fmt: skip
        return np.abs(np.array(found) - wanted).mean()

    assert 2**9 <= 2 * 100 * 9, "the reference takes all sets"
    assert miss(16) < miss(2) / 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_all_sets_are_the_shap_packages_exact_explainer():
    import shap

    rng = np.random.default_rng(1)
    row, background = rng.normal(size=(1, 3)), rng.normal(size=(50, 3))
    masker = shap.maskers.Independent(background, max_samples=50)
    theirs = shap.ExactExplainer(bent, masker)(row)
    found = permutation_attribution(face_of(bent, 3), row, background, seed=0)
    assert list(found.contributions.values()) == pytest.approx(theirs.values[0], abs=1e-9)
    assert found.base_value == pytest.approx(float(theirs.base_values[0]), abs=1e-9)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore:LightGBM binary classifier with TreeExplainer shap values output has changed",
)
def test_a_tree_model_taken_as_any_function_has_shaps_interventional_values(model, rows):
    import shap

    known = rows[list(FEATURES)].iloc[:100]
    face = black_box(lambda r: models.probabilities(model, r), known, name="trees")
    values = face.encode(known)
    explainer = shap.TreeExplainer(models.booster(model), values, model_output="raw")
    theirs = model.slope * np.asarray(explainer.shap_values(values[:5]))
    for i in range(5):
        found = permutation_attribution(face, values[[i]], values, seed=0)
        assert list(found.contributions.values()) == pytest.approx(theirs[i], abs=1e-6)
        assert found.score == pytest.approx(models.scores(model, known.iloc[[i]])[0], abs=1e-9)


def pipeline(rows):
    """What people have: one-hot categories, filled gaps, a straight line in log-odds."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    steps = ColumnTransformer(
        [
            ("shop", OneHotEncoder(handle_unknown="ignore"), ["shop"]),
            ("age", SimpleImputer(strategy="median"), ["age", "one"]),
        ]
    )
    return make_pipeline(steps, LogisticRegression(max_iter=1_000)).fit(
        rows[["shop", "age", "one"]], rows["Class"]
    )


@pytest.mark.parametrize("change", [{}, {"age": np.nan}, {"shop": np.nan}, {"shop": "kiosk"}])
def test_a_scikit_learn_pipeline_is_split_as_its_line_says(wild, change):
    fitted = pipeline(wild)
    known = wild[["shop", "age", "one"]].iloc[:150]
    face = black_box(fitted.predict_proba, known, name="pipeline")
    row = wild.iloc[[0]].assign(**change).astype({"shop": wild["shop"].dtype})
    found = attribution_of(face, face.encode(row), face.encode(known), seed=0)

    encoder, line = fitted[0], fitted[-1]
    mean = line.coef_[0] * (
        np.asarray(encoder.transform(row)) - np.asarray(encoder.transform(known)).mean(axis=0)
    )
    n_shops = len(encoder.transformers_[0][1].categories_[0])
    expected = {"shop": mean[0, :n_shops].sum(), "age": mean[0, n_shops], "one": 0.0}
    assert found.contributions == pytest.approx(expected, abs=1e-9)
    assert found.probability == pytest.approx(fitted.predict_proba(row[list(known)])[0, 1])
    assert found.base_value == pytest.approx(face.odds(face.encode(known)).mean())
    assert found.residual <= RESIDUAL_LIMIT


def test_where_the_split_is_known_it_is_taken(wild_model, wild):
    face = scorer(wild_model)
    for i in range(5):
        found = attribution_of(face, face.encode(wild.iloc[[i]]), np.zeros((0, 3)), seed=0)
        assert found == attribution(wild_model, wild.iloc[[i]])


def test_many_features_add_up_and_a_feature_that_does_nothing_has_nothing():
    rng = np.random.default_rng(4)
    face = face_of(lambda v: np.tanh(v[:, :10].sum(axis=1)) * v[:, 11], 12)
    row, background = rng.normal(size=(1, 12)), rng.normal(size=(500, 12))
    found = permutation_attribution(face, row, background, seed=1, rounds=4)
    assert found.contributions["x10"] == 0.0
    assert found.residual <= 1e-12
    assert found.score == face.odds(row)[0]


def test_a_seed_gives_one_answer_also_in_another_process():
    code = (
        "import sys, json, numpy as np; from dataclasses import asdict;"
        "from hitl.explain import Scorer, permutation_attribution;"
        "rng = np.random.default_rng(4);"
        "f = Scorer('f', tuple(f'x{i}' for i in range(12)), None,"
        " lambda v: np.sin(v).cumprod(axis=1).sum(axis=1), 0.5);"
        "r, b = rng.normal(size=(1, 12)), rng.normal(size=(500, 12));"
        "print(json.dumps([asdict(permutation_attribution(f, r, b, seed=s, rounds=3))"
        " for s in (1, 2)]))"
    )
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert told[0].stdout == told[1].stdout
    one, two = json.loads(told[0].stdout)
    assert one["contributions"] != two["contributions"]
    face = face_of(lambda v: np.sin(v).cumprod(axis=1).sum(axis=1), 12)
    rng = np.random.default_rng(4)
    row, background = rng.normal(size=(1, 12)), rng.normal(size=(500, 12))
    assert asdict(permutation_attribution(face, row, background, seed=1, rounds=3)) == one


def test_one_feature_takes_it_all():
    face = face_of(lambda v: 3 * v[:, 0], 1)
    found = permutation_attribution(face, np.array([[2.0]]), np.array([[0.0], [1.0]]), seed=0)
    assert found.contributions == {"x0": 4.5}
    assert found.base_value == 1.5


def test_rows_that_cannot_be_split_by_permutations_are_refused():
    face, one, known = face_of(bent, 3), np.zeros((1, 3)), np.zeros((4, 3))
    for values in (np.zeros((2, 3)), np.zeros((1, 2)), np.zeros(3)):
        with pytest.raises(ValueError, match="one encoded row of 3 features"):
            attribution_of(face, values, known, seed=0)
    with pytest.raises(EmptyDataError, match="background"):
        permutation_attribution(face, one, known[:0], seed=0)
    with pytest.raises(ValueError, match=r"background has shape \(4, 2\)"):
        permutation_attribution(face, one, known[:, :2], seed=0)
    with pytest.raises(ValueError, match="rounds is 0"):
        permutation_attribution(face, one, known, seed=0, rounds=0)
