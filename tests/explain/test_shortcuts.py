import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from hitl import models, workflow
from hitl.errors import InputError, MissingColumnsError, TooFewLabelsError
from hitl.explain import (
    Scorer,
    column_auc,
    leak_demonstration,
    plant_leak,
    scorer,
    shortcuts,
)
from hitl.workspaces import CARDS, STORY

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module", params=[CARDS, STORY], ids=lambda space: space.name)
def bundled(request):
    return request.param, workflow.materials(request.param, DATA)


@pytest.fixture(scope="module")
def rows():
    """Clean rows in which five features matter alike, one of them with gaps."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.normal(size=(1500, 6)), columns=list("abcdef"))
    chance = 1 / (1 + np.exp(3 - table[list("abcde")].sum(axis=1)))
    table["f"] = table["f"].where(rng.random(1500) > 0.2)
    return table.assign(Class=(rng.random(1500) < chance).astype(int))


def face(odds=lambda v: v[:, :5].sum(axis=1), features=tuple("abcdef")):
    return Scorer("by hand", features, lambda r: r[list(features)].to_numpy(float), odds, 0.5)


# Clean rows and planted ones


def test_the_bundled_rows_give_no_warning(bundled):
    space, material = bundled
    model = models.fit(
        material.training, features=space.features, weight=space.weight_column, rounds=60
    )
    assert shortcuts(scorer(model), material.training, label="Class", test=material.test) == []


def test_a_planted_leak_in_them_is_ranked_first_and_named(bundled):
    space, material = bundled
    found = leak_demonstration(
        material.training, features=space.features, label="Class", weight="weight", seed=3
    )
    assert found[0].feature == "settlement_code"
    assert found[0].kind == "leak"
    assert found[0].figure > 0.999
    assert found[0].sentence.startswith("settlement_code alone tells the classes apart")
    assert {one.feature for one in found} == {"settlement_code"}


def test_clean_rows_give_no_warning_with_missing_values(rows):
    assert shortcuts(face(), rows, label="Class", test=rows.iloc[::2]) == []


def test_a_leak_under_another_name_is_named_so(rows):
    planted = plant_leak(rows, label="Class", seed=1, name="batch")
    found = shortcuts(face(), planted, label="Class", columns=("a", "batch", "f"))
    assert [(one.feature, one.kind) for one in found] == [("batch", "leak")]
    turned = planted.assign(batch=-planted["batch"])
    assert shortcuts(face(), turned, label="Class", columns=("batch",))[0].kind == "leak"


def test_a_text_column_and_a_missing_value_can_leak(rows):
    text = np.where(rows["Class"] == 1, "refunded", "settled")
    gaps = np.where(rows["Class"] == 1, np.nan, rows["a"])
    planted = rows.assign(status=text, closed=gaps)
    found = shortcuts(face(), planted, label="Class", columns=("status", "closed", "b"))
    assert {one.feature for one in found} == {"status", "closed"}


def test_the_planted_column_all_but_copies_the_label_and_repeats_itself(rows):
    planted = plant_leak(rows, label="Class", seed=4)
    assert "settlement_code" not in rows.columns
    pd.testing.assert_frame_equal(planted, plant_leak(rows, label="Class", seed=4))
    high = planted["settlement_code"] >= 800
    assert high[rows["Class"] == 1].all()
    assert high[rows["Class"] == 0].mean() < 0.005
    assert roc_auc_score(rows["Class"], planted["settlement_code"]) > 0.999
    assert not planted["settlement_code"].equals(
        plant_leak(rows, label="Class", seed=5)["settlement_code"]
    )


# Dominance


def test_a_model_that_looks_at_one_feature_is_warned_about(rows):
    found = shortcuts(face(lambda v: 5 * v[:, 1] + 0.5 * v[:, 0]), rows, label="Class")
    assert [(one.feature, one.kind) for one in found] == [("b", "dominance")]
    assert found[0].figure == pytest.approx(0.91, abs=0.02)
    assert "9" in found[0].sentence


def test_few_features_dominate_by_nature(rows):
    alone = face(lambda v: v[:, 0], ("a",))
    assert shortcuts(alone, rows, label="Class") == []
    pair = face(lambda v: 9 * v[:, 0] + v[:, 1], ("a", "b"))
    assert shortcuts(pair, rows, label="Class") == []


# Time


def test_a_column_that_tells_training_from_test_is_named(rows):
    later = rows.assign(a=rows["a"] + 5)
    found = shortcuts(face(), rows, label="Class", test=later)
    assert [(one.feature, one.kind) for one in found] == [("a", "tells when it was recorded")]
    assert "tells when it was recorded" in found[0].sentence


def test_a_slow_drift_is_no_warning(rows):
    later = rows.assign(a=rows["a"] + 0.5, b=rows["b"] * 1.2)
    assert shortcuts(face(), rows, label="Class", test=later) == []


def test_a_signal_that_training_alone_has_is_named(rows):
    rng = np.random.default_rng(9)
    strong = rows.assign(a=rows["Class"] * 2 + rng.normal(size=len(rows)))
    later = rows.assign(a=rng.normal(size=len(rows)) + 0.5)
    found = shortcuts(face(), strong, label="Class", test=later)
    assert [(one.feature, one.kind) for one in found] == [("a", "signal in training only")]


def test_more_serious_kinds_come_first(rows):
    leaking = rows.assign(f=rows["Class"] + np.linspace(0, 0.1, len(rows)))
    later = leaking.assign(a=leaking["a"] + 9)
    found = shortcuts(face(lambda v: 9 * v[:, 2]), leaking, label="Class", test=later)
    assert [one.kind for one in found] == ["leak", "dominance", "tells when it was recorded"]
    assert [one.feature for one in found] == ["f", "c", "a"]


# The area of one column


def test_the_area_is_scikit_learns_in_the_better_direction(rows):
    for name in "abcde":
        theirs = roc_auc_score(rows["Class"], rows[name].round(1))
        assert column_auc(rows[name].round(1), rows["Class"]) == pytest.approx(
            max(theirs, 1 - theirs)
        )
        assert column_auc(-rows[name].round(1), rows["Class"]) == pytest.approx(
            max(theirs, 1 - theirs)
        )


def test_missing_values_stand_at_the_end_that_is_better(rows):
    ends = [roc_auc_score(rows["Class"], rows["f"].fillna(end)) for end in (-99, 99)]
    assert column_auc(rows["f"], rows["Class"]) == pytest.approx(
        max(max(end, 1 - end) for end in ends)
    )


def test_a_text_of_its_own_in_every_row_says_nothing(rows):
    names = pd.Series([f"row {number}" for number in range(len(rows))])
    assert column_auc(names, rows["Class"]) < 0.6


def test_few_positives_are_not_enough_for_a_leak(rows):
    few = pd.concat([rows[rows["Class"] == 0], rows[rows["Class"] == 1].iloc[:5]])
    planted = few.assign(f=few["Class"] * 1.0)
    assert shortcuts(face(), planted, label="Class", test=planted) == []


def test_wrong_calls_are_refused(rows):
    with pytest.raises(MissingColumnsError, match="age"):
        shortcuts(face(), rows, label="Class", columns=("age",))
    with pytest.raises(MissingColumnsError, match=r"f\."):
        shortcuts(face(), rows, label="Class", test=rows.drop(columns="f"))
    with pytest.raises(TooFewLabelsError, match="one class"):
        shortcuts(face(), rows.assign(Class=0), label="Class")
    with pytest.raises(TooFewLabelsError, match="one class"):
        column_auc(rows["a"], np.ones(len(rows)))
    with pytest.raises(InputError, match="'a'"):
        plant_leak(rows, label="Class", seed=0, name="a")


def test_a_warning_is_plain_enough_for_json(rows):
    planted = plant_leak(rows, label="Class", seed=1, name="batch")
    found = shortcuts(face(), planted, label="Class", columns=("batch",))[0]
    assert json.loads(json.dumps(asdict(found))) == asdict(found)
