"""The story tape has the shape it promises, and a plain model and detector react as it tells."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hitl.datasets import card_source, split_by_time
from hitl.errors import (
    DuplicateIdsError,
    EmptyDataError,
    InputError,
    MissingColumnsError,
    TooFewLabelsError,
)
from hitl.simulator import UNKNOWN_POINTS, story_tape, story_waiting

FEATURES = ["V4", "V14"]
COLUMNS = ["position", "Time", "V4", "V14", "Class", "origin", "known", "row"]
UNKNOWN = [9, 10, 11, 24, 25, 26]
SEEDS = range(20)


@pytest.fixture(scope="module")
def parts() -> list[pd.DataFrame]:
    rows = card_source(Path(__file__).parents[2] / "data").rows
    return split_by_time(rows, time="Time", shares=(1 / 2, 1 / 6, 1 / 3))


@pytest.fixture(scope="module")
def held_out(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return parts[2]


# Shape


def test_the_tape_is_thirty_seconds_long(held_out):
    tape = story_tape(held_out)
    assert tape.columns.tolist() == COLUMNS
    assert tape["position"].tolist() == tape["Time"].tolist() == list(range(30))


def test_the_frauds_are_at_three_and_eighteen(held_out):
    tape = story_tape(held_out)
    assert tape.loc[tape["Class"] == 1, "position"].tolist() == [3, 18]


def test_constructed_rows_are_called_constructed_and_have_no_source_row(held_out):
    tape = story_tape(held_out)
    made = tape[tape["origin"] == "constructed"]
    assert made["position"].tolist() == UNKNOWN
    assert not made["known"].any()
    assert (made["row"] == -1).all()
    assert (made["Class"] == 0).all()


def test_the_unknown_points_begin_at_the_taught_three_and_never_repeat(held_out):
    tape = story_tape(held_out).set_index("position")
    points = [tuple(tape.loc[k, FEATURES]) for k in UNKNOWN]
    assert points[:3] == [(17, -24), (20, -27), (24, -30)]
    assert len(set(points)) == 6
    assert min(v4 for v4, _ in points) == 17
    assert max(v14 for _, v14 in points) == -24


@pytest.mark.parametrize("seed", SEEDS)
def test_known_rows_are_distinct_held_out_rows(held_out, seed):
    tape = story_tape(held_out, seed=seed)
    real = tape[tape["known"]]
    assert (real["origin"] == "real").all()
    assert real["row"].is_unique
    source = held_out.set_index("row").loc[real["row"]]
    np.testing.assert_array_equal(real[[*FEATURES, "Class"]], source[[*FEATURES, "Class"]])


@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_rows_keep_the_stated_rule(held_out, seed):
    tape = story_tape(held_out, seed=seed)
    frauds = tape[tape["Class"] == 1]
    assert (frauds["V4"] > 2).all()
    assert (frauds["V14"] < -5).all()
    legitimate = held_out.loc[held_out["Class"] == 0, FEATURES]
    drawn = tape.loc[tape["known"] & (tape["Class"] == 0), FEATURES]
    z = (drawn - legitimate.mean()) / legitimate.std(ddof=0)
    assert (z.abs() <= 1.5 + 1e-12).all(axis=None)


def test_a_seed_gives_one_tape_and_another_seed_another(held_out):
    first = story_tape(held_out, seed=1)
    pd.testing.assert_frame_equal(first, story_tape(held_out, seed=1))
    other = story_tape(held_out, seed=2)
    assert set(first["row"]) != set(other["row"])
    pd.testing.assert_frame_equal(first[~first["known"]], other[~other["known"]])


def test_the_index_of_the_known_rows_does_not_matter(held_out):
    shifted = held_out.set_axis(range(900_000, 900_000 + len(held_out)))
    pd.testing.assert_frame_equal(story_tape(shifted), story_tape(held_out))


def test_the_tape_has_no_missing_value_and_plain_types(held_out):
    tape = story_tape(held_out)
    assert not tape.isna().any(axis=None)
    kinds = {name: tape[name].dtype.kind for name in COLUMNS if name != "origin"}
    assert "".join(kinds[name] for name in kinds) == "iiffibi"


# What cannot be told


def test_too_few_clear_frauds_are_refused_with_the_number_found(held_out):
    fraud = held_out[held_out["Class"] == 1].nsmallest(1, "V14")
    rows = pd.concat([held_out[held_out["Class"] == 0], fraud])
    with pytest.raises(TooFewLabelsError, match="needs 2 clear frauds, and there are 1"):
        story_tape(rows)


def test_too_few_legitimate_rows_are_refused(held_out):
    rows = pd.concat([held_out[held_out["Class"] == 1], held_out[held_out["Class"] == 0][:10]])
    with pytest.raises(TooFewLabelsError, match="needs 22 clear legitimate"):
        story_tape(rows)


def test_rows_without_the_two_features_are_refused(held_out):
    with pytest.raises(MissingColumnsError, match="V14"):
        story_tape(held_out.drop(columns="V14"))


def test_a_row_number_that_stands_twice_is_refused(held_out):
    with pytest.raises(DuplicateIdsError):
        story_tape(pd.concat([held_out, held_out[:1]]))


def test_no_rows_tell_no_story(held_out):
    with pytest.raises(EmptyDataError):
        story_tape(held_out[:0])


# Waiting rows


@pytest.mark.parametrize("seed", SEEDS)
def test_waiting_rows_lie_in_the_unknown_region(seed):
    waiting = story_waiting(seed=seed)
    assert waiting["V4"].between(17, 27).all()
    assert waiting["V14"].between(-33, -24).all()
    points = set(map(tuple, waiting[FEATURES].to_numpy()))
    assert len(points) == 12
    assert not points & set(UNKNOWN_POINTS.values())


def test_waiting_rows_come_before_the_tape_and_are_constructed():
    waiting = story_waiting(n=5)
    assert waiting.columns.tolist() == COLUMNS
    assert waiting["position"].tolist() == waiting["Time"].tolist() == [-5, -4, -3, -2, -1]
    assert set(waiting["origin"]) == {"constructed"}
    assert not waiting["known"].any()
    assert (waiting[["Class", "row"]] == [0, -1]).all(axis=None)


def test_waiting_rows_join_the_tape_without_a_change_of_types(held_out):
    tape = story_tape(held_out)
    joined = pd.concat([story_waiting(), tape], ignore_index=True)
    assert joined["position"].tolist() == list(range(-12, 30))
    pd.testing.assert_series_equal(joined.dtypes, tape.dtypes)


def test_a_seed_gives_the_same_waiting_rows_and_another_seed_others():
    pd.testing.assert_frame_equal(story_waiting(seed=3), story_waiting(seed=3))
    assert not story_waiting(seed=3).equals(story_waiting(seed=4))


def test_no_waiting_row_is_refused():
    with pytest.raises(InputError, match="n is 0"):
        story_waiting(n=0)


# The story, told by a plain booster and a plain neighbour distance


def booster(rows, rounds=200, start=None):
    import lightgbm as lgb

    parameters = {
        "objective": "binary",
        "learning_rate": 0.05,
        "num_leaves": 15,
        "lambda_l2": 10,
        "deterministic": True,
        "force_row_wise": True,
        "seed": 0,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lgb.Dataset(rows[FEATURES].to_numpy(), rows["Class"])
    return lgb.train(parameters, data, rounds, init_model=start)


@pytest.fixture(scope="module")
def champion(parts):
    """A booster of the first half and the raw score that flags 0.2 % of other legitimate rows."""
    from sklearn.model_selection import StratifiedKFold

    train = parts[0]
    scores = np.zeros(len(train))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for fit, held in folds.split(train, train["Class"]):
        rows = train.iloc[held][FEATURES].to_numpy()
        scores[held] = booster(train.iloc[fit]).predict(rows, raw_score=True)
    return booster(train), np.quantile(scores[train["Class"] == 0], 0.998)


@pytest.fixture(scope="module")
def novelty(parts):
    """The scaled distance to each class's 5th neighbour, and its limit at 0.1 % false alarms."""
    from sklearn.neighbors import NearestNeighbors

    train = parts[0]
    mean, std = train[FEATURES].mean().to_numpy(), train[FEATURES].std().to_numpy()
    aside = (train["Class"] == 0) & (np.random.default_rng(0).random(len(train)) < 0.25)
    searches = []
    for label, quantile in ((0, 0.99), (1, 0.95)):
        known = train.loc[(train["Class"] == label) & ~aside, FEATURES].to_numpy()
        search = NearestNeighbors(n_neighbors=6).fit((known - mean) / std)
        own = search.kneighbors((known - mean) / std)[0][:, 5]
        searches.append((search, np.quantile(own, quantile)))

    def distance(rows):
        z = (rows[FEATURES].to_numpy() - mean) / std
        return np.min([s.kneighbors(z)[0][:, 4] / scale for s, scale in searches], axis=0)

    return distance, np.quantile(distance(train[aside]), 0.999)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_model_flags_the_frauds_and_the_unknown_and_nothing_else(held_out, champion, seed):
    model, threshold = champion
    tape = story_tape(held_out, seed=seed)
    flagged = model.predict(tape[FEATURES].to_numpy(), raw_score=True) >= threshold
    assert np.flatnonzero(flagged).tolist() == sorted([3, 18, *UNKNOWN])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_distance_finds_the_unknown_and_nothing_else(held_out, novelty, seed):
    distance, limit = novelty
    tape = story_tape(held_out, seed=seed)
    assert np.flatnonzero(distance(tape) > limit).tolist() == UNKNOWN


