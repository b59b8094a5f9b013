"""The stream: rows come once, in order, with score and case; truth waits until it is due."""

import hashlib
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hitl import models, novelty, workflow
from hitl.errors import ConflictError, InputError, NoChampionError
from hitl.store import Store
from hitl.workflow import Materials, Person
from hitl.workflow.materials import FIRST_DAY_MS
from hitl.workspaces import REASONS

NOW = 1_790_000_000_000
OPENING = 40
FACTS = ("instances", "predictions", "case_heads", "case_events", "outcomes")


def counts(store: Store, workspace: str = "cards") -> dict[str, int]:
    return {table: len(store.view(table, workspace=workspace)) for table in FACTS}


def instances(store: Store, workspace: str = "cards") -> pd.DataFrame:
    return store.view("instances", workspace=workspace, order=("run", "step"))


def played(store: Store, rows: Materials, *batches: int, **options: Any) -> list[workflow.Ingested]:
    return [workflow.ingest(store, rows, n, now_ms=NOW, **options) for n in batches]


def shortened(rows: Materials, length: int) -> Materials:
    return replace(rows, stream=rows.stream.iloc[:length])


def at_once(*calls: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result() for done in [pool.submit(call) for call in calls]]


# --- what a row brings


def test_a_row_is_stored_as_it_stands_in_the_stream(store: Store, cards: Materials) -> None:
    played(store, cards, 25)
    found, wanted = instances(store), cards.stream.iloc[: OPENING + 25]
    assert found["instance_id"].tolist() == [f"cards-1-{step}" for step in range(OPENING + 25)]
    assert found["source_row"].tolist() == wanted["row"].tolist()
    assert found["weight"].tolist() == wanted["weight"].tolist()
    assert (found["occurred_ms"] - FIRST_DAY_MS).tolist() == (1_000 * wanted["Time"]).tolist()
    features = pd.DataFrame([json.loads(text) for text in found["features"]])
    pd.testing.assert_frame_equal(
        features, wanted[["V4", "V14", "Amount", "Time"]].reset_index(drop=True)
    )


def test_truth_is_not_among_what_is_stored_of_a_row(store: Store) -> None:
    assert "Class" not in "".join(instances(store)["features"])
    assert not {"is_positive", "Class"} & set(instances(store).columns)


def test_each_row_is_scored_by_the_champion_and_its_detector(
    store: Store, cards: Materials
) -> None:
    played(store, cards, 60)
    found = store.view("predictions", workspace="cards")
    found = found.set_index("instance_id").loc[instances(store)["instance_id"]]
    current, rows = workflow.champion(store, "cards"), cards.stream.iloc[: OPENING + 60]
    booster = models.booster(current.model)
    raw = booster.predict(rows[["V4", "V14"]].to_numpy(), raw_score=True)
    score = current.model.slope * np.asarray(raw) + current.model.intercept
    probability = 1 / (1 + np.exp(-score))
    assert found["score"].to_numpy() == pytest.approx(score, abs=1e-12)
    assert found["probability"].to_numpy() == pytest.approx(probability, abs=1e-12)
    flagged = probability >= current.model.threshold
    assert found["is_flagged"].tolist() == flagged.tolist()
    distance = novelty.distances(current.detector, rows)
    assert found["novelty"].tolist() == distance.tolist()
    assert found["is_novel"].tolist() == (distance > current.detector.limit).tolist()
    assert set(found["model_id"]) == {current.model_id}
    assert found["is_live"].all()


def test_whatever_is_flagged_or_novel_is_queued_and_nothing_else(
    store: Store, cards: Materials
) -> None:
    played(store, cards, 1_000)
    scored = store.view("predictions", workspace="cards").set_index("instance_id")
    queued = store.view("case_heads", workspace="cards").set_index("instance_id")
    wanted = scored[scored["is_flagged"] | scored["is_novel"]]
    assert sorted(queued.index) == sorted(wanted.index)
    assert len(queued) > 5
    assert queued["queued_for"].to_dict() == wanted["state"].to_dict()
    assert set(queued["inclusion"]) == {1.0}
    assert set(queued["status"]) == {"open"}
    events = store.view("case_events", workspace="cards")
    assert set(events["kind"]) == {"queued"}
    assert sorted(events["instance_id"]) == sorted(queued.index)


