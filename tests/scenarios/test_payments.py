"""A payments workspace is seeded, played, decided by simulated people, explained and retrained."""

import json
from dataclasses import replace

import pytest

from hitl import workflow
from hitl.simulator import SimulatedReviewer, review
from hitl.store import Store
from hitl.workflow import Person
from hitl.workflow.materials import simulated
from hitl.workspaces import PAYMENTS, REASONS

SENIOR = Person("mina", "supervisor")
NOW = 1_790_000_000_000
SMALL = {"customers": 240, "terminals": 480, "days": 85, "burn_in": 37}
MINA = SimulatedReviewer("mina", error_rate=0.0)


@pytest.fixture(scope="module")
def payments() -> workflow.Materials:
    return simulated(replace(PAYMENTS, opening_rows=100), world=SMALL)


def test_a_payments_workspace_is_seeded_played_decided_and_retrained(
    database_url: str, payments: workflow.Materials
) -> None:
    with Store(database_url) as store:
        first = workflow.seed(store, payments, seed=0, novelty_rate=0.001, now_ms=NOW)
        counts = store.view("loop_counts", workspace="payments").iloc[0]
        assert counts["scored"] == 100

        # Up to the third night of corporate travel: it waits for review, flagged and novel.
        travel = payments.stream["segment"] == "corporate travel"
        played = int(travel.to_numpy().nonzero()[0][40])
        workflow.ingest(store, payments, played - 100, now_ms=NOW)
        seen = store.view("scored_instances", workspace="payments", order=("step",))
        away = travel.to_numpy()[: len(seen)]
        assert (seen.loc[away, "state"] == "novel and flagged").mean() > 0.6
        assert seen.loc[away, "is_novel"].mean() > 0.9
        assert seen.loc[~away, "is_novel"].mean() < 0.03

        # Groups are kept for Fairness; what was planted is kept from everybody.
        kept = json.loads(seen["features"].iloc[0])
        assert set(kept) == {*PAYMENTS.features, *PAYMENTS.companions, *PAYMENTS.sensitive}
        assert json.loads(seen.loc[away, "features"].iloc[0])["age_band"] is None

        # The most urgent twenty cases are decided by somebody who does not slip.
        decided = [_decide_next(store, payments) for _ in range(20)]
        evidence = workflow.explain(store, payments.workspace, decided[0], now_ms=NOW)
        assert abs(evidence["residual"]) <= 1e-6
        assert set(evidence["contributions"]) == set(PAYMENTS.features)
        assert len(workflow.similar_cases(store, payments, decided[0])) == 10

        # A challenger learns from them, and is compared on the locked test set.
        challenger = workflow.retrain(store, payments, seed=0, person=SENIOR, now_ms=NOW + 1)
        assert challenger != first
        used = store.view("training_labels", model_id=challenger)
        assert set(decided) <= set(used["instance_id"])
        found = workflow.compare(store, payments, challenger, seed=0, now_ms=NOW + 2)
        assert found["test_rows"] == len(payments.test)
        assert len(workflow.changed_rows(store, payments, found)) == len(found["changed"])
        flips = workflow.flips(store, payments, challenger)
        assert {"customer", "terminal", "amount"} <= set(flips.columns)

        # It no longer flags most of the travel that comes after.
        later = payments.stream[travel].iloc[60:]
        new = workflow.predict(workflow.stored(store, challenger), later)
        old = workflow.predict(workflow.stored(store, first), later)
        assert new["is_flagged"].mean() < old["is_flagged"].mean()

        # Played to the end, every truth arrives.
        workflow.ingest(store, payments, len(payments.stream), now_ms=NOW + 3)
        workflow.ingest(store, payments, 1, now_ms=NOW + 4)
        assert len(store.view("outcomes", workspace="payments")) == len(payments.stream)


def _decide_next(store: Store, payments: workflow.Materials) -> str:
    claimed = workflow.claim(store, payments.workspace, Person(MINA.name), now_ms=NOW)
    assert claimed is not None
    step = int(claimed.instance_id.rsplit("-", 1)[1])
    row = payments.stream.iloc[[step]]
    says = review(MINA, row, row["is_fraud"])["says_positive"].iloc[0]
    verdict = payments.workspace.positive if says else payments.workspace.negative
    workflow.decide(
        store,
        payments.workspace,
        claimed,
        verdict=verdict,
        reason=REASONS[verdict][0],
        key=f"key-{claimed.instance_id}",
        now_ms=NOW,
    )
    return claimed.instance_id
