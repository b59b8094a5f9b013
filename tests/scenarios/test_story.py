"""The story on the teaching tape: flagged wrongly, found as novel, relearned, nothing lost."""

import json
from pathlib import Path

import pytest

from hitl import gates, models, workflow
from hitl.__main__ import main
from hitl.store import Store
from hitl.workspaces import STORY

ROOT = Path(__file__).parents[2]
NOW = 1_790_000_000_000


@pytest.fixture(scope="module")
def story() -> workflow.Materials:
    return workflow.materials(STORY, ROOT / "data")


def test_the_demo_prints_the_story_as_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["demo", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["alerts_before"] == [3, 9, 10, 11, 18, 24, 25, 26]
    assert answer["novel"] == [9, 10, 11, 24, 25, 26]
    assert answer["alerts_after"] == [3, 18]
    lost = answer["known_frauds"] - answer["known_frauds_kept"]
    assert lost <= answer["churn_baseline_lost"] + 0.02 * answer["known_frauds"]
    assert answer["reviewed"] == 16
    assert answer["promoted_model"] != answer["champion_before"]


def test_the_lights_turn_on_one_after_the_other(tmp_path: Path, story: workflow.Materials) -> None:
    with Store(str(tmp_path / "story.duckdb")) as store:
        workflow.seed(store, story, seed=0, novelty_rate=0.001, now_ms=NOW)
        assert [light.holds for light in workflow.lights(store, story)] == [None, None, None]
    with Store(str(tmp_path / "told.duckdb")) as store:
        workflow.play_story(store, story, seed_number=0, now_ms=NOW, novelty_rate=0.001)
        lights = workflow.lights(store, story)
    assert [light.holds for light in lights] == [True, True, True]
    assert lights[0].sentence == "6 of 6 unknown rows flagged in the first run."
    assert lights[1].sentence == "6 of 6 unknown and 0 of 24 known rows called novel."
    assert "0 of 6 unknown rows flagged on replay" in lights[2].sentence


def test_the_second_pass_shows_rows_the_first_did_not(story: workflow.Materials) -> None:
    tape = story.stream
    first, second = tape.iloc[:15], tape.iloc[15:]
    assert not set(map(tuple, first[["V4", "V14"]].to_numpy())) & set(
        map(tuple, second[["V4", "V14"]].to_numpy())
    )
    assert set(tape.loc[tape["origin"] == "constructed", "row"]) == {-1}


@pytest.mark.parametrize("weight", [1.0, 20.0, 100.0])
def test_the_naive_ways_to_relearn_are_blocked_with_the_cause_named(
    story: workflow.Materials, weight: float
) -> None:
    champion = models.fit(
        story.training,
        features=STORY.features,
        weight="weight",
        budget=STORY.false_alarm_budget,
    )
    reviewed = story.stream.iloc[9:12].assign(row=[-1, -2, -3])
    naive = models.refit(
        champion,
        story.training,
        reviewed,
        label="Class",
        weight="weight",
        sample_weight=weight,
    )
    known = story.known_positives
    lost = gates.churn(champion, story.training, known, label="Class", weight="weight", seed=0)
    repaired = gates.reviewed_repaired(naive, reviewed, "Class")
    kept = gates.keep_verdicts(champion, naive, known, churn_lost=lost, reviewed=reviewed)
    assert not (repaired.passed and kept.passed)
    blocked = repaired if weight == 1.0 else kept
    assert not blocked.passed
    assert blocked.sentence
    if weight > 1.0:
        assert "min_data_in_leaf counts rows, not weights" in kept.sentence