def test_what_is_told_of_a_step_is_what_is_stored(store: Store, cards: Materials) -> None:
    before = counts(store)
    told = workflow.ingest(store, cards, 900, now_ms=NOW)
    after = counts(store)
    assert told.rows == after["instances"] - before["instances"] == 900
    assert told.cases == after["case_heads"] - before["case_heads"]
    assert told.outcomes == after["outcomes"] - before["outcomes"]
    assert not told.is_finished


# --- the queue


def test_cases_are_claimed_in_the_order_of_state_and_then_probability(
    store: Store, cards: Materials
) -> None:
    played(store, cards, 1_500, audit_share=0.02)
    queue = store.view("review_queue", workspace="cards")
    rank = {"novel and flagged": 0, "known anomaly": 1, "novel": 2, "normal": 3}
    queue["rank"] = queue["state"].map(rank)
    wanted = queue.sort_values(
        ["rank", "probability", "instance_id"], ascending=[True, False, True]
    )
    assert queue["rank"].nunique() >= 3
    claimed = [
        workflow.claim(store, cards.workspace, Person(f"reviewer {n}"), now_ms=NOW)
        for n in range(len(queue))
    ]
    assert [c.instance_id for c in claimed if c] == wanted["instance_id"].tolist()
    assert workflow.claim(store, cards.workspace, Person("one more"), now_ms=NOW) is None


def test_the_audit_draws_the_same_rows_again_and_stores_their_chance(
    store: Store, cards: Materials, tmp_path: Path, seeded: Path
) -> None:
    played(store, cards, 400, audit_share=0.1)
    shutil.copyfile(seeded, tmp_path / "again.duckdb")
    with Store(str(tmp_path / "again.duckdb")) as other:
        played(other, cards, 150, 250, audit_share=0.1)
        again = other.view("case_heads", workspace="cards", order=("instance_id",))
    heads = store.view("case_heads", workspace="cards", order=("instance_id",))
    pd.testing.assert_frame_equal(heads, again)
    audit = heads[heads["queued_for"] == "audit"]
    assert set(audit["inclusion"]) == {0.1}
    assert set(heads.loc[heads["queued_for"] != "audit", "inclusion"]) == {1.0}
    assert 20 <= len(audit) <= 65  # 400 rows at 10 %: 40, ± 4 standard deviations


def test_the_audit_share_is_the_share_of_ids_whose_hash_falls_below_it(
    store: Store, cards: Materials
) -> None:
    played(store, cards, 300, audit_share=0.2)

    def falls_below(instance_id: str) -> bool:
        first = hashlib.sha256(instance_id.encode()).digest()[:6]
        return int.from_bytes(first, "big") / 2**48 < 0.2

    normal = store.view("predictions", workspace="cards", state="normal")["instance_id"]
    late = [one for one in normal if int(one.rsplit("-", 1)[1]) >= OPENING]
    audit = store.view("case_heads", workspace="cards", queued_for="audit")["instance_id"]
    assert sorted(audit) == sorted(filter(falls_below, late))


def test_a_larger_audit_holds_every_case_of_a_smaller_one(
    store: Store, cards: Materials, tmp_path: Path, seeded: Path
) -> None:
    shutil.copyfile(seeded, tmp_path / "more.duckdb")
    played(store, cards, 300, audit_share=0.05)
    with Store(str(tmp_path / "more.duckdb")) as other:
        played(other, cards, 300, audit_share=0.3)
        more = set(other.view("case_heads", workspace="cards")["instance_id"])
    fewer = set(store.view("case_heads", workspace="cards")["instance_id"])
    assert fewer < more


