"""The whole loop, as a person walks it, on both engines; only the URL differs."""

from pathlib import Path

import pytest

from hitl import workflow
from hitl.store import Store
from hitl.workflow import Person
from hitl.workspaces import CARDS, REASONS

ADA = Person("ada", "supervisor")
MINA = Person("mina", "supervisor")
ROOT = Path(__file__).parents[2]
NOW = 1_790_000_000_000


@pytest.fixture(scope="module")
def cards() -> workflow.Materials:
    return workflow.materials(CARDS, ROOT / "data")


def test_a_payment_is_scored_explained_decided_learned_compared_and_promoted(
    database_url: str, cards: workflow.Materials
) -> None:
    with Store(database_url) as store:
        # The first champion is trained on the earlier part of the time range.
        first = workflow.seed(store, cards, seed=0, novelty_rate=0.001, now_ms=NOW)
        assert workflow.champion(store, "cards").model_id == first

        # The later part is played; each row is there with its score, truth is held back.
        opening = store.view("loop_counts", workspace="cards").iloc[0]
        assert opening["scored"] == CARDS.opening_rows
        played = workflow.ingest(store, cards, 700, now_ms=NOW)
        counts = store.view("loop_counts", workspace="cards").iloc[0]
        assert counts["scored"] == CARDS.opening_rows + played.rows == 820
        assert opening["waiting"] + played.cases == counts["waiting"] > 5
        assert 0 < len(store.view("outcomes", workspace="cards")) < 820

        # Five cases are opened, explained and decided.
        decided = [_decide_next(store, cards) for _ in range(5)]
        assert len(set(decided)) == 5
        counts = store.view("loop_counts", workspace="cards").iloc[0]
        assert counts["decided"] == 5
        assert counts["waiting"] == opening["waiting"] + played.cases - 5

        # Their decisions and the outcomes so far train a challenger.
        challenger = workflow.retrain(store, cards, seed=0, person=MINA, now_ms=NOW + 1)
        assert challenger != first
        used = store.view("training_labels", model_id=challenger)
        assert set(decided) <= set(used["instance_id"])

        # Old and new are compared on the same rows, balanced and at natural prevalence.
        found = workflow.compare(store, cards, challenger, seed=0, now_ms=NOW + 2)
        assert {row["test_set"] for row in found["metrics"]} == {"balanced", "natural"}
        assert found["is_passed"], [g["sentence"] for g in found["gates"] if not g["passed"]]

        # The challenger is promoted and scores the next rows.
        workflow.promote(
            store,
            "cards",
            challenger,
            person=MINA,
            reason="passes",
            now_ms=NOW + 3,
        )
        workflow.ingest(store, cards, 10, now_ms=NOW + 4)
        newest = store.view("scored_instances", workspace="cards", order=("-step",), limit=10)
        assert set(newest["model_id"]) == {challenger}
        assert store.view("new_decisions", workspace="cards").empty

        # And everything can be taken back.
        assert (
            workflow.roll_back(store, "cards", person=ADA, reason="a test", now_ms=NOW + 5) == first
        )
    with Store(database_url) as store:
        assert workflow.champion(store, "cards").model_id == first
        assert store.view("loop_counts", workspace="cards").iloc[0]["scored"] == 830


def _decide_next(store: Store, cards: workflow.Materials) -> str:
    claimed = workflow.claim(store, CARDS, Person("mina"), now_ms=NOW)
    assert claimed is not None
    step = int(claimed.instance_id.rsplit("-", 1)[1])
    if step % 2:
        evidence = workflow.explain(store, cards.workspace, claimed.instance_id, now_ms=NOW)
        assert abs(evidence["residual"]) <= 1e-6
        assert len(workflow.similar_cases(store, cards, claimed.instance_id)) == 10
    verdict = "fraud" if cards.stream["Class"].iloc[step] == 1 else "legitimate"
    workflow.decide(
        store,
        CARDS,
        claimed,
        verdict=verdict,
        reason=REASONS[verdict][0],
        key=f"key-{claimed.instance_id}",
        now_ms=NOW,
    )
    return claimed.instance_id
