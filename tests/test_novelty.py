import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from hitl import datasets, errors, novelty
from hitl.workspaces import CARD_FEATURES

SAMPLE = Path(__file__).parent.parent / "data" / datasets.SAMPLE_FILE
TWO = ("V4", "V14")
FRAUD_MEANS = ("V4", "V10", "V11", "V12", "V14", "V17")
SEGMENT = (*FRAUD_MEANS, "V24", "V26")
FAR = pd.DataFrame({"V4": [17.0, 20.0, 24.0, 30.0], "V14": [-24.0, -27.0, -30.0, -30.0]})


@pytest.fixture(scope="module")
def parts():
    """The sample's first two thirds and its last third, by time."""
    return datasets.split_by_time(datasets.read_table(SAMPLE), time="Time", shares=(2 / 3, 1 / 3))


@pytest.fixture(scope="module")
def knn(parts):
    return novelty.fit(parts[0], features=TWO, id_column="row")


@pytest.fixture(scope="module")
def gmm(parts):
    return novelty.fit(parts[0], features=CARD_FEATURES, id_column="row")


@pytest.fixture(params=["knn", "gmm"])
def detector(request):
    return request.getfixturevalue(request.param)


def blob(n=200, positives=20, columns=3, seed=0):
    """Legitimate rows around 0 and positives around 6."""
    rng = np.random.default_rng(seed)
    values = np.r_[rng.normal(0, 1, (n, columns)), rng.normal(6, 1, (positives, columns))]
    rows = pd.DataFrame(values, columns=[f"x{i}" for i in range(columns)])
    return rows.assign(Class=np.r_[np.zeros(n, int), np.ones(positives, int)])


def names(columns=3):
    return tuple(f"x{i}" for i in range(columns))


def new_segment(parts):
    """Real legitimate rows, moved to fraud-like means and +4 deviations on two other features."""
    before, after = parts
    frauds = before[before["Class"] == 1]
    moved = after[after["Class"] == 0].iloc[:200].copy()
    rng = np.random.default_rng(0)
    for name in FRAUD_MEANS:
        moved[name] = frauds[name].mean() + 0.3 * frauds[name].std() * rng.normal(size=200)
    for name in ("V24", "V26"):
        moved[name] += 4 * before.loc[before["Class"] == 0, name].std()
    return moved


# --- what is novel ---------------------------------------------------------------------------


def test_the_number_of_features_chooses_the_detector(parts, knn, gmm):
    assert (knn.kind, gmm.kind) == ("knn", "gmm")
    assert novelty.fit(parts[0], features=SEGMENT).kind == "knn"
    assert novelty.fit(blob(columns=9), features=names(9)).kind == "gmm"


def test_far_points_are_novel(knn):
    assert novelty.novel(knn, FAR).all()
    assert novelty.distances(knn, FAR).min() > 1.5 * knn.limit


def test_a_point_among_known_frauds_is_not_novel(knn):
    assert not novelty.novel(knn, pd.DataFrame({"V4": [10.0], "V14": [-10.0]})).any()


def test_held_out_frauds_are_mostly_not_novel(detector, parts):
    frauds = parts[1][parts[1]["Class"] == 1]
    assert len(frauds) > 40
    assert novelty.novel(detector, frauds).mean() <= 0.06


def test_later_legitimate_rows_stay_near_the_stated_rate(detector, parts):
    legit = parts[1][parts[1]["Class"] == 0]
    assert novelty.novel(detector, legit).mean() <= 0.005


def test_a_segment_new_on_other_features_is_novel_in_29_dimensions(gmm, parts):
    assert novelty.novel(gmm, new_segment(parts)).mean() > 0.95


def test_the_limit_keeps_the_rate_on_held_out_rows(detector, parts):
    legit = int((parts[0]["Class"] == 0).sum())
    told = detector.body["held_out"]
    assert told["rows"] >= legit / 4
    assert told["novel_share"] <= detector.rate == 0.001
    assert told["rows_above"] == round(told["novel_share"] * told["rows"])