def test_an_audit_of_everything_queues_everything(store: Store, cards: Materials) -> None:
    (told,) = played(store, cards, 50, audit_share=1.0)
    assert told.cases == 50


def test_the_live_counts_are_those_counted_by_hand(store: Store, cards: Materials) -> None:
    played(store, cards, 1_200, audit_share=0.01)
    for number in range(3):
        claimed = workflow.claim(store, cards.workspace, Person("mina"), now_ms=NOW)
        assert claimed
        verdict = ("fraud", "legitimate", "unsure")[number]
        workflow.decide(
            store,
            cards.workspace,
            claimed,
            verdict=verdict,
            reason=REASONS[verdict][0],
            key=str(number),
            now_ms=NOW,
        )
    workflow.claim(store, cards.workspace, Person("mina"), now_ms=NOW)  # a claimed case still waits
    found = store.view("loop_counts", workspace="cards").iloc[0]
    current = workflow.champion(store, "cards")
    rows = cards.stream.iloc[: OPENING + 1_200]
    queued = len(store.view("case_heads", workspace="cards"))
    assert found["scored"] == len(rows)
    assert found["flagged"] == models.flagged(current.model, rows).sum()
    assert (found["decided"], found["waiting"]) == (3, queued - 3)


# --- where the stream stands


def test_playing_goes_on_where_it_stopped_after_the_file_was_closed(
    tmp_path: Path, seeded: Path, cards: Materials
) -> None:
    path = tmp_path / "stream.duckdb"
    shutil.copyfile(seeded, path)
    for batch in (7, 1, 12):
        with Store(str(path)) as store:
            played(store, cards, batch)
    with Store(str(path)) as store:
        assert instances(store)["step"].tolist() == list(range(OPENING + 20))


def test_the_size_of_a_step_changes_nothing_that_is_stored(
    store: Store, cards: Materials, tmp_path: Path, seeded: Path
) -> None:
    shutil.copyfile(seeded, tmp_path / "other.duckdb")
    with Store(str(tmp_path / "other.duckdb")) as other:
        played(other, cards, 300)
        played(store, cards, 99, 1, 200)
        for table in FACTS:
            one, two = (s.view(table, workspace="cards") for s in (store, other))
            key = "event_id" if table == "case_events" else "instance_id"
            pd.testing.assert_frame_equal(
                one.sort_values(key, ignore_index=True), two.sort_values(key, ignore_index=True)
            )


def test_the_last_step_is_short_and_says_that_the_stream_has_ended(
    store: Store, cards: Materials
) -> None:
    rows = shortened(cards, OPENING + 15)
    first, second, third = played(store, rows, 10, 10, 10)
    assert [step.rows for step in (first, second, third)] == [10, 5, 0]
    assert [step.is_finished for step in (first, second, third)] == [False, True, True]
    assert len(instances(store)) == OPENING + 15


def test_an_ended_stream_starts_again_as_a_second_run_of_the_same_rows(
    store: Store, cards: Materials
) -> None:
    rows = shortened(cards, OPENING + 10)
    played(store, rows, 10)
    played(store, rows, 20, 40, again=True)
    found = instances(store)
    first, second = found[found["run"] == 1], found[found["run"] == 2]
    assert second["instance_id"].tolist() == [f"cards-2-{step}" for step in range(OPENING + 10)]
    for column in ("step", "source_row", "features", "occurred_ms", "weight"):
        assert first[column].tolist() == second[column].tolist()


def test_a_stream_that_has_not_ended_is_not_started_again(store: Store, cards: Materials) -> None:
    played(store, cards, 10, again=True)
    assert set(instances(store)["run"]) == {1}


def test_no_rows_are_played_when_none_are_asked_for_and_fewer_are_refused(
    store: Store, cards: Materials
) -> None:
    before = counts(store)
    (told,) = played(store, cards, 0)
    assert (told.rows, told.cases, told.outcomes) == (0, 0, 0)
    with pytest.raises(InputError, match="-1 rows"):
        played(store, cards, -1)
    assert counts(store) == before