@pytest.mark.parametrize("seed", SEEDS)
def test_waiting_rows_are_flagged_and_novel_too(champion, novelty, seed):
    (model, threshold), (distance, limit) = champion, novelty
    waiting = story_waiting(seed=seed)
    assert (model.predict(waiting[FEATURES].to_numpy(), raw_score=True) >= threshold).all()
    assert (distance(waiting) > limit).all()


def test_every_row_the_rule_admits_is_told_rightly(held_out, champion, novelty):
    from hitl.simulator.story import _clear_fraud, _clear_legitimate

    (model, threshold), (distance, limit) = champion, novelty
    for pool, is_fraud in ((_clear_fraud(held_out), True), (_clear_legitimate(held_out), False)):
        scores = model.predict(pool[FEATURES].to_numpy(), raw_score=True)
        assert ((scores >= threshold) == is_fraud).all()
        assert not (distance(pool) > limit).any()


def test_reviewed_rows_teach_the_model_the_second_pass(parts, held_out, champion):
    model, threshold = champion
    tape = story_tape(held_out)
    first = tape[tape["position"].isin([9, 10, 11])]
    reviewed = pd.concat([story_waiting(), first])
    taught = pd.concat([parts[0], *[reviewed] * 20], ignore_index=True)
    challenger = booster(taught, rounds=100, start=model)
    flagged = challenger.predict(tape[FEATURES].to_numpy(), raw_score=True) >= threshold
    assert np.flatnonzero(flagged).tolist() == [3, 18]