def test_a_larger_rate_gives_a_lower_limit(parts, knn):
    loose = novelty.fit(parts[0], features=TWO, id_column="row", rate=0.05)
    assert loose.limit < knn.limit
    assert 0.04 < loose.body["held_out"]["novel_share"] <= 0.05
    later = parts[1][parts[1]["Class"] == 0]
    assert 0.02 < novelty.novel(loose, later).mean() < 0.09


def test_the_same_rows_and_seed_give_the_same_detector(parts, gmm, knn):
    assert novelty.fit(parts[0], features=CARD_FEATURES, id_column="row") == gmm
    assert novelty.fit(parts[0], features=TWO, id_column="row", seed=1).limit != knn.limit


# --- independent references ------------------------------------------------------------------


def test_neighbour_distances_are_scikit_learns():
    rows = blob()
    detector = novelty.fit(rows, features=names(), seed=3)
    mean, std = (np.array(detector.body[name]) for name in ("mean", "std"))
    scaled = (rows[list(names())].to_numpy() - mean) / std
    known = np.array(detector.body["reference"]["ids"])
    truth = rows["Class"].to_numpy()
    expected = []
    for label, quantile in ((0, 0.99), (1, 0.95)):
        own = scaled[known[truth[known] == label]]
        search = NearestNeighbors(n_neighbors=5).fit(own)
        scale = np.quantile(search.kneighbors()[0][:, 4], quantile)
        expected.append(search.kneighbors(scaled)[0][:, 4] / scale)
    assert novelty.distances(detector, rows) == pytest.approx(np.min(expected, axis=0))


def test_features_are_standardised_by_known_legitimate_rows():
    rows = blob()
    detector = novelty.fit(rows, features=names())
    known = [i for i in detector.body["reference"]["ids"] if i < 200]
    assert len(known) == 150
    assert detector.body["mean"] == pytest.approx(rows.loc[known, list(names())].mean().tolist())
    stretched = rows.assign(x1=rows["x1"] * 1_000 + 5)
    again = novelty.fit(stretched, features=names())
    assert novelty.distances(again, stretched) == pytest.approx(novelty.distances(detector, rows))


def test_mixture_distances_fall_with_scikit_learns_log_density(gmm, parts):
    before, after = parts
    body = gmm.body["classes"][0]
    mixture = GaussianMixture(len(body["weights"]))
    mixture.weights_, mixture.means_ = np.array(body["weights"]), np.array(body["means"])
    mixture.precisions_cholesky_ = np.array(body["roots"])
    mean, std = np.array(gmm.body["mean"]), np.array(gmm.body["std"])
    scaled = (after[list(CARD_FEATURES)].to_numpy()[:200] - mean) / std
    density = mixture.score_samples(scaled)
    highest = mixture.score_samples(mixture.means_).max()
    expected = np.sqrt(np.maximum(0, 2 * (highest - density))) / body["scale"]
    found = novelty.distances(gmm, after.iloc[:200])
    assert (found <= expected + 1e-9).all()
    nearest_legit = found > expected - 1e-9
    assert nearest_legit.mean() > 0.9
    assert len(before)


def test_with_one_component_the_mixture_distance_is_mahalanobis():
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(np.linalg.inv(np.array([[2.0, 0.5], [0.5, 1.0]])))
    known = {"weights": [1.0], "means": np.array([[1.0, -1.0]]), "roots": [root]}
    known["peak"] = float(novelty._log_density(known, known["means"])[0])
    points = rng.normal(size=(50, 2))
    away = points - known["means"][0]
    inverse = np.linalg.inv(np.array([[2.0, 0.5], [0.5, 1.0]]))
    expected = np.sqrt(np.einsum("ij,jk,ik->i", away, inverse, away))
    assert novelty._mixture_distance(known, points) == pytest.approx(expected)


def test_distances_are_never_negative_and_grow_outwards():
    detector = novelty.fit(blob(columns=9), features=names(9))
    steps = np.array([0.0, 1.0, 5.0, 20.0, 100.0])
    line = pd.DataFrame(dict.fromkeys(names(9), -steps))
    found = novelty.distances(detector, line)
    assert (found >= 0).all()
    assert (np.diff(found) > 0).all()


# --- nearest known rows ----------------------------------------------------------------------