def test_a_workspace_without_a_model_plays_nothing(tmp_path: Path, cards: Materials) -> None:
    with Store(str(tmp_path / "empty.duckdb")) as store:
        with pytest.raises(NoChampionError, match="cards") as refused:
            played(store, cards, 5)
        assert "seed" in refused.value.hint
        assert counts(store) == dict.fromkeys(FACTS, 0)


# --- truth


def test_truth_arrives_when_the_delay_has_passed_on_the_streams_own_clock(
    store: Store, cards: Materials
) -> None:
    truth = dict(zip(cards.stream["row"], cards.stream["Class"] == 1, strict=True))
    for batch in (100, 1, 300, 0, 50):
        played(store, cards, batch)
        rows = instances(store).set_index("instance_id")
        due = rows["occurred_ms"].max() - 1_000 * cards.workspace.outcome_delay_s
        found = store.view("outcomes", workspace="cards").set_index("instance_id")["is_positive"]
        assert sorted(found.index) == sorted(rows.index[rows["occurred_ms"] <= due])
        assert found.to_dict() == rows.loc[found.index, "source_row"].map(truth).to_dict()
    assert 0 < len(found) < len(rows)


def test_asking_for_no_rows_does_not_let_truth_out_early(store: Store, cards: Materials) -> None:
    before = len(store.view("outcomes", workspace="cards"))
    assert before < OPENING
    for _ in range(3):
        played(store, cards, 0)
    assert len(store.view("outcomes", workspace="cards")) == before


def test_the_last_outcomes_arrive_when_an_ended_stream_is_played_on(
    store: Store, cards: Materials
) -> None:
    rows = shortened(cards, OPENING + 30)
    played(store, rows, 30)
    before = len(store.view("outcomes", workspace="cards"))
    assert before < OPENING + 30
    (after,) = played(store, rows, 5)
    assert after.outcomes == OPENING + 30 - before
    assert store.view("waiting_outcomes", workspace="cards").empty
    (nothing,) = played(store, rows, 5)
    assert nothing.outcomes == 0


def test_a_new_run_first_settles_what_the_last_one_owes_and_keeps_its_own_truth_back(
    store: Store, cards: Materials
) -> None:
    rows = shortened(cards, OPENING + 30)
    played(store, rows, 30)
    played(store, rows, 2, again=True)
    owed = store.view("waiting_outcomes", workspace="cards")
    assert set(owed["run"]) == {2}
    assert len(store.view("outcomes", workspace="cards")) == OPENING + 30 + (2 - len(owed))


def test_constructed_rows_never_have_an_outcome(store: Store, story: Materials) -> None:
    played(store, story, 15, 15, 5)
    rows = store.view("instances", workspace="story").set_index("instance_id")
    found = store.view("outcomes", workspace="story")["instance_id"]
    assert set(rows.loc[found, "origin"]) == {"real"}
    assert len(found) == 24
    assert (rows["origin"] == "constructed").sum() == 6 + 12


def test_truth_of_an_exchanged_data_file_goes_to_nobody(store: Store, cards: Materials) -> None:
    times = cards.stream["Time"].to_numpy()
    other = replace(cards, stream=cards.stream.iloc[::-1].assign(Time=times))
    before = store.view("outcomes", workspace="cards")
    assert len(before) < OPENING
    played(store, other, 300)
    found = store.view("outcomes", workspace="cards")
    early = found[found["instance_id"].str.rsplit("-").str[-1].astype(int) < OPENING]
    assert sorted(early["instance_id"]) == sorted(before["instance_id"])
    assert len(found) > len(early)


def test_a_stream_that_became_shorter_than_what_was_played_ends_quietly(
    store: Store, cards: Materials
) -> None:
    (told,) = played(store, shortened(cards, 5), 5)
    assert (told.rows, told.is_finished) == (0, True)
    truth = dict(zip(cards.stream["row"], cards.stream["Class"] == 1, strict=True))
    rows = instances(store).set_index("instance_id")["source_row"]
    for row in store.view("outcomes", workspace="cards").to_dict("records"):
        assert row["is_positive"] == truth[rows[row["instance_id"]]]


