"""What a workspace works with: rows parted by time, none of them in two parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hitl import datasets, workflow
from hitl.errors import InputError, MissingColumnsError, MissingValuesError
from hitl.workflow import Materials
from hitl.workflow.materials import SHARES
from hitl.workspaces import CARDS, STORY, Workspace

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
