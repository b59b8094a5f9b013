import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from hitl.errors import (
    DuplicateIdsError,
    MissingColumnsError,
    MissingValuesError,
    NotNumericError,
)
from hitl.explain.neighbours import neighbours, neighbours_by_reasons

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


# By contributions


def test_neighbours_by_reasons_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    pool, own = rng.normal(size=(400, 6)), rng.normal(size=6)
    ids = [f"cards-1-{i}" for i in range(400)]
    found = neighbours_by_reasons(own, pool, ids=ids, k=9)
    oracle = NearestNeighbors(n_neighbors=9, algorithm="brute").fit(pool)
    distance, position = oracle.kneighbors(own[None])
    assert found["position"].tolist() == position[0].tolist()
    assert found["id"].tolist() == [ids[i] for i in position[0]]
    assert found["distance"].to_numpy() == pytest.approx(distance[0])


def test_equal_distances_by_reasons_keep_the_pools_order():
    pool = [[1.0], [-1.0], [1.0], [-1.0]]
    found = neighbours_by_reasons([0.0], pool, ids=[9, 4, 7, 1], k=3)
    assert found["id"].tolist() == [9, 4, 7]


def test_a_feature_no_model_uses_keeps_nobody_apart():
    pool = np.array([[0.5, 0.0], [0.1, 0.0]])
    found = neighbours_by_reasons([0.2, 0.0], pool, ids=[1, 2])
    assert found["distance"].tolist() == pytest.approx([0.1, 0.3])


def test_an_empty_pool_has_no_neighbours_by_reasons():
    found = neighbours_by_reasons([1.0, 2.0], np.empty((0, 2)), ids=[])
    assert found.empty
    assert list(found.columns) == ["id", "distance", "position"]


def test_wrong_calls_by_reasons_say_what_was_wrong():
    with pytest.raises(ValueError, match="k is 0"):
        neighbours_by_reasons([1.0], [[1.0]], ids=[1], k=0)
    with pytest.raises(ValueError, match="do not fit"):
        neighbours_by_reasons([1.0, 2.0], [[1.0]], ids=[1])
    with pytest.raises(ValueError, match="do not fit"):
        neighbours_by_reasons([1.0], [[1.0]], ids=[1, 2])
    with pytest.raises(ValueError, match="missing or infinite"):
        neighbours_by_reasons([1.0], [[np.nan]], ids=[1])
    with pytest.raises(DuplicateIdsError, match="one id"):
        neighbours_by_reasons([1.0], [[1.0], [2.0]], ids=[1, 1])


def test_a_gap_counts_as_the_mean_of_the_scale():
    pool = pd.DataFrame({"row": [1, 2, 3], "V4": [1.0, np.nan, 9.0], "V14": [0.0, 6.0, np.nan]})
    row = pd.DataFrame({"V4": [np.nan], "V14": [0.0]})
    found = neighbours(
        row, pool, features=FEATURES, scale=([5.0, 2.0], [2.0, 4.0]), id_column="row",
        missing=FEATURES,
    )  # fmt: skip
    distance = dict(zip(found["id"], found["distance"], strict=True))
    assert distance == pytest.approx({1: 2.0, 2: 1.5, 3: np.hypot(2.0, 0.5)})


def test_without_a_scale_a_gap_counts_as_the_mean_of_row_and_pool():
    pool = pd.DataFrame({"row": [1, 2], "V4": [1.0, np.nan], "V14": [0.0, 0.0]})
    row = pd.DataFrame({"V4": [5.0], "V14": [0.0]})
    found = neighbours(row, pool, features=FEATURES, id_column="row", missing=("V4",))
    assert found[["id", "distance"]].to_numpy().tolist() == [[2, 2.0], [1, 4.0]]
    gone = neighbours(
        row.assign(V4=None), pool.assign(V4=np.nan), features=FEATURES, id_column="row",
        missing=("V4",),
    )  # fmt: skip
    assert gone["distance"].tolist() == [0.0, 0.0]


def test_two_categories_are_one_deviation_apart_and_two_gaps_none():
    pool = pd.DataFrame(
        {"row": [1, 2, 3, 4], "V4": 0.0, "shop": ["web", "store", None, "kiosk"], "till": "a"}
    )
    row = pd.DataFrame({"V4": [0.0], "shop": ["web"], "till": ["b"]})
    how = {"features": ("V4", "shop", "till"), "id_column": "row", "missing": ("shop",)}
    how |= {"categorical": ("shop", "till"), "scale": ([0, np.nan, np.nan], [1, np.nan, np.nan])}
    near = neighbours(row, pool, **how)
    assert near["id"].tolist() == [1, 2, 3, 4]
    assert near["distance"].tolist() == pytest.approx([1.0, *[np.sqrt(2)] * 3])
    gone = neighbours(row.assign(shop=None, till="a"), pool, **how)
    assert gone["id"].tolist() == [3, 1, 2, 4]
    assert gone["distance"].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_naming_categories_and_gaps_changes_nothing_for_rows_without_them():
    pool, row = pool_of(50), pool_of(1, seed=9).drop(columns="row")
    scale = ([0.1, 3.0], [0.9, 48.0])
    plain = neighbours(row, pool, features=FEATURES, scale=scale, id_column="row")
    told = neighbours(row, pool, features=FEATURES, scale=scale, id_column="row", missing=FEATURES)
    pd.testing.assert_frame_equal(plain, told)


def test_gaps_and_text_that_nobody_announced_are_refused():
    pool = pd.DataFrame({"row": [1, 2], "V4": [0.0, 3.0], "shop": ["a", None]})
    features = ("V4", "shop")
    with pytest.raises(NotNumericError, match="'shop' holds 'a'"):
        neighbours(pool.iloc[[0]], pool, features=features, id_column="row")
    with pytest.raises(MissingValuesError, match="'shop' has 1 missing"):
        neighbours(
            pool.iloc[[0]], pool, features=features, id_column="row", categorical=("shop",)
        )  # fmt: skip
