import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import percentileofscore

from hitl import models
from hitl.errors import EmptyDataError, FeatureMismatchError, MissingValuesError
from hitl.explain import (
    attribution,
    contribution_shares,
    contribution_table,
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
