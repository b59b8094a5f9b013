import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from hitl.errors import DuplicateIdsError, MissingColumnsError, MissingValuesError
from hitl.explain.neighbours import neighbours

FEATURES = ("V4", "V14")


def pool_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "row": np.arange(100, 100 + n),
            "V4": rng.normal(0, 1, n),
            "V14": rng.normal(0, 50, n),
            "verdict": np.where(rng.random(n) < 0.3, "fraud", "legitimate"),
        }
    )


@pytest.mark.parametrize("scaled", [True, False])
def test_neighbours_are_those_of_scikit_learn(scaled):
    pool = pool_of(300)
    row = pool_of(1, seed=9).drop(columns="row")
    mean, std = pool[list(FEATURES)].mean(), pool[list(FEATURES)].std(ddof=0)
    found = neighbours(
        row, pool, features=FEATURES, scale=(mean, std) if scaled else None, k=7, id_column="row"
    )
    shift, spread = (mean, std) if scaled else (0.0, 1.0)
    oracle = NearestNeighbors(n_neighbors=7, algorithm="brute").fit(
        ((pool[list(FEATURES)] - shift) / spread).to_numpy()
    )
    distance, position = oracle.kneighbors(((row[list(FEATURES)] - shift) / spread).to_numpy())
    assert found["id"].tolist() == pool["row"].iloc[position[0]].tolist()
    assert found["distance"].to_numpy() == pytest.approx(distance[0])


def test_the_scale_decides_who_is_near():
    pool = pd.DataFrame({"row": [1, 2], "V4": [2.0, 0.0], "V14": [0.0, 30.0]})
    row = pd.DataFrame({"V4": [0.0], "V14": [0.0]})
    raw = neighbours(row, pool, features=FEATURES, id_column="row")
    scaled = neighbours(row, pool, features=FEATURES, scale=([0, 0], [1, 50]), id_column="row")
    assert raw["id"].tolist() == [1, 2]
    assert scaled["id"].tolist() == [2, 1]
    assert scaled["distance"].tolist() == pytest.approx([0.6, 2.0])


def test_a_row_is_not_its_own_neighbour_but_its_twin_is():
    pool = pd.DataFrame({"row": [1, 2, 3], "V4": [5.0, 5.0, 6.0], "V14": [0.0, 0.0, 0.0]})
    found = neighbours(pool.iloc[[0]], pool, features=FEATURES, id_column="row")
    assert found[["id", "distance"]].to_numpy().tolist() == [[2, 0.0], [3, 1.0]]


def test_a_row_without_an_id_leaves_nobody_out():
    pool = pool_of(4)
    row = pool.iloc[[0]].drop(columns="row")
    assert len(neighbours(row, pool, features=FEATURES, id_column="row")) == 4


def test_the_pools_other_columns_come_along_in_order():
    found = neighbours(pool_of(1, 3), pool_of(20), features=FEATURES, k=3, id_column="row")
    assert list(found.columns) == ["id", "distance", "V4", "V14", "verdict"]
    assert found.index.tolist() == [0, 1, 2]
    assert found["distance"].is_monotonic_increasing


def test_equal_distances_keep_the_pools_order():
    pool = pd.DataFrame({"row": [9, 4, 7], "V4": [1.0, -1.0, 1.0], "V14": 0.0})
    row = pd.DataFrame({"V4": [0.0], "V14": [0.0]})
    assert neighbours(row, pool, features=FEATURES, id_column="row")["id"].tolist() == [9, 4, 7]


def test_the_pool_may_carry_any_index_and_text_ids():
    pool = pool_of(3).assign(row=["a", "b", "c"])
    pool.index = [5, 5, 5]
    found = neighbours(pool.iloc[[1]], pool, features=FEATURES, id_column="row")
    assert sorted(found["id"]) == ["a", "c"]


def test_an_empty_pool_has_no_neighbours_but_all_columns():
    pool = pool_of(3)
    found = neighbours(pool.iloc[[0]], pool.iloc[:0], features=FEATURES, id_column="row")
    assert found.empty
    assert list(found.columns) == ["id", "distance", "V4", "V14", "verdict"]


def test_a_constant_feature_does_not_divide_by_zero():
    pool = pd.DataFrame({"row": [1, 2], "V4": [0.0, 3.0], "V14": [1.0, 1.0]})
    row = pd.DataFrame({"V4": [1.0], "V14": [1.0]})
    found = neighbours(row, pool, features=FEATURES, scale=([0, 1], [1, 0]), id_column="row")
    assert found["distance"].tolist() == [1.0, 2.0]


def test_rows_that_cannot_be_measured_are_refused():
    pool = pool_of(5)
    with pytest.raises(MissingColumnsError, match="V14"):
        neighbours(pool.iloc[[0]].drop(columns="V14"), pool, features=FEATURES, id_column="row")
    with pytest.raises(MissingValuesError, match="V4"):
        neighbours(pool.iloc[[0]].assign(V4=np.nan), pool, features=FEATURES, id_column="row")
    with pytest.raises(DuplicateIdsError):
        neighbours(pool.iloc[[0]], pool.assign(row=1), features=FEATURES, id_column="row")


def test_wrong_calls_say_what_was_wrong():
    pool = pool_of(5)
    with pytest.raises(ValueError, match="2 were given"):
        neighbours(pool.iloc[:2], pool, features=FEATURES, id_column="row")
    with pytest.raises(ValueError, match="k is 0"):
        neighbours(pool.iloc[[0]], pool, features=FEATURES, k=0, id_column="row")
    with pytest.raises(ValueError, match="column 'distance' of its own"):
        neighbours(pool.iloc[[0]], pool.assign(distance=1.0), features=FEATURES, id_column="row")
    with pytest.raises(ValueError, match="2 features"):
        neighbours(pool.iloc[[0]], pool, features=FEATURES, scale=([0], [1]), id_column="row")