# --- all or nothing


def blocking_row(store: Store, table: str, instance_id: str) -> dict[str, object]:
    """A row that is in the way of the one that `instance_id` will bring."""
    row = store.view(table, workspace="cards", limit=1).to_dict("records")[0]
    row["instance_id"] = instance_id
    if table == "case_events":
        row["event_id"] = f"{instance_id}-queued"
    return {str(name): value for name, value in row.items() if value == value}


@pytest.mark.parametrize("table", ["predictions", "case_heads", "case_events"])
def test_a_step_that_fails_half_way_leaves_nothing(
    store: Store, cards: Materials, table: str
) -> None:
    played(store, cards, 1, audit_share=1.0)  # so that there is a case to copy
    store.append(table, [blocking_row(store, table, f"cards-1-{OPENING + 5}")])
    before = counts(store)
    with pytest.raises(ConflictError):
        played(store, cards, 10, audit_share=1.0)
    assert counts(store) == before
    (told,) = played(store, cards, 4, audit_share=1.0)  # the rows before it can be played
    assert told.rows == 4


def test_seeding_that_fails_half_way_leaves_no_champion_and_can_be_repeated(
    tmp_path: Path, store: Store, story: Materials
) -> None:
    row = store.view("case_heads", instance_id="story-w-3").to_dict("records")
    with Store(str(tmp_path / "new.duckdb")) as new:
        new.append("case_heads", [{str(k): v for k, v in row[0].items()} | {"workspace": "x"}])
        with pytest.raises(ConflictError):
            workflow.seed(new, story, seed=0, novelty_rate=0.001, now_ms=NOW)
        for table in (*FACTS, "models", "promotions"):
            assert new.view(table, workspace="story").empty
        new.forget("x")
        workflow.seed(new, story, seed=0, novelty_rate=0.001, now_ms=NOW)
        assert len(new.view("case_heads", workspace="story")) == 12


# --- seeding


def test_seeding_gives_a_champion_the_waiting_rows_and_the_opening_rows(store: Store) -> None:
    for space, waiting, opening in (("cards", 0, OPENING), ("story", 12, 0)):
        promoted = store.view("promotions", workspace=space)
        assert promoted[["number", "kind", "replaced_id"]].to_numpy().tolist() == [[1, "seed", ""]]
        assert promoted["model_id"].tolist() == [workflow.champion(store, space).model_id]
        steps = instances(store, space)["step"]
        assert (steps < 0).sum() == waiting
        assert (steps >= 0).sum() == opening
    waiting_rows = instances(store, "story")
    assert set(waiting_rows["origin"]) == {"constructed"}
    assert set(waiting_rows["run"]) == {0}
    assert waiting_rows["instance_id"].tolist() == [f"story-w-{n}" for n in range(12)]


def test_seeding_again_changes_nothing_even_with_another_seed(
    store: Store, story: Materials
) -> None:
    tables = (*FACTS, "models", "promotions")
    before = {table: store.view(table) for table in tables}
    again = workflow.seed(store, story, seed=5, novelty_rate=0.01, now_ms=NOW + 9)
    assert again == workflow.champion(store, "story").model_id
    for table in tables:
        pd.testing.assert_frame_equal(store.view(table), before[table])


def test_the_same_seed_gives_the_same_champion(
    tmp_path: Path, store: Store, story: Materials
) -> None:
    with Store(str(tmp_path / "new.duckdb")) as new:
        first = workflow.seed(new, story, seed=0, novelty_rate=0.001, now_ms=NOW)
    assert first == workflow.champion(store, "story").model_id


