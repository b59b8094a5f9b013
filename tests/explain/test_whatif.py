import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from hitl import models
from hitl.errors import FeatureMismatchError, NotNumericError
from hitl.explain import Scorer, coded, decoded, donors, scorer, what_if

FEATURES = tuple(f"V{i}" for i in range(1, 6))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.normal(size=(500, 5)), columns=list(FEATURES))
    chance = 1 / (1 + np.exp(-3 * table["V1"]))
    return table.assign(Class=(rng.random(500) < chance).astype(int))


@pytest.fixture(scope="module")
def model(rows):
    return models.fit(rows, features=FEATURES, budget=0.05, rounds=30)


@pytest.fixture(scope="module")
def face(model):
    return scorer(model)


@pytest.fixture(scope="module")
def limits(face, rows):
    return donors(face, face.encode(rows)).limits


MIXED = Scorer(
    "mixed",
    ("size", "colour"),
    encode=lambda rows: rows.to_numpy(dtype=np.float64),
    odds=lambda values: np.nan_to_num(values[:, 0], nan=-3) + (values[:, 1] == 1),
    threshold=0.5,
    categories={"colour": ("red", "blue")},
)


def test_a_changed_case_is_scored_and_split_like_a_row_that_has_the_values(
    face, model, rows, limits
):
    case = face.encode(rows.iloc[[3]])[0]
    found = what_if(face, case, {"V1": 1.5, "V4": -0.25}, limits)
    row = rows.iloc[[3]].assign(V1=1.5, V4=-0.25)
    base, parts = models.contributions(model, row)
    assert found.score == models.scores(model, row)[0]
    assert found.probability == models.probabilities(model, row)[0]
    assert found.flagged == models.flagged(model, row)[0]
    assert found.base_value == base
    assert found.contributions == dict(zip(FEATURES, parts[0], strict=True))
    assert base + sum(found.contributions.values()) == pytest.approx(found.score, abs=1e-9)


def test_no_change_gives_the_case_itself_and_leaves_it_alone(face, model, rows, limits):
    case = face.encode(rows.iloc[[3]])[0]
    before = case.copy()
    what_if(face, case, {"V1": 9.0}, limits)
    np.testing.assert_array_equal(case, before)
    assert what_if(face, case, {}, limits).score == models.scores(model, rows.iloc[[3]])[0]


def test_values_outside_the_training_range_are_named(face, rows, limits):
    case = face.encode(rows.iloc[[3]])[0]
    high, low = float(rows["V2"].max()), float(rows["V5"].min())
    assert limits["V2"] == (rows["V2"].min(), high)
    assert what_if(face, case, {"V2": high, "V5": low}, limits).out_of_range == []
    found = what_if(face, case, {"V2": high + 0.1, "V5": low - 0.1}, limits)
    assert found.out_of_range == ["V2", "V5"]


def test_a_category_is_given_by_name_and_an_unseen_one_is_out_of_range():
    case = np.array([-0.5, 0.0])
    assert what_if(MIXED, case, {"colour": "blue"}, {}).score == 0.5
    unseen = what_if(MIXED, case, {"colour": "mauve"}, {})
    assert (unseen.score, unseen.out_of_range) == (-0.5, ["colour"])
    missing = what_if(MIXED, case, {"size": None}, {"size": (0.0, 1.0)})
    assert (missing.score, missing.out_of_range) == (-3.0, [])


def test_a_model_without_an_exact_split_has_none():
    found = what_if(MIXED, np.array([1.0, 1.0]), {}, {})
    assert (found.base_value, found.contributions) == (None, None)
    assert json.loads(json.dumps(asdict(found)))["flagged"] is True


def test_single_values_are_coded_and_decoded():
    for feature, value in (("size", 2.5), ("size", None), ("colour", "blue"), ("colour", None)):
        assert decoded(MIXED, feature, coded(MIXED, feature, value)) == value
    assert coded(MIXED, "colour", "mauve") == -1
    assert decoded(MIXED, "colour", -1.0) == "never seen"
    assert decoded(MIXED, "colour", -1.0, {"colour": "puce"}) == "puce"
    assert decoded(MIXED, "colour", -1.0, {"shape": "puce"}) == "never seen"


def test_what_does_not_fit_the_model_is_refused(face, rows, limits):
    case = face.encode(rows.iloc[[3]])[0]
    with pytest.raises(FeatureMismatchError, match="'V9'"):
        what_if(face, case, {"V9": 1.0}, limits)
    with pytest.raises(FeatureMismatchError, match="5 features"):
        what_if(face, case[:2], {}, limits)
    with pytest.raises(NotNumericError, match="'much'"):
        what_if(face, case, {"V1": "much"}, limits)