def test_nearest_rows_are_those_of_brute_force(detector, parts):
    rows = parts[1].iloc[:10]
    found = novelty.nearest(detector, rows, k=3)
    assert found["row_number"].tolist() == np.repeat(np.arange(10), 3).tolist()
    before = parts[0].set_index("row")
    known = before.loc[detector.body["reference"]["ids"]]
    mean, std = np.array(detector.body["mean"]), np.array(detector.body["std"])
    columns = list(detector.features)
    a, b = (rows[columns].to_numpy() - mean) / std, (known[columns].to_numpy() - mean) / std
    far = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert found["distance"].to_numpy() == pytest.approx(np.sort(far, axis=1)[:, :3].ravel())
    assert (before.loc[found["neighbour_id"], "Class"] == found["neighbour_class"].to_numpy()).all()


def test_a_known_row_is_not_its_own_neighbour(knn, parts):
    known = parts[0][parts[0]["row"].isin(knn.body["reference"]["ids"])].iloc[:50]
    found = novelty.nearest(knn, known, k=2)
    assert len(found) == 100
    own = known["row"].to_numpy()[found["row_number"]]
    assert (found["neighbour_id"].to_numpy() != own).all()
    with_self = novelty.nearest(knn, known.drop(columns="row"))
    assert with_self["distance"].max() < 1e-9


def test_reference_rows_are_at_most_four_thousand_legitimate_and_all_positives(knn, parts):
    classes = np.array(knn.body["reference"]["classes"])
    assert (classes == 0).sum() == 4_000
    assert (classes == 1).sum() == parts[0]["Class"].sum()


def test_the_reference_can_be_taken_out_as_rows(detector, parts):
    taken = novelty.reference_rows(detector)
    known = parts[0].set_index("row").loc[detector.body["reference"]["ids"]]
    expected = known[list(detector.features)]
    assert list(taken) == list(expected)
    assert taken.to_numpy().tolist() == expected.to_numpy().tolist()


def test_without_ids_reference_rows_are_numbered_by_position():
    rows = blob(n=30, positives=0)
    detector = novelty.fit(rows, features=names())
    found = novelty.nearest(detector, rows.iloc[:3], k=1)
    known = set(detector.body["reference"]["ids"])
    assert set(found["neighbour_id"]) <= known <= set(range(30))


def test_more_neighbours_than_known_rows_give_all_of_them():
    rows = blob(n=24, positives=0)
    detector = novelty.fit(rows, features=names())
    assert len(novelty.nearest(detector, rows.iloc[:2], k=500)) == 2 * 18


def test_no_rows_have_no_distances_and_no_neighbours(detector, parts):
    none = parts[1].iloc[:0]
    assert novelty.distances(detector, none).shape == (0,)
    assert novelty.novel(detector, none).dtype == bool
    found = novelty.nearest(detector, none)
    assert list(found) == ["row_number", "neighbour_id", "neighbour_class", "distance"]
    assert found.empty


def test_no_neighbours_cannot_be_asked_for(knn):
    with pytest.raises(errors.InputError, match="k is 0"):
        novelty.nearest(knn, FAR, k=0)


# --- rows that cannot be used, and edge cases ------------------------------------------------


def test_missing_columns_and_gaps_are_named(detector, parts):
    rows = parts[1].iloc[:5]
    with pytest.raises(errors.MissingColumnsError, match="V14"):
        novelty.distances(detector, rows.drop(columns="V14"))
    with pytest.raises(errors.MissingValuesError, match="V14"):
        novelty.distances(detector, rows.assign(V14=np.nan))


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_the_rate_is_a_share(rate):
    with pytest.raises(errors.InputError, match="novelty rate"):
        novelty.fit(blob(), features=names(), rate=rate)


def test_too_few_legitimate_rows_are_refused():
    with pytest.raises(errors.TooFewLabelsError, match="19 legitimate rows"):
        novelty.fit(blob(n=19), features=names())


def test_labels_other_than_0_and_1_are_refused():
    with pytest.raises(errors.TooFewLabelsError, match="other than 0 and 1"):
        novelty.fit(blob().assign(Class=2), features=names())


