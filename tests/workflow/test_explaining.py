"""Why a case was flagged: kept as it was shown, and beside it what happened to cases like it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from hitl import explain as explaining
from hitl import models, workflow
from hitl.errors import ModelError, TamperedModelError, UnknownRowError
from hitl.explain import verdict_sentence
from hitl.explain.keys import canonical, key_of
from hitl.store import Store
from hitl.workflow import Materials, Person, evidence
from hitl.workspaces import REASONS

NOW = 1_790_000_000_000


@pytest.fixture
def played(store: Store, cards: Materials) -> Store:
    workflow.ingest(store, cards, 1_000, now_ms=NOW, audit_share=0.01)
    return store


def flagged_case(store: Store) -> str:
    found = store.view("review_queue", workspace="cards", order=("-priority",), limit=1)
    return str(found["instance_id"].iloc[0])


def decided(store: Store, rows: Materials, instance_id: str, verdict: str) -> None:
    space = rows.workspace
    claimed = workflow.claim(store, space, Person("mina"), now_ms=NOW, instance_id=instance_id)
    assert claimed is not None
    workflow.decide(
        store,
        space,
        claimed,
        verdict=verdict,
        reason=REASONS[verdict][0],
        key=f"key {instance_id}",
        now_ms=NOW,
    )


# --- the case


def test_a_case_is_read_with_its_features_score_and_place_in_the_queue(
    played: Store, cards: Materials
) -> None:
    instance_id = flagged_case(played)
    found = workflow.case(played, cards.workspace, instance_id)
    row = cards.stream.iloc[found["step"]]
    assert found["features"] == {
        name: pytest.approx(row[name]) for name in ("V4", "V14", "Amount", "Time")
    }
    current = workflow.champion(played, "cards")
    assert found["model_id"] == current.model_id
    assert found["score"] == models.scores(current.model, cards.stream.iloc[[found["step"]]])[0]
    assert (found["status"], found["verdict"]) == ("open", None)
    json.dumps(found, allow_nan=False)


def test_a_case_shows_its_outcome_only_once_it_arrived(played: Store, cards: Materials) -> None:
    step = int(played.view("outcomes", workspace="cards")["instance_id"].map(_step).max())
    known = workflow.case(played, cards.workspace, f"cards-1-{step}")
    assert known["outcome"] is bool(cards.stream["Class"].iloc[step] == 1)
    assert workflow.case(played, cards.workspace, f"cards-1-{step + 1}")["outcome"] is None


def _step(instance_id: str) -> int:
    return int(instance_id.rsplit("-", 1)[1])


@pytest.mark.parametrize("instance_id", ["cards-1-99999", "", "story-w-0", "'; DROP TABLE models"])
def test_an_unknown_case_is_named_with_where_to_pick_one(
    store: Store, cards: Materials, instance_id: str
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: workflow.case(store, cards.workspace, instance_id),
        lambda: workflow.explain(store, cards.workspace, instance_id, now_ms=NOW),
        lambda: workflow.similar_cases(store, cards, instance_id),
    ]
    for call in calls:
        with pytest.raises(UnknownRowError) as refused:
            call()
        assert repr(instance_id) in refused.value.message
        assert "Monitor" in refused.value.hint
    assert store.view("explanations").empty


# --- the explanation


def test_an_explanation_is_stored_once_and_read_back_identical(
    played: Store, cards: Materials
) -> None:
    instance_id = flagged_case(played)
    first = workflow.explain(played, cards.workspace, instance_id, now_ms=NOW)
    kept = played.view("explanations", workspace="cards")
    again = workflow.explain(played, cards.workspace, instance_id, now_ms=NOW + 5)
    assert again == first == json.loads(kept["body"].iloc[0])
    pd.testing.assert_frame_equal(played.view("explanations", workspace="cards"), kept)
    assert kept["explained_ms"].tolist() == [NOW]
    assert kept["explanation_key"].tolist() == [first["key"]] == [key_of(first["recipe"])]


def test_what_was_shown_stays_even_if_it_would_be_computed_otherwise_today(
    played: Store, cards: Materials
) -> None:
    instance_id, current = flagged_case(played), workflow.champion(played, "cards")
    record = {
        "explanation_id": "from an older version",
        "workspace": "cards",
        "instance_id": instance_id,
        "model_id": current.model_id,
        "seed": 1,
        "body": '{"sentence": "as it was shown"}',
        "explained_ms": NOW,
        "explanation_key": "x-0000000000000000",
        "method": "all",
    }
    played.append("explanations", [record])
    found = workflow.explain(played, cards.workspace, instance_id, now_ms=NOW)
    assert found == {"sentence": "as it was shown"}


def test_people_who_ask_at_once_see_one_explanation(played: Store, cards: Materials) -> None:
    instance_id = flagged_case(played)

    def ask(number: int) -> dict[str, object]:
        return workflow.explain(played, cards.workspace, instance_id, now_ms=NOW + number)

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(ask, range(3)))
    assert answers[0] == answers[1] == answers[2]
    assert len(played.view("explanations")) == 1


def test_the_parts_of_an_explanation_add_up_to_the_score(played: Store, cards: Materials) -> None:
    instance_id = flagged_case(played)
    found = workflow.explain(played, cards.workspace, instance_id, now_ms=NOW)
    case = workflow.case(played, cards.workspace, instance_id)
    whole = found["base_value"] + sum(found["contributions"].values())
    assert abs(whole - found["score"]) <= 1e-6
    assert 0 <= found["residual"] <= 1e-6
    assert found["score"] == case["score"]
    assert found["probability"] == case["probability"] == pytest.approx(_sigmoid(found["score"]))
    assert set(found["contributions"]) == {"V4", "V14"}
    assert [line["feature"] for line in found["table"]] == sorted(
        found["contributions"], key=lambda name: -abs(found["contributions"][name])
    )


def _sigmoid(score: float) -> float:
    return float(1 / (1 + np.exp(-score)))


def test_an_explanation_says_what_the_queue_says(played: Store, cards: Materials) -> None:
    for instance_id in played.view("review_queue", workspace="cards", limit=4)["instance_id"]:
        found = workflow.explain(played, cards.workspace, instance_id, now_ms=NOW)
        case = workflow.case(played, cards.workspace, instance_id)
        for name in ("novelty", "novelty_limit", "is_flagged", "state", "threshold", "model_id"):
            assert found[name] == case[name]
        words = cards.workspace.noun, cards.workspace.positive
        assert found["sentence"] == verdict_sentence(
            case["probability"], case["threshold"], case["novelty"], case["novelty_limit"], *words
        )
        assert 1 <= len(found["reasons"]) <= 2
        assert found["lime"]["seeds"] == [0, 1, 2]


def test_the_nearest_known_row_is_the_one_found_by_trying_all(
    played: Store, cards: Materials
) -> None:
    instance_id, current = flagged_case(played), workflow.champion(played, "cards")
    found = workflow.explain(played, cards.workspace, instance_id, now_ms=NOW)["nearest"]
    body = current.detector.body
    row = workflow.case(played, cards.workspace, instance_id)["features"]
    gaps = np.array(body["reference"]["rows"]) - [row["V4"], row["V14"]]
    distances = np.sqrt(((gaps / body["std"]) ** 2).sum(axis=1))
    best = int(np.argmin(distances))
    assert found["distance"] == pytest.approx(distances[best])
    assert found["id"] == str(body["reference"]["ids"][best])
    assert found["label"] == body["reference"]["classes"][best]


def test_each_model_has_an_explanation_of_its_own(learned_store: Store, story: Materials) -> None:
    old = workflow.champion(learned_store, "story").model_id
    history = learned_store.view("model_history", workspace="story")
    (new,) = set(history["model_id"]) - {old}
    one = workflow.explain(learned_store, story.workspace, "story-1-9", now_ms=NOW)
    two = workflow.explain(learned_store, story.workspace, "story-1-9", now_ms=NOW, model_id=new)
    assert (one["model_id"], two["model_id"]) == (old, new)
    assert one["is_flagged"]
    assert not two["is_flagged"]
    assert one["state"] == "novel and flagged"
    assert two["base_value"] + sum(two["contributions"].values()) == pytest.approx(two["score"])
    assert len(learned_store.view("explanations")) == 2


def test_an_unknown_model_is_named_and_nothing_is_stored(played: Store, cards: Materials) -> None:
    with pytest.raises(ModelError, match="no model m-none"):
        workflow.explain(
            played, cards.workspace, flagged_case(played), now_ms=NOW, model_id="m-none"
        )
    assert played.view("explanations").empty


@pytest.mark.parametrize(
    ("column", "old", "new"),
    [
        ("model", "leaf_value=", "leaf_value=9"),
        ("model", '"threshold": 0.', '"threshold": 0.9'),
        ("model", '{"format"', '"format"'),
        ("detector", '"limit": ', '"limit": 9'),
        ("detector", '{"format"', '"format"'),
        ("sha256", "", "0"),
    ],
)
def test_a_model_that_was_changed_in_the_database_is_not_used(
    played: Store, cards: Materials, column: str, old: str, new: str
) -> None:
    instance_id = flagged_case(played)
    row = played.view("models", workspace="cards").to_dict("records")[0]
    assert old in row[column]
    with played._engine.transaction() as work:
        sql = f"UPDATE models SET {column} = $1 WHERE workspace = 'cards'"
        work.rows(sql, (row[column].replace(old, new, 1),))
    with pytest.raises(TamperedModelError) as refused:
        workflow.explain(played, cards.workspace, instance_id, now_ms=NOW)
    assert refused.value.hint


# --- cases like it


def brute_force(
    rows: Materials, pool: dict[str, tuple[float, float]], of: tuple[float, float]
) -> list[tuple[str, float]]:
    """Distances in standard deviations of the training rows, one by one; nearest first."""
    spread = [np.std(rows.training[name], ddof=1) for name in ("V4", "V14")]
    found = {
        name: sum(((a - b) / s) ** 2 for a, b, s in zip(point, of, spread, strict=True)) ** 0.5
        for name, point in pool.items()
    }
    return sorted(found.items(), key=lambda item: item[1])


def past_points(store: Store, rows: Materials, without: str) -> dict[str, tuple[float, float]]:
    known: dict[str, tuple[float, float]] = {
        f"row {int(row)}": (v4, v14)
        for row, v4, v14 in rows.training[["row", "V4", "V14"]].to_numpy()
    }
    name = rows.workspace.name
    seen = {
        *store.view("outcomes", workspace=name)["instance_id"],
        *store.view("decisions", workspace=name)["instance_id"],
    }
    waiting = set(store.view("review_queue", workspace=name)["instance_id"])
    for instance_id in seen - waiting - {without}:
        row = rows.stream.iloc[_step(instance_id)]
        known[instance_id] = (row["V4"], row["V14"])
    return known


def test_similar_cases_are_the_nearest_of_training_outcomes_and_decisions(
    played: Store, cards: Materials
) -> None:
    queue = played.view("review_queue", workspace="cards", order=("-step",))["instance_id"]
    for instance_id, verdict in zip(queue[:3], ("fraud", "legitimate", "unsure"), strict=True):
        decided(played, cards, instance_id, verdict)
    for instance_id in (queue[0], queue[3], "cards-1-5", "cards-1-1030"):
        found = workflow.similar_cases(played, cards, instance_id, k=25)
        row = cards.stream.iloc[_step(instance_id)]
        pool = past_points(played, cards, without=instance_id)
        wanted = brute_force(cards, pool, (row["V4"], row["V14"]))[:25]
        assert found["distance"].tolist() == pytest.approx([distance for _, distance in wanted])
        points = [pool[name] for name in found["id"]]
        assert found[["V4", "V14"]].to_numpy() == pytest.approx(np.array(points))
        assert instance_id not in set(found["id"])
    assert len(workflow.similar_cases(played, cards, "cards-1-5")) == 10


def test_a_training_row_shows_its_truth_and_no_decision(store: Store, cards: Materials) -> None:
    everything = workflow.similar_cases(store, cards, "cards-1-0", k=10_000)
    training = everything[everything["known_from"] == "training"].set_index("id")
    known = cards.training.set_index("row")["Class"]
    assert len(training) == len(known)
    truth = training["truth"].map({"fraud": 1, "legitimate": 0})
    truth.index = truth.index.str.removeprefix("row ").astype(int)
    assert truth.to_dict() == known.to_dict()
    assert set(training["decision"]) == {""}


def everything_about(store: Store, rows: Materials, instance_id: str) -> pd.Series:
    """How a case is shown among the past cases of another one."""
    found = workflow.similar_cases(store, rows, f"{rows.workspace.name}-1-0", k=10_000)
    assert found["id"].is_unique
    return found.set_index("id")[["decision", "truth", "known_from"]].T[instance_id]


def test_a_case_shows_what_people_decided_beside_what_came_true(
    played: Store, cards: Materials
) -> None:
    arrived = set(played.view("outcomes", workspace="cards")["instance_id"])
    queue = played.view("review_queue", workspace="cards", order=("step",))
    early = [one for one in queue["instance_id"] if one in arrived]
    truth = {
        one: "fraud" if cards.stream["Class"].iloc[_step(one)] == 1 else "legitimate"
        for one in early
    }
    wrong = "legitimate" if truth[early[0]] == "fraud" else "fraud"
    decided(played, cards, early[0], wrong)
    decided(played, cards, early[1], "unsure")
    assert everything_about(played, cards, early[0]).tolist() == [wrong, truth[early[0]], "stream"]
    assert everything_about(played, cards, early[1]).tolist() == [
        "unsure",
        truth[early[1]],
        "stream",
    ]


def test_a_case_that_waits_for_a_decision_is_no_past_case_though_its_outcome_arrived(
    played: Store, cards: Materials
) -> None:
    arrived = set(played.view("outcomes", workspace="cards")["instance_id"])
    queue = played.view("review_queue", workspace="cards", order=("step",))["instance_id"]
    first, second = [one for one in queue if one in arrived][:2]
    space = cards.workspace
    assert workflow.claim(played, space, Person("mina"), now_ms=NOW, instance_id=first) is not None
    shown = set(workflow.similar_cases(played, cards, "cards-1-0", k=10_000)["id"])
    assert not shown & set(queue)
    assert shown >= arrived - set(queue) - {"cards-1-0"}
    decided(played, cards, second, "fraud")
    shown = set(workflow.similar_cases(played, cards, "cards-1-0", k=10_000)["id"])
    assert second in shown
    assert first not in shown


def test_a_case_that_people_decided_shows_no_truth_until_it_arrives(
    learned_store: Store, story: Materials
) -> None:
    assert everything_about(learned_store, story, "story-1-9").tolist() == [
        "legitimate",
        "",
        "stream",
    ]
    assert everything_about(learned_store, story, "story-w-3")["truth"] == ""
    assert everything_about(learned_store, story, "story-1-3").tolist() == [
        "fraud",
        "fraud",
        "stream",
    ]


def test_a_decision_that_was_taken_back_is_not_shown(
    learned_store: Store, story: Materials
) -> None:
    newest = learned_store.view("decisions", workspace="story")
    workflow.undo(learned_store, story.workspace, Person("mina"), now_ms=NOW + 9)
    gone = set(newest["instance_id"]) - set(
        learned_store.view("decisions", workspace="story")["instance_id"]
    )
    (instance_id,) = gone
    found = workflow.similar_cases(learned_store, story, "story-1-0", k=10_000)
    shown = found[found["id"] == instance_id]
    assert shown.empty or shown["decision"].tolist() == [""]


def test_a_fresh_workspace_knows_only_its_training_rows(store: Store, story: Materials) -> None:
    found = workflow.similar_cases(store, story, "story-w-0", k=5)
    assert set(found["known_from"]) == {"training"}
    assert found["distance"].is_monotonic_increasing


# --- ahead of time, for the same reasons, and again


def test_waiting_cases_are_explained_ahead_most_urgent_first_until_none_is_left(
    played: Store, cards: Materials
) -> None:
    queue = played.view("review_queue", workspace="cards", order=("-priority", "instance_id"))
    space, done = cards.workspace, []
    while made := workflow.explain_ahead(played, space, now_ms=NOW, most=2):
        done.append(made)
        kept = set(played.view("explanations", workspace="cards")["instance_id"])
        assert kept == set(queue["instance_id"][: sum(done)])
    assert sum(done) == len(queue)
    assert set(done[:-1]) == {2}


def test_a_case_explained_ahead_is_opened_without_the_model(
    played: Store, cards: Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow.explain_ahead(played, cards.workspace, now_ms=NOW, most=1)
    monkeypatch.setattr(models.scoring, "_predict", None)
    monkeypatch.setattr(workflow.evidence, "make", None)
    found = workflow.explain(played, cards.workspace, flagged_case(played), now_ms=NOW)
    assert found["lime_local"]["verdict"] in ("good", "weak", "do not use")


def test_a_stored_explanation_is_replayed_to_the_same_bytes(
    played: Store, cards: Materials
) -> None:
    instance_id = flagged_case(played)
    key = workflow.explain(played, cards.workspace, instance_id, now_ms=NOW)["key"]
    evidence.ground.cache_clear()
    found = workflow.replay_stored(played, key)
    assert (found.is_same, found.changed) == (True, [])
    assert canonical(found.body) == played.view("explanations")["body"].iloc[0]
    with pytest.raises(UnknownRowError, match="no explanation x-none"):
        workflow.replay_stored(played, "x-none")


def test_companions_are_kept_beside_the_row_and_never_enter_the_model(
    played: Store, cards: Materials
) -> None:
    instance_id = flagged_case(played)
    found = workflow.explain(played, cards.workspace, instance_id, now_ms=NOW)
    assert set(found["recipe"]["row"]) == set(found["contributions"]) == {"V4", "V14"}
    assert set(found["recipe"]["companions"]) == {"Amount", "Time"}
    amount = workflow.case(played, cards.workspace, instance_id)["features"]["Amount"]
    assert explaining.money(amount, "€") in found["cost"] or "no loss" in found["cost"]


def test_cases_flagged_for_the_same_reasons_are_the_nearest_in_contributions(
    played: Store, cards: Materials
) -> None:
    space = cards.workspace
    while workflow.explain_ahead(played, space, now_ms=NOW):
        pass
    queue = played.view("review_queue", workspace="cards", order=("-priority",))["instance_id"]
    decided(played, cards, queue[1], "fraud")
    mine = workflow.explain(played, space, queue[0], now_ms=NOW)
    theirs = workflow.explain(played, space, queue[1], now_ms=NOW)
    found = workflow.alike_cases(played, space, queue[0], mine, k=10_000).set_index("id")
    gap = [mine["contributions"][name] - theirs["contributions"][name] for name in ("V4", "V14")]
    assert found.loc[queue[1], "distance"] == pytest.approx(float(np.hypot(*gap)))
    assert found.loc[queue[1], "decision"] == "fraud"
    assert found["distance"].is_monotonic_increasing
    assert not {queue[0], queue[2]} & set(found.index)  # itself, and one that waits
    training = found[found["known_from"] == "training"]
    assert len(training) == len(mine["alike"]) == 10
    assert set(training["truth"]) <= {"fraud", "legitimate"}


def test_what_a_reviewer_saw_is_kept_word_for_word(played: Store, cards: Materials) -> None:
    instance_id = flagged_case(played)
    claimed = workflow.claim(
        played, cards.workspace, Person("mina"), now_ms=NOW, instance_id=instance_id
    )
    assert claimed is not None
    shown = {"explanation_key": "x-1", "reasons": ["V14 <b>is</b> −4", "…"], "score_shown": True}
    workflow.decide(
        played,
        cards.workspace,
        claimed,
        verdict="fraud",
        reason=REASONS["fraud"][0],
        key="one",
        shown=shown,
        now_ms=NOW,
    )
    assert workflow.seen(played, "one") == shown
    log = played.view("decision_log", workspace="cards")
    assert log["explanation_key"].tolist() == ["x-1"]
    assert workflow.seen(played, "two") is None
