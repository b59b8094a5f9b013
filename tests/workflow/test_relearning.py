"""From labels to a challenger, its comparison, its promotion, and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from hitl import gates, models, workflow
from hitl.errors import (
    BlockedPromotionError,
    InputError,
    ModelError,
    NoChampionError,
    NothingToLearnError,
    StaleChallengerError,
)
from hitl.store import Store
from hitl.workflow import Materials, Person, relearning
from hitl.workflow.catalogue import add_model
from hitl.workspaces import CARDS, REASONS, STORY

ADA = Person("ada", "supervisor")
MINA = Person("mina", "supervisor")
NOW = 1_790_000_000_000


def decide(store: Store, rows: Materials, instance_id: str, verdict: str) -> None:
    claimed = workflow.claim(
        store, rows.workspace, Person("mina"), now_ms=NOW, instance_id=instance_id
    )
    assert claimed is not None
    workflow.decide(
        store,
        rows.workspace,
        claimed,
        verdict=verdict,
        reason=REASONS[verdict][0],
        key=f"{instance_id} {claimed.fence}",
        now_ms=NOW,
    )


def step_of(instance_id: str) -> int:
    return int(instance_id.rsplit("-", 1)[1])


def retrain(store: Store, rows: Materials, **options: Any) -> str:
    return workflow.retrain(store, rows, seed=0, person=MINA, now_ms=NOW + 1, **options)


def promote(store: Store, model_id: str, *, workspace: str = "story", reason: str = "ok") -> None:
    workflow.promote(
        store,
        workspace,
        model_id,
        person=ADA,
        reason=reason,
        now_ms=NOW + 3,
    )


def roll_back(store: Store, workspace: str = "story", reason: str = "worse") -> str:
    return workflow.roll_back(store, workspace, person=ADA, reason=reason, now_ms=NOW + 4)


def champion_id(store: Store, workspace: str = "story") -> str:
    return workflow.champion(store, workspace).model_id


def challenger_id(store: Store) -> str:
    found = store.view("model_history", workspace="story")
    (model_id,) = found.loc[found["number"].isna(), "model_id"]
    return str(model_id)


def promotions(store: Store, workspace: str = "story") -> list[tuple[object, ...]]:
    found = store.view("promotions", workspace=workspace, order=("number",))
    columns = ["number", "kind", "model_id", "replaced_id"]
    return list(found[columns].itertuples(index=False, name=None))


def keep_comparison(store: Store, challenger: str, *, champion: str, now_ms: int = NOW) -> None:
    """Keep a comparison that says that every gate is passed."""
    record = {
        "comparison_id": f"c-{champion}-{challenger}-{now_ms}",
        "workspace": "story",
        "champion_id": champion,
        "challenger_id": challenger,
        "is_passed": True,
        "body": json.dumps({"gates": []}),
        "compared_ms": now_ms,
    }
    store.append("comparisons", [record])


def add_another(store: Store, rows: Materials, seed: int) -> str:
    """Keep one more model, trained on other resampled rows."""
    drawn = rows.training.sample(frac=1.0, replace=True, random_state=seed)
    current = workflow.champion(store, "story")
    model = models.refit(current.model, drawn, weight="weight", seed=seed)
    return store.write(
        lambda work: add_model(
            work, "story", model, current.detector, trained_by="mina", now_ms=NOW
        )
    )


# --- labels


@pytest.fixture
def mixed(store: Store, cards: Materials) -> Store:
    """Cards with every kind of label: outcome alone, decision alone, both, and unsure."""
    workflow.ingest(store, cards, 1_000, now_ms=NOW, audit_share=0.02)
    arrived = set(store.view("outcomes", workspace="cards")["instance_id"])
    queue = store.view("review_queue", workspace="cards", order=("step",))["instance_id"]
    early = [one for one in queue if one in arrived]
    late = [one for one in queue if one not in arrived]
    truth = {True: "fraud", False: "legitimate"}
    wrong = truth[not bool(cards.stream["Class"].iloc[step_of(early[0])])]
    decide(store, cards, early[0], wrong)
    decide(store, cards, early[1], "unsure")
    decide(store, cards, late[0], "fraud")
    decide(store, cards, late[1], "unsure")
    return store


def by_source(store: Store) -> dict[str, list[str]]:
    found = store.view("decisions", workspace="cards", order=("instance_id",))
    arrived = set(store.view("outcomes", workspace="cards")["instance_id"])
    return {
        f"{'early' if is_early else 'late'} {'unsure' if unsure else 'sure'}": [
            instance_id
            for instance_id, verdict in zip(found["instance_id"], found["verdict"], strict=True)
            if (instance_id in arrived) is is_early and (verdict == "unsure") is unsure
        ]
        for is_early in (True, False)
        for unsure in (True, False)
    }


def test_an_outcome_stands_above_a_decision_and_unsure_never_trains(
    mixed: Store, cards: Materials
) -> None:
    labels = workflow.labelled_rows(mixed, cards).set_index("instance_id")
    which = by_source(mixed)
    truth = cards.stream["Class"]
    (overruled,) = which["early sure"]
    (decided,) = which["late sure"]
    (unsure_early,) = which["early unsure"]
    (unsure_late,) = which["late unsure"]
    assert labels.loc[overruled, "Class"] == truth.iloc[step_of(overruled)]
    assert labels.loc[[overruled, decided], "is_reviewed"].tolist() == [True, True]
    assert labels.loc[[overruled, decided], "source"].tolist() == ["outcome", "reviewer"]
    assert labels.loc[decided, "Class"] == 1
    assert labels.loc[overruled, "decided_positive"] == (labels.loc[overruled, "Class"] == 0)
    assert labels.loc[decided, "decided_positive"] is True
    assert pd.isna(labels.loc[unsure_early, "decided_positive"])
    assert labels.loc[unsure_early, "Class"] == truth.iloc[step_of(unsure_early)]
    assert not labels.loc[unsure_early, "is_reviewed"]
    assert unsure_late not in labels.index


def test_labelled_rows_are_the_streams_rows_with_their_weights_and_ids_of_their_own(
    mixed: Store, cards: Materials
) -> None:
    labels = workflow.labelled_rows(mixed, cards)
    rows = cards.stream.iloc[[step_of(one) for one in labels["instance_id"]]]
    for name in ("V4", "V14", "weight"):
        assert labels[name].tolist() == rows[name].tolist()
    assert labels["row"].is_unique
    assert labels["row"].max() < 0 <= cards.training["row"].min()
    arrived = set(mixed.view("outcomes", workspace="cards")["instance_id"])
    assert set(labels["instance_id"]) == arrived | set(by_source(mixed)["late sure"])


def test_without_labels_there_are_no_labelled_rows(store: Store, story: Materials) -> None:
    found = workflow.labelled_rows(store, story)
    assert found.empty
    assert {"V4", "V14", "Class", "row", "weight", "is_reviewed"} <= set(found.columns)


def test_the_gate_names_the_decision_that_its_outcome_overruled(
    mixed: Store, cards: Materials
) -> None:
    (overruled,) = by_source(mixed)["early sure"]
    found = workflow.compare(mixed, cards, retrain(mixed, cards), seed=0, now_ms=NOW)
    gate = next(gate for gate in found["gates"] if gate["name"] == "Reviewed rows repaired")
    assert gate["evidence"]["overruled"] == [overruled]
    assert "reviewed rows get their label (the outcome where it has arrived" in gate["sentence"]
    assert gate["sentence"].endswith("1 decision was overruled by the outcome.")
    kept = mixed.view("comparisons", workspace="cards")["body"].iloc[0]
    assert json.loads(kept)["gates"][1] == gate


# --- training a challenger


def test_nothing_new_is_refused_with_what_to_do(store: Store, story: Materials) -> None:
    with pytest.raises(NothingToLearnError, match="nothing new") as refused:
        retrain(store, story)
    assert "Decide a case" in refused.value.hint
    assert len(store.view("models", workspace="story")) == 1


def test_unsure_decisions_alone_are_nothing_to_learn_from(store: Store, story: Materials) -> None:
    for number in range(2):
        decide(store, story, f"story-w-{number}", "unsure")
    with pytest.raises(NothingToLearnError, match="nothing new"):
        retrain(store, story)


def test_a_decision_that_was_taken_back_is_nothing_to_learn_from(
    store: Store, story: Materials
) -> None:
    decide(store, story, "story-w-3", "legitimate")
    workflow.undo(store, STORY, Person("mina"), now_ms=NOW)
    with pytest.raises(NothingToLearnError):
        retrain(store, story)


def test_a_challenger_continues_the_champion_and_is_not_yet_in_use(
    learned_store: Store, story: Materials
) -> None:
    old, new = champion_id(learned_store), challenger_id(learned_store)
    kept = workflow.stored(learned_store, new)
    before = workflow.stored(learned_store, old).model
    assert kept.model.card["method"] == "continue"
    assert kept.model.card["parent"] == old
    assert kept.model.card["reviewed_rows"] == 16
    assert (kept.model.threshold, kept.model.slope) == (before.threshold, before.slope)
    row = learned_store.view("models", model_id=new).iloc[0]
    assert (row["parent_id"], row["trained_by"], row["trained_ms"]) == (old, "mina", NOW + 1)
    assert models.booster(kept.model).num_trees() == (
        models.booster(before).num_trees() + kept.model.card["added_rounds"]
    )


def test_every_reviewed_case_gets_its_label(learned_store: Store, story: Materials) -> None:
    labels = workflow.labelled_rows(learned_store, story)
    reviewed = labels[labels["is_reviewed"]]
    new = workflow.stored(learned_store, challenger_id(learned_store)).model
    assert len(reviewed) == 16
    assert models.flagged(new, reviewed).tolist() == (reviewed["Class"] == 1).tolist()


def test_the_labels_a_challenger_was_trained_on_are_kept_with_it(
    mixed: Store, cards: Materials
) -> None:
    labels = workflow.labelled_rows(mixed, cards).set_index("instance_id")
    model_id = retrain(mixed, cards)
    used = mixed.view("training_labels", model_id=model_id).set_index("instance_id")
    assert set(used.index) == set(labels.index)
    assert used["is_positive"].to_dict() == (labels["Class"] == 1).to_dict()
    assert used["source"].to_dict() == labels["source"].to_dict()
    assert set(used["workspace"]) == {"cards"}
    assert workflow.stored(mixed, model_id).model.card["reviewed_rows"] == 2


def test_each_reviewed_case_knows_which_model_learned_from_it(
    learned_store: Store, story: Materials
) -> None:
    used = learned_store.view("case_events", workspace="story", kind="label used")
    decided = learned_store.view("decisions", workspace="story")
    trained = learned_store.view("training_labels", workspace="story")
    assert sorted(used["instance_id"]) == sorted(decided["instance_id"])
    assert set(used["model_id"]) == set(trained["model_id"])
    assert set(used["reviewer"]) == {"mina"}
    assert workflow.verify(learned_store, "story").valid


def test_a_case_that_few_copies_leave_unrepaired_is_copied_more_often(
    store: Store, story: Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(store, story, "story-w-0", "legitimate")
    monkeypatch.setattr(relearning, "COPIES", (1,))
    stuck = workflow.stored(store, retrain(store, story)).model
    monkeypatch.setattr(relearning, "COPIES", (1, 20, 40))
    learned = workflow.stored(store, retrain(store, story)).model
    assert (stuck.card["copies"], stuck.card["repaired"]) == (1, False)
    assert (learned.card["copies"], learned.card["repaired"]) == (20, True)


def test_outcomes_alone_are_enough_to_train_a_challenger(store: Store, cards: Materials) -> None:
    workflow.ingest(store, cards, 600, now_ms=NOW)
    outcomes = store.view("outcomes", workspace="cards")
    said: list[str] = []
    model_id = retrain(store, cards, progress=lambda share, sentence: said.append(sentence))
    card = workflow.stored(store, model_id).model.card
    assert card["rows"] == len(cards.training) + len(outcomes)
    assert card["parent"] == champion_id(store, "cards")
    assert any(f"{card['rows']:,} rows" in sentence for sentence in said)
    found = workflow.compare(store, cards, model_id, seed=0, now_ms=NOW)
    repaired = next(gate for gate in found["gates"] if gate["name"] == "Reviewed rows repaired")
    assert repaired["passed"]
    assert repaired["evidence"]["reviewed"] == 0


def test_the_same_labels_and_seed_train_the_same_challenger_which_is_kept_once(
    learned_store: Store, story: Materials
) -> None:
    tables = ("models", "training_labels")
    before = {table: learned_store.view(table) for table in tables}
    assert retrain(learned_store, story) == challenger_id(learned_store)
    for table in tables:
        pd.testing.assert_frame_equal(learned_store.view(table), before[table])


def test_progress_rises_and_says_what_is_done(mixed: Store, cards: Materials) -> None:
    told: list[tuple[float, str]] = []
    model_id = retrain(mixed, cards, progress=lambda *news: told.append(news))
    workflow.compare(
        mixed, cards, model_id, seed=0, now_ms=NOW, progress=lambda *news: told.append(news)
    )
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (min(shares), max(shares)) == (0.1, 1.0)
    assert told[0][1] == "Adding trees for 2 reviewed cases"
    assert all(sentence for _, sentence in told)


def test_a_workspace_without_a_champion_cannot_learn(tmp_path: Path, story: Materials) -> None:
    with Store(str(tmp_path / "empty.duckdb")) as store:
        with pytest.raises(NothingToLearnError):
            retrain(store, story)
        with pytest.raises(NoChampionError):
            workflow.compare(store, story, "m-none", seed=0, now_ms=NOW)


# --- comparing


def comparison(store: Store) -> dict[str, Any]:
    kept = store.view("comparisons", workspace="story")
    return dict(json.loads(kept["body"].iloc[0]))


def test_both_models_are_measured_on_the_locked_test_rows(
    learned_store: Store, story: Materials
) -> None:
    found = comparison(learned_store)
    table = pd.DataFrame(found["metrics"])
    natural = table[table["test_set"] == "natural"].set_index("metric").loc["average_precision"]
    for side, model_id in (
        ("champion", champion_id(learned_store)),
        ("challenger", challenger_id(learned_store)),
    ):
        model = workflow.stored(learned_store, model_id).model
        score = models.raw_scores(model, story.test)
        wanted = average_precision_score(
            story.test["Class"], score, sample_weight=story.test["weight"]
        )
        assert natural[side] == pytest.approx(wanted, abs=1e-6)
        assert found[f"{side}_id"] == model_id
    assert set(table["test_set"]) == {"balanced", "natural"}
    assert found["test_rows"] == len(story.test)
    assert found["test_positives"] == story.test["Class"].sum()
    json.dumps(found, allow_nan=False)


def test_a_comparison_is_kept_with_its_gates_and_their_evidence(
    learned_store: Store, story: Materials
) -> None:
    kept = learned_store.view("comparisons", workspace="story").iloc[0]
    found = comparison(learned_store)
    assert bool(kept["is_passed"]) is found["is_passed"] is True
    assert (kept["champion_id"], kept["challenger_id"]) == (
        champion_id(learned_store),
        challenger_id(learned_store),
    )
    assert [gate["passed"] for gate in found["gates"]] == [True] * 5
    assert all(gate["sentence"] and gate["evidence"] for gate in found["gates"])


def test_every_test_row_whose_verdict_changes_is_listed_with_both_probabilities(
    store: Store, story: Materials
) -> None:
    other = add_another(store, story, seed=3)
    found = workflow.compare(store, story, other, seed=0, now_ms=NOW)
    before, after = (
        models.probabilities(workflow.stored(store, one).model, story.test)
        for one in (champion_id(store), other)
    )
    cut = workflow.champion(store, "story").model.threshold
    differs = (before >= cut) != (after >= cut)
    rows = workflow.changed_rows(store, story, found)
    assert differs.any()
    assert sorted(rows["row"]) == sorted(story.test.loc[differs, "row"])
    for row in rows.itertuples():
        place = story.test["row"].tolist().index(row.row)
        assert row.truth == story.test["Class"].iloc[place]
        assert row.champion_probability == pytest.approx(before[place])
        assert row.challenger_probability == pytest.approx(after[place])
        is_right = (after[place] >= cut) == (row.truth == 1)
        assert row.change == ("newly right" if is_right else "newly wrong")
    assert list(rows["change"]) == sorted(rows["change"], reverse=True)


def test_models_that_agree_on_every_test_row_change_none(store: Store, story: Materials) -> None:
    found = workflow.compare(store, story, champion_id(store), seed=0, now_ms=NOW)
    assert found["changed"] == []
    rows = workflow.changed_rows(store, story, found)
    assert rows.empty
    assert {"row", "change", "truth", "champion_probability"} <= set(rows.columns)


def test_a_model_compared_with_itself_is_not_promoted(store: Store, story: Materials) -> None:
    found = workflow.compare(store, story, champion_id(store), seed=0, now_ms=NOW)
    assert not found["is_passed"]
    with pytest.raises(BlockedPromotionError, match="one and the same model"):
        promote(store, champion_id(store))


def test_stream_cases_that_flip_are_those_whose_verdict_differs(
    learned_store: Store, story: Materials
) -> None:
    found = workflow.flips(learned_store, story, challenger_id(learned_store))
    assert set(found["instance_id"]) == {
        *(f"story-1-{step}" for step in (9, 10, 11)),
        *(f"story-w-{number}" for number in range(12)),
    }
    assert set(found["change"]) == {"no longer flagged"}
    assert set(found["verdict"]) == {"legitimate"}
    assert (found["champion_probability"] > found["challenger_probability"]).all()
    assert found["instance_id"].tolist()[:3] == ["story-1-11", "story-1-10", "story-1-9"]


def test_flips_look_at_the_newest_cases_only(learned_store: Store, story: Materials) -> None:
    new = challenger_id(learned_store)
    newest = workflow.flips(learned_store, story, new, limit=5)  # steps 14 to 10
    assert newest["instance_id"].tolist() == ["story-1-11", "story-1-10"]
    assert workflow.flips(learned_store, story, new, limit=3).empty


def test_flips_show_what_a_person_knows_of_the_case(mixed: Store, cards: Materials) -> None:
    model_id = retrain(mixed, cards)
    found = workflow.flips(mixed, cards, model_id)
    rows = cards.stream.iloc[[step_of(one) for one in found["instance_id"]]]
    assert found["Amount"].tolist() == rows["Amount"].tolist()
    before, after = (
        models.flagged(model, cards.stream.iloc[:1_040])
        for model in (workflow.champion(mixed, "cards").model, _model(mixed, model_id))
    )
    assert sorted(map(step_of, found["instance_id"])) == np.flatnonzero(before != after).tolist()
    for instance_id, change in zip(found["instance_id"], found["change"], strict=True):
        is_flagged = after[step_of(instance_id)]
        assert change == ("newly flagged" if is_flagged else "no longer flagged")


def _model(store: Store, model_id: str) -> models.Model:
    return workflow.stored(store, model_id).model


def test_an_empty_stream_flips_nothing(store: Store, story: Materials) -> None:
    store.forget("story")
    workflow.seed(store, story, seed=0, novelty_rate=0.001, now_ms=NOW)
    assert workflow.flips(store, story, champion_id(store)).empty


def test_an_unknown_challenger_is_named(store: Store, story: Materials) -> None:
    with pytest.raises(ModelError, match="no model m-none"):
        workflow.compare(store, story, "m-none", seed=0, now_ms=NOW)
    assert store.view("comparisons").empty


# --- promoting


def test_a_challenger_that_passed_becomes_the_champion(
    learned_store: Store, story: Materials
) -> None:
    old, new = champion_id(learned_store), challenger_id(learned_store)
    promote(learned_store, new, reason="  every gate is passed ")
    assert champion_id(learned_store) == new
    row = learned_store.view("champions", workspace="story").iloc[0]
    assert row["reason"] == "every gate is passed"
    assert row["promoted_by"] == "ada"
    assert row["comparison_id"] == learned_store.view("comparisons")["comparison_id"].iloc[0]
    assert promotions(learned_store) == [(1, "seed", old, ""), (2, "promote", new, old)]
    workflow.ingest(learned_store, story, 5, now_ms=NOW)
    live = learned_store.view("scored_instances", workspace="story", order=("-step",), limit=5)
    assert set(live["model_id"]) == {new}


def test_after_a_promotion_nothing_is_new_until_a_label_is(
    learned_store: Store, story: Materials
) -> None:
    assert not learned_store.view("new_labels", workspace="story").empty
    promote(learned_store, challenger_id(learned_store))
    assert learned_store.view("new_labels", workspace="story").empty
    with pytest.raises(NothingToLearnError):
        retrain(learned_store, story)
    workflow.ingest(learned_store, story, 5, now_ms=NOW)
    assert set(learned_store.view("new_labels", workspace="story")["source"]) == {"outcome"}


def test_a_label_that_turns_round_is_new_again(mixed: Store, cards: Materials) -> None:
    model_id = retrain(mixed, cards)
    (instance_id,) = by_source(mixed)["late sure"]
    used = mixed.view("training_labels", model_id=model_id).set_index("instance_id")
    assert used.loc[instance_id, "is_positive"]
    record = {"workspace": "cards", "number": 2, "kind": "promote", "model_id": model_id}
    record |= {"replaced_id": champion_id(mixed, "cards"), "comparison_id": "", "reason": "."}
    mixed.append("promotions", [{**record, "promoted_by": "ada", "promoted_ms": NOW}])
    assert mixed.view("new_labels", workspace="cards").empty
    outcome = {"instance_id": instance_id, "workspace": "cards", "is_positive": False}
    mixed.append("outcomes", [{**outcome, "source": "outcome", "arrived_ms": NOW}])
    new = mixed.view("new_labels", workspace="cards")
    assert new["instance_id"].tolist() == [instance_id]


def test_a_model_that_was_not_compared_is_not_promoted(store: Store, story: Materials) -> None:
    other = add_another(store, story, seed=3)
    with pytest.raises(BlockedPromotionError, match=f"{other} has not been compared") as refused:
        promote(store, other)
    assert refused.value.hint
    assert len(promotions(store)) == 1


def test_a_failing_gate_blocks_with_the_gates_own_sentence(
    learned_store: Store, story: Materials
) -> None:
    old = champion_id(learned_store)
    labels = workflow.labelled_rows(learned_store, story)
    reviewed = labels[labels["is_reviewed"]]
    current = workflow.champion(learned_store, "story")
    naive = models.refit(
        current.model, story.training, reviewed.iloc[:3], weight="weight", sample_weight=100.0
    )
    model_id = learned_store.write(
        lambda work: add_model(
            work, "story", naive, current.detector, trained_by="mina", now_ms=NOW
        )
    )
    found = workflow.compare(learned_store, story, model_id, seed=0, now_ms=NOW + 2)
    failed = [gate["sentence"] for gate in found["gates"] if not gate["passed"]]
    assert gates.KEEP_VERDICTS in [g["name"] for g in found["gates"] if not g["passed"]]
    with pytest.raises(BlockedPromotionError) as refused:
        promote(learned_store, model_id)
    assert all(sentence in refused.value.message for sentence in failed)
    assert champion_id(learned_store) == old


def test_a_challenger_compared_with_an_earlier_champion_is_stale(
    learned_store: Store, story: Materials
) -> None:
    old, new = champion_id(learned_store), challenger_id(learned_store)
    other = add_another(learned_store, story, seed=3)
    keep_comparison(learned_store, other, champion=old)
    promote(learned_store, new)
    with pytest.raises(StaleChallengerError) as refused:
        promote(learned_store, other)
    assert old in refused.value.message
    assert new in refused.value.message
    assert champion_id(learned_store) == new


def test_pressing_promote_twice_promotes_once(learned_store: Store) -> None:
    new = challenger_id(learned_store)
    promote(learned_store, new)
    with pytest.raises(StaleChallengerError):
        promote(learned_store, new)
    assert len(promotions(learned_store)) == 2


def test_only_the_newest_comparison_of_a_challenger_counts(learned_store: Store) -> None:
    old, new = champion_id(learned_store), challenger_id(learned_store)
    body = json.dumps({"gates": [{"passed": False, "sentence": "Two frauds are lost."}]})
    newer: dict[str, Any] = {"comparison_id": "c-newer", "workspace": "story", "champion_id": old}
    newer |= {"challenger_id": new, "is_passed": False, "body": body}
    learned_store.append("comparisons", [{**newer, "compared_ms": NOW + 99}])
    with pytest.raises(BlockedPromotionError, match=r"Two frauds are lost\."):
        promote(learned_store, new)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_promotion_and_a_roll_back_need_a_reason(learned_store: Store, reason: str) -> None:
    new = challenger_id(learned_store)
    with pytest.raises(InputError, match="needs a reason"):
        promote(learned_store, new, reason=reason)
    assert len(promotions(learned_store)) == 1
    promote(learned_store, new)
    with pytest.raises(InputError, match="needs a reason"):
        roll_back(learned_store, reason=reason)
    assert champion_id(learned_store) == new


# --- rolling back


def test_rolling_back_puts_the_predecessor_in_use_and_deletes_nothing(
    learned_store: Store, story: Materials
) -> None:
    old, new = champion_id(learned_store), challenger_id(learned_store)
    promote(learned_store, new)
    assert roll_back(learned_store) == old == champion_id(learned_store)
    assert promotions(learned_store)[-1] == (3, "roll back", old, new)
    assert workflow.stored(learned_store, new).model_id == new
    assert not learned_store.view("new_labels", workspace="story").empty


def test_the_first_model_has_no_predecessor_even_after_a_roll_back(learned_store: Store) -> None:
    for _ in range(2):
        with pytest.raises(InputError, match="first model"):
            roll_back(learned_store)
        if len(promotions(learned_store)) == 1:
            promote(learned_store, challenger_id(learned_store))
            roll_back(learned_store)
    assert len(promotions(learned_store)) == 3


def test_rolling_back_twice_goes_back_two_models(learned_store: Store, story: Materials) -> None:
    first, second = champion_id(learned_store), challenger_id(learned_store)
    third = add_another(learned_store, story, seed=3)
    promote(learned_store, second)
    keep_comparison(learned_store, third, champion=second)
    promote(learned_store, third)
    assert [roll_back(learned_store), roll_back(learned_store)] == [second, first]
    keep_comparison(learned_store, third, champion=first, now_ms=NOW + 9)
    promote(learned_store, third)
    assert roll_back(learned_store) == first  # what it replaced the last time


def test_a_workspace_without_a_model_has_nothing_to_roll_back(tmp_path: Path) -> None:
    with (
        Store(str(tmp_path / "empty.duckdb")) as store,
        pytest.raises(InputError, match="none to go back to"),
    ):
        roll_back(store, "cards")


def test_the_history_lists_every_model_with_each_promotion(learned_store: Store) -> None:
    old, new = champion_id(learned_store), challenger_id(learned_store)
    promote(learned_store, new, reason="passes")
    roll_back(learned_store, reason="too many alerts")
    found = learned_store.view("model_history", workspace="story", order=("number",))
    columns = ["model_id", "kind", "reason", "parent_id", "is_champion"]
    assert list(found[columns].itertuples(index=False, name=None)) == [
        (old, "seed", "first model of the workspace", "", False),
        (new, "promote", "passes", old, False),
        (old, "roll back", "too many alerts", "", True),
    ]


@pytest.mark.postgres
def test_the_same_steps_give_the_same_models_on_a_server(
    postgres_copy: str, learned: Path, story: Materials, tmp_path: Path
) -> None:
    with Store(str(learned)) as file:
        wanted = challenger_id(file)
    with Store(postgres_copy) as store:
        workflow.ingest(store, story, 15, now_ms=NOW)
        while claimed := workflow.claim(store, STORY, Person("mina"), now_ms=NOW):
            verdict = "fraud" if claimed.instance_id == "story-1-3" else "legitimate"
            decide(store, story, claimed.instance_id, verdict)
        assert retrain(store, story) == wanted
        workflow.compare(store, story, wanted, seed=0, now_ms=NOW)
        old = champion_id(store)
        promote(store, wanted)
        assert roll_back(store) == old
        assert len(workflow.flips(store, story, wanted)) == 15
        assert CARDS.name in set(store.view("champions")["workspace"])
