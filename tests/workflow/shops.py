"""A small workspace of our own whose rows have names and gaps, with its model in a database."""

from dataclasses import replace

import numpy as np
import pandas as pd

from hitl import models, novelty, workflow
from hitl.store import Store
from hitl.workflow import Materials, Stored
from hitl.workflow.catalogue import add_model
from hitl.workflow.streaming import _first_promotion
from hitl.workspaces import CARDS

FEATURES = ("amount", "town", "age")
SHOPS = replace(
    CARDS,
    name="shops",
    features=FEATURES,
    shown=("amount", "age"),
    companions=(),
    opening_rows=0,
    outcome_delay_s=0,
    amount_column="amount",
)
TOWNS = ("Bonn", "Kiel", "Ulm")


def rows(count: int, *, first: int, seed: int) -> pd.DataFrame:
    """Rows in which a fifth of the towns and ages are missing; large amounts in Kiel are fraud."""
    rng = np.random.default_rng(seed)
    town = rng.choice(np.array([*TOWNS, None], dtype=object), count, p=[0.3, 0.25, 0.25, 0.2])
    amount = rng.gamma(2.0, 20.0, count).round(2)
    is_fraud = (amount > 55) & (town == "Kiel")
    return pd.DataFrame(
        {
            "row": np.arange(first, first + count),
            "Time": np.arange(first, first + count),
            "amount": amount,
            "town": town,
            "age": np.where(rng.random(count) < 0.2, np.nan, rng.integers(18, 80, count)),
            "Class": is_fraud.astype(int),
            "weight": 1.0,
            "origin": "real",
        }
    )


def materials() -> Materials:
    """The workspace's rows; the last two of the stream are in a town that nobody knows."""
    stream = rows(60, first=2_000, seed=1)
    stream.loc[58:, "town"] = "Rome"
    return Materials(
        workspace=SHOPS,
        training=rows(900, first=0, seed=0),
        test=rows(100, first=1_000, seed=2),
        stream=stream,
        waiting=stream.iloc[:0],
        source="made by hand",
        is_full=True,
    )


def first_model(known: Materials) -> Stored:
    training = known.training
    model = models.fit(
        training, features=FEATURES, categorical=("town",), rounds=30, seed=0, budget=0.02
    )
    detector = novelty.fit(training, features=FEATURES, categorical=("town",), seed=0)
    return Stored(model.model_id, model, detector)


def played(store: Store, known: Materials, current: Stored, *, now_ms: int) -> None:
    """Keep the model as champion and play the whole stream."""

    def seeded(work) -> None:
        add_model(work, SHOPS.name, current.model, current.detector, trained_by="us", now_ms=now_ms)
        work.append("promotions", [_first_promotion(SHOPS.name, current.model_id, now_ms)])

    store.write(seeded)
    workflow.ingest(store, known, len(known.stream), now_ms=now_ms, audit_share=0.2)
