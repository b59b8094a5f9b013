"""What a workspace works with: rows parted by time, none of them in two parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hitl import datasets, evaluation, fairness, models, workflow
from hitl.errors import InputError, MissingColumnsError, MissingValuesError
from hitl.workflow import Materials, Stored
from hitl.workflow.materials import SHARES
from hitl.workspaces import CARDS, PAYMENTS, STORY, Workspace

DATA = Path(__file__).parents[2] / "data"


def sample() -> pd.DataFrame:
    return pd.read_csv(DATA / datasets.SAMPLE_FILE)


def written(folder: Path, rows: pd.DataFrame, name: str = datasets.SAMPLE_FILE) -> Path:
    rows.to_csv(folder / name, index=False, compression=None)
    return folder


def test_training_comes_before_the_test_and_the_test_before_the_stream(cards: Materials) -> None:
    assert cards.training["Time"].max() < cards.test["Time"].min()
    assert cards.test["Time"].max() < cards.stream["Time"].min()


def test_every_row_of_the_sample_is_in_exactly_one_part(cards: Materials) -> None:
    parts = [cards.training, cards.test, cards.stream]
    numbers = np.concatenate([part["row"].to_numpy() for part in parts])
    assert sorted(numbers) == sorted(sample()["row"])
    shares = np.array([len(part) for part in parts]) / len(numbers)
    assert shares == pytest.approx(SHARES, abs=0.001)


def test_the_card_stream_is_real_and_none_of_it_waits(cards: Materials) -> None:
    assert set(cards.stream["origin"]) == {"real"}
    assert cards.waiting.empty
    assert (cards.source, cards.is_full) == (datasets.SAMPLE_FILE, False)


def test_known_positives_are_the_frauds_of_training_and_test_and_none_of_the_stream(
    cards: Materials, story: Materials
) -> None:
    whole = sample().sort_values("Time", kind="stable")
    before = whole[whole["Time"] < cards.stream["Time"].min()]
    wanted = sorted(before.loc[before["Class"] == 1, "row"])
    for rows in (cards, story):
        assert sorted(rows.known_positives["row"]) == wanted
        assert set(rows.known_positives["Class"]) == {1}


def test_the_storys_tape_is_drawn_from_rows_after_training_and_test(story: Materials) -> None:
    real = story.stream[story.stream["origin"] == "real"]
    known = {*story.training["row"], *story.test["row"]}
    assert len(real) == 24
    assert not known & set(real["row"])
    assert set(real["row"]) <= set(sample()["row"])


def test_the_storys_waiting_rows_are_constructed_and_stand_for_themselves(
    story: Materials,
) -> None:
    assert set(story.waiting["origin"]) == {"constructed"}
    assert set(story.waiting["row"]) == {-1}
    assert set(story.waiting["weight"]) == set(story.stream["weight"]) == {1.0}


def test_another_seed_draws_another_tape_from_the_same_parts(story: Materials) -> None:
    other = workflow.materials(STORY, DATA, seed=1)
    assert list(other.stream["row"]) != list(story.stream["row"])
    pd.testing.assert_frame_equal(other.training, story.training)
    again = workflow.materials(STORY, DATA, seed=1)
    pd.testing.assert_frame_equal(again.stream, other.stream)


def test_the_full_file_is_used_when_somebody_put_it_there(tmp_path: Path) -> None:
    full = sample().sort_values("row").drop(columns=["row", "weight"])
    written(tmp_path, full, "creditcard.csv")
    rows = workflow.materials(CARDS, tmp_path)
    assert (rows.source, rows.is_full) == ("creditcard.csv", True)
    assert set(rows.training["weight"]) == {1.0}
    assert sum(map(len, (rows.training, rows.test, rows.stream))) == len(full)


def test_the_story_is_told_on_the_sample_even_beside_the_full_file(tmp_path: Path) -> None:
    written(tmp_path, sample())
    (tmp_path / "creditcard.csv").write_text("not,read\n1,2\n")
    rows = workflow.materials(STORY, tmp_path)
    assert (rows.source, rows.is_full) == (datasets.SAMPLE_FILE, False)


@pytest.mark.parametrize("space", [CARDS, STORY])
def test_an_empty_folder_is_refused_with_the_files_name(tmp_path: Path, space: Workspace) -> None:
    with pytest.raises(InputError, match=str(tmp_path)) as refused:
        workflow.materials(space, tmp_path)
    assert refused.value.hint


@pytest.mark.parametrize("column", ["V14", "Time", "weight", "Class", "row"])
@pytest.mark.parametrize("space", [CARDS, STORY])
def test_a_sample_that_lacks_a_column_is_refused_by_its_name(
    tmp_path: Path, space: Workspace, column: str
) -> None:
    written(tmp_path, sample().head(300).drop(columns=column))
    with pytest.raises(MissingColumnsError, match=column):
        workflow.materials(space, tmp_path)


def test_a_gap_in_the_weights_is_refused_before_it_is_trained_on(tmp_path: Path) -> None:
    rows = sample().head(300)
    rows.loc[7, "weight"] = np.nan
    written(tmp_path, rows)
    with pytest.raises(MissingValuesError, match=r"'weight' .* row 7, counted from 0"):
        workflow.materials(STORY, tmp_path)


def test_a_workspace_with_other_features_parts_the_same_rows(cards: Materials) -> None:
    other = workflow.materials(replace(CARDS, features=("V1",)), DATA)
    pd.testing.assert_frame_equal(other.stream, cards.stream)


# Simulated payments


def shares_by_part(rows: Materials) -> dict[str, pd.DataFrame]:
    return {"training": rows.training, "test": rows.test, "stream": rows.stream}


def test_payments_are_parted_by_time_and_all_of_them_are_used(payments: Materials) -> None:
    training, test, stream = shares_by_part(payments).values()
    assert training["time_s"].max() < test["time_s"].min()
    assert test["time_s"].max() < stream["time_s"].min()
    sizes = np.array([len(training), len(test), len(stream)])
    assert sizes / sizes.sum() == pytest.approx(SHARES, abs=0.001)
    assert payments.waiting.empty
    assert set(stream["origin"]) == {"simulated"}


def test_every_scenario_is_in_every_part_and_fraud_is_rare(payments: Materials) -> None:
    for part in shares_by_part(payments).values():
        assert set(part["scenario"]) == {0, 1, 2, 3}
        assert part["is_fraud"].mean() == pytest.approx(0.008, abs=0.002)
    assert payments.training["is_fraud"].sum() >= 150


def test_corporate_travel_is_in_the_stream_alone_and_not_in_its_opening(
    payments: Materials,
) -> None:
    for part in (payments.training, payments.test):
        assert set(part["segment"]) == {"ordinary"}
    travel = payments.stream["segment"] == "corporate travel"
    assert travel.sum() > 150
    assert np.flatnonzero(travel)[0] > PAYMENTS.opening_rows
    assert (payments.stream["known"] == ~travel).all()


def test_the_history_is_warm_before_the_first_used_payment(payments: Materials) -> None:
    early = payments.training.head(400)
    late = payments.stream.tail(400)
    assert early["time_s"].min() >= 37 * 86_400
    for name in ("customer_count_30d", "terminal_count_30d"):
        assert early[name].mean() == pytest.approx(late[name].mean(), rel=0.2)
    assert early["first_at_terminal"].mean() < 0.05
    assert (early["terminal_risk_30d"] > 0).any()


def test_planted_facts_come_with_the_rows(payments: Materials, cards: Materials) -> None:
    assert len(payments.facts["compromised_terminals"]) >= 10
    assert payments.facts["disparity"]["group"] == "18 to 29"
    assert cards.facts == {}


def test_without_the_disparity_the_page_says_that_none_is_planted(tmp_path: Path) -> None:
    even = workflow.materials(PAYMENTS, tmp_path, disparity=False)
    assert even.facts["disparity"] is None
    assert "No disparity is planted" in even.workspace.sensitive_note
    planted = workflow.materials(PAYMENTS, tmp_path)
    assert planted.workspace == PAYMENTS
    assert "A disparity is planted" in planted.workspace.sensitive_note


def test_a_seed_gives_one_world_and_another_seed_another(payments: Materials) -> None:
    again = workflow.materials(PAYMENTS, DATA)
    pd.testing.assert_frame_equal(again.stream, payments.stream)
    other = workflow.materials(PAYMENTS, DATA, seed=1)
    assert not other.training.equals(payments.training)
    assert other.source == "our simulator, seed 1"


# What the first model of the payments makes of them


def test_the_champion_catches_a_share_of_every_scenario(
    payments: Materials, payments_champion: Stored
) -> None:
    stream = payments.stream[payments.stream["segment"] == "ordinary"]
    probability = models.probabilities(payments_champion.model, stream)
    found = evaluation.metrics(stream["is_fraud"], probability, payments_champion.model.threshold)
    assert found["average_precision"] >= 0.5
    assert found["recall"] >= 0.55
    assert found["false_positive_rate"] <= 0.01
    caught = pd.Series(models.flagged(payments_champion.model, stream)).groupby(
        stream["scenario"].to_numpy()
    )
    assert (caught.mean()[[1, 2, 3]] >= 0.4).all()


def test_the_champion_falsely_flags_travel_and_the_detector_finds_it(
    payments: Materials, payments_champion: Stored
) -> None:
    travel = payments.stream[payments.stream["segment"] == "corporate travel"]
    judged = workflow.predict(payments_champion, travel)
    assert judged["is_flagged"].mean() >= 0.6
    assert judged["is_novel"].mean() >= 0.95
    test = workflow.predict(payments_champion, payments.test)
    assert test["is_novel"].mean() <= 0.01


def test_the_planted_disparity_is_shown_and_region_shows_none(
    payments: Materials, payments_champion: Stored
) -> None:
    rows = payments.stream[payments.stream["age_band"].notna()]
    flagged = models.flagged(payments_champion.model, rows)
    table = fairness.by_group(rows["age_band"], flagged, rows["is_fraud"])
    found = fairness.gap(table, "fpr")
    assert (found.verdict, found.highest_group) == (fairness.GAP, "18 to 29")
    table = fairness.by_group(rows["region"], flagged, rows["is_fraud"])
    assert fairness.gap(table, "fpr").verdict != fairness.GAP


def test_age_band_and_region_are_never_features(payments_champion: Stored) -> None:
    private = {"age_band", "region", "customer", "terminal", "scenario", "segment", "is_fraud"}
    for names in (PAYMENTS.features, payments_champion.model.features,
                  payments_champion.detector.features, PAYMENTS.companions):  # fmt: skip
        assert not {"age_band", "region"} & set(names)
    assert not private & set(payments_champion.model.features)
    assert set(PAYMENTS.immutable) <= set(PAYMENTS.features)