@pytest.mark.parametrize("columns", [3, 9])
@pytest.mark.parametrize("positives", [0, 1, 5, 6])
def test_a_class_too_small_to_measure_is_left_out(columns, positives):
    rows = blob(positives=positives, columns=columns)
    detector = novelty.fit(rows, features=names(columns))
    measured = [known["class"] for known in detector.body["classes"]]
    assert measured == ([0, 1] if positives > 5 else [0])
    assert np.isfinite(novelty.distances(detector, rows)).all()


@pytest.mark.parametrize("columns", [3, 9])
def test_a_constant_feature_and_repeated_rows_do_no_harm(columns):
    rows = pd.concat([blob(n=30, positives=3, columns=columns)] * 4, ignore_index=True)
    rows["x0"] = 7.0
    detector = novelty.fit(rows, features=names(columns))
    assert np.isfinite(novelty.distances(detector, rows)).all()


def test_identical_rows_make_everything_else_novel():
    rows = blob(n=40, positives=0).assign(x0=1.0, x1=2.0, x2=3.0)
    detector = novelty.fit(rows, features=names())
    assert not novelty.novel(detector, rows).any()
    assert novelty.novel(detector, rows.assign(x1=2.1)).all()


# --- states ----------------------------------------------------------------------------------


def test_the_four_states_have_four_names():
    found = novelty.states([False, True, False, True], [False, False, True, True])
    assert found.tolist() == ["normal", "known anomaly", "novel", "novel and flagged"]
    assert novelty.states(np.zeros(0, bool), np.zeros(0, bool)).shape == (0,)


def test_states_need_one_answer_of_each_kind_per_row():
    with pytest.raises(ValueError, match="shape"):
        novelty.states([True], [True, False])


# --- dictionaries and files ------------------------------------------------------------------


def test_a_detector_comes_back_from_its_file(detector, parts, tmp_path):
    novelty.save(detector, tmp_path / "new")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["novelty.json"]
    back = novelty.load(tmp_path / "new")
    assert back == detector
    rows = parts[1].iloc[:50]
    expected = novelty.distances(detector, rows).tolist()
    assert novelty.distances(back, rows).tolist() == expected
    novelty.save(detector, tmp_path / "new")


def test_a_detector_with_text_ids_comes_back():
    rows = blob().assign(name=lambda r: [f"case-{i}" for i in range(len(r))])
    detector = novelty.fit(rows, features=names(), id_column="name")
    back = novelty.from_dict(json.loads(json.dumps(novelty.to_dict(detector))))
    assert back == detector
    assert novelty.nearest(back, rows.iloc[[0]])["neighbour_id"].iloc[0].startswith("case-")


@pytest.mark.parametrize("change", [{"limit": 9.0}, {"rate": 0.5}, {"features": ["V14", "V4"]}])
def test_a_changed_detector_is_noticed(knn, change):
    with pytest.raises(errors.TamperedModelError):
        novelty.from_dict(novelty.to_dict(knn) | change)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other/1"},
        {"kind": "forest"},
        {"limit": "far"},
        {"features": 3},
        {"body": {}},
        {"body": []},
        {"limit": float("inf")},
        {"kind": "gmm"},
    ],
)
def test_a_detector_that_cannot_be_used_is_refused(knn, change):
    plain = novelty.to_dict(knn) | change
    del plain["sha256"]
    with pytest.raises(errors.ModelFormatError):
        novelty.from_dict(plain | {"sha256": novelty._sha256(plain)})


@pytest.mark.parametrize("field", ["mean", "std", "classes", "reference", "id_column"])
def test_a_detector_without_a_part_is_refused(knn, field):
    plain = novelty.to_dict(knn)
    plain["body"] = {k: v for k, v in plain["body"].items() if k != field}
    del plain["sha256"]
    with pytest.raises(errors.ModelFormatError):
        novelty.from_dict(plain | {"sha256": novelty._sha256(plain)})


@pytest.mark.parametrize("stored", [{}, None, {"kind": "knn"}])
def test_something_else_is_no_detector(stored):
    with pytest.raises(errors.ModelFormatError):
        novelty.from_dict(stored)