def test_a_reset_deletes_one_workspace_and_seeds_it_anew(store: Store, story: Materials) -> None:
    played(store, story, 20)
    others = counts(store, "cards")
    first = workflow.champion(store, "story").model_id
    again = workflow.seed(store, story, seed=0, novelty_rate=0.001, now_ms=NOW, reset=True)
    assert again == first
    assert counts(store, "cards") == others
    assert len(instances(store, "story")) == 12


def test_a_reset_that_cannot_train_deletes_nothing(store: Store, story: Materials) -> None:
    before = counts(store, "story")
    with pytest.raises(InputError, match="novelty rate"):
        workflow.seed(store, story, seed=0, novelty_rate=7.0, now_ms=NOW, reset=True)
    assert counts(store, "story") == before
    assert workflow.champion(store, "story")


def test_a_reset_whose_seeding_fails_leaves_an_empty_workspace_that_can_be_seeded(
    store: Store, story: Materials
) -> None:
    opening = replace(story, workspace=replace(story.workspace, opening_rows=3))
    row = store.view("instances", instance_id="story-w-0").to_dict("records")[0]
    blocking = {str(k): v for k, v in row.items()} | {"workspace": "x", "instance_id": "story-1-2"}
    store.append("instances", [blocking])
    others = counts(store, "cards")
    with pytest.raises(ConflictError):
        workflow.seed(store, opening, seed=0, novelty_rate=0.001, now_ms=NOW, reset=True)
    for table in (*FACTS, "models", "promotions"):
        assert store.view(table, workspace="story").empty
    assert counts(store, "cards") == others
    store.forget("x")
    workflow.seed(store, opening, seed=0, novelty_rate=0.001, now_ms=NOW)
    assert counts(store, "story")["instances"] == 12 + 3


# --- several at once


def check_once_each(store: Store, wanted: int) -> None:
    found = instances(store)
    assert found["step"].tolist() == list(range(wanted))
    assert found["instance_id"].is_unique
    assert sorted(store.view("predictions", workspace="cards")["instance_id"]) == sorted(
        found["instance_id"]
    )
    flagged = store.view("predictions", workspace="cards")["state"] != "normal"
    assert len(store.view("case_heads", workspace="cards")) == flagged.sum()


def test_threads_that_play_at_once_never_play_a_row_twice(store: Store, cards: Materials) -> None:
    at_once(*[lambda: played(store, cards, *[7] * 6)] * 4)
    check_once_each(store, OPENING + 4 * 6 * 7)


@pytest.mark.postgres
def test_two_servers_that_play_at_once_never_play_a_row_twice(
    postgres_copy: str, cards: Materials
) -> None:
    with Store(postgres_copy) as one, Store(postgres_copy) as two:
        at_once(lambda: played(one, cards, *[7] * 10), lambda: played(two, cards, *[7] * 10))
        check_once_each(one, OPENING + 2 * 10 * 7)


def check_seeded_once(store: Store, found: list[object]) -> None:
    assert set(found) == {workflow.champion(store, "story").model_id}
    assert len(store.view("promotions", workspace="story")) == 1
    assert len(store.view("models", workspace="story")) == 1
    assert instances(store, "story")["instance_id"].is_unique
    assert len(store.view("case_heads", workspace="story")) == 12


def test_two_threads_that_seed_at_once_agree_on_one_champion(
    tmp_path: Path, story: Materials
) -> None:
    with Store(str(tmp_path / "new.duckdb")) as store:

        def seed(number: int) -> str:
            return workflow.seed(store, story, seed=number, novelty_rate=0.001, now_ms=NOW)

        check_seeded_once(store, at_once(lambda: seed(0), lambda: seed(1)))


@pytest.mark.postgres
def test_two_servers_that_seed_at_once_agree_on_one_champion(
    fresh_postgres_url: str, story: Materials
) -> None:
    with Store(fresh_postgres_url) as one, Store(fresh_postgres_url) as two:

        def seed(store: Store, number: int) -> str:
            return workflow.seed(store, story, seed=number, novelty_rate=0.001, now_ms=NOW)

        check_seeded_once(one, at_once(lambda: seed(one, 0), lambda: seed(two, 1)))