def test_a_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(errors.ModelFormatError, match=r"novelty\.json"):
        novelty.load(tmp_path)
    (tmp_path / "novelty.json").write_text('{"kind":')
    with pytest.raises(errors.ModelFormatError, match=r"novelty\.json"):
        novelty.load(tmp_path)


# --- gaps and categories ---------------------------------------------------------------------


def wild(columns=3, seed=0):
    """Blobs with gaps in one number, and a category."""
    rows = blob(columns=columns, seed=seed)
    rng = np.random.default_rng(seed)
    rows.loc[rng.random(len(rows)) < 0.2, "x1"] = np.nan
    rows["shop"] = rng.choice(["web", "store"], len(rows))
    rows.loc[3, "shop"] = None
    return rows


def fit_wild(rows, columns=3):
    return novelty.fit(rows, features=(*names(columns), "shop"), categorical=("shop",))


@pytest.mark.parametrize("columns", [3, 9])
def test_a_gap_is_measured_as_the_legitimate_median(columns):
    rows = wild(columns)
    detector = fit_wild(rows, columns)
    median = rows.loc[rows["Class"] == 0, "x1"].median()
    assert detector.body["fill"] == {"x1": median}
    filled = rows.fillna({"x1": median})
    expected = novelty.distances(detector, filled)
    assert novelty.distances(detector, rows).tolist() == expected.tolist()
    plain = novelty.fit(filled, features=names(columns))
    assert novelty.distances(plain, filled).tolist() == expected.tolist()
    assert novelty.novel(detector, rows.iloc[[0]].assign(x0=99.0, x1=None)).all()


def test_a_gap_where_there_was_none_is_refused():
    rows = wild()
    with pytest.raises(errors.MissingValuesError, match="'x0'"):
        novelty.distances(fit_wild(rows), rows.assign(x0=np.nan))


def test_a_number_that_only_positives_have_is_filled_with_theirs():
    rows = wild()
    rows["x1"] = rows["x1"].where(rows["Class"] == 1)
    detector = fit_wild(rows)
    assert detector.body["fill"] == {"x1": rows["x1"].median()}
    assert np.isfinite(novelty.distances(detector, rows)).all()
    with pytest.raises(errors.MissingValuesError, match="'x1' has no value in any row"):
        fit_wild(rows.assign(x1=np.nan))


def test_a_category_has_no_distance_known_or_not():
    rows = wild()
    detector = fit_wild(rows)
    assert detector.measured == names()
    found = novelty.distances(detector, rows).tolist()
    for shop in ("kiosk", None):
        assert novelty.distances(detector, rows.assign(shop=shop)).tolist() == found
        assert (novelty.nearest(detector, rows.assign(shop=shop))["distance"] < 9).all()


def test_reference_rows_have_their_gaps_and_categories():
    rows = wild()
    detector = fit_wild(rows)
    taken = novelty.reference_rows(detector)
    known = rows.iloc[detector.body["reference"]["ids"]].reset_index(drop=True)
    assert list(taken) == [*names(), "shop"]
    pd.testing.assert_frame_equal(taken[list(names())], known[list(names())])
    assert taken["shop"].isna().tolist() == known["shop"].isna().tolist()
    assert taken["shop"].dropna().tolist() == known["shop"].dropna().tolist()


def test_a_detector_with_gaps_and_categories_comes_back_from_its_file(tmp_path):
    rows = wild()
    detector = fit_wild(rows)
    novelty.save(detector, tmp_path)
    back = novelty.load(tmp_path)
    assert back == detector
    assert novelty.distances(back, rows).tolist() == novelty.distances(detector, rows).tolist()


def test_numbers_without_gaps_are_stored_as_ever(knn):
    assert set(knn.body) == {
        *("mean", "std", "classes", "reference", "id_column", "seed", "held_out")
    }
    assert set(knn.body["reference"]) == {"rows", "ids", "classes"}


def test_one_number_is_enough_and_none_is_not():
    rows = wild()
    lone = novelty.fit(rows, features=("x0",))
    assert novelty.novel(lone, rows.assign(x0=99.0)).all()
    with pytest.raises(errors.InputError, match="None of the features is a number"):
        novelty.fit(rows, features=("shop",), categorical=("shop",))
