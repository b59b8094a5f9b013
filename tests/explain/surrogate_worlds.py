"""Small models to explain: the cards' own trees, and functions whose answer is known by hand."""

from pathlib import Path

import numpy as np
import pandas as pd

from hitl import models, workflow
from hitl.explain import Scorer, scorer
from hitl.workspaces import CARDS

DATA = Path(__file__).parents[2] / "data"


def cards():
    """The card model, its training rows, and every known fraud it has not learned from."""
    found = workflow.materials(CARDS, DATA)
    model = models.fit(found.training, features=CARDS.features, weight=CARDS.weight_column)
    later = pd.concat([found.test, found.stream])
    frauds = later[later["Class"] == 1]
    return scorer(model), found.training[list(CARDS.features)], frauds[list(CARDS.features)]


def straight(weights, *, name="line", base=-1.0):
    """A model whose log-odds are a straight line, so that every explanation is known."""
    weights = np.asarray(weights, dtype=float)
    features = tuple(f"x{i}" for i in range(len(weights)))
    return Scorer(
        name=name,
        features=features,
        encode=lambda rows: rows[list(features)].to_numpy(float),
        odds=lambda values: base + values @ weights,
        threshold=0.5,
        split=lambda values: (base, values * weights),
    )


CHANNELS = ("web", "shop", "phone")


def mixed():
    """A model on a number that may be missing, a category, and a column that never changes."""

    def encode(rows):
        codes = pd.Index(CHANNELS).get_indexer(rows["channel"]).astype(float)
        codes[rows["channel"].isna().to_numpy()] = np.nan
        return np.column_stack([rows["age"].to_numpy(float), codes, rows["same"].to_numpy(float)])

    def odds(values):
        old = np.where(np.isnan(values[:, 0]), 3.0, np.nan_to_num(values[:, 0]) / 50)
        return old + 2.0 * (values[:, 1] == 0) - 1.0 * (values[:, 1] == -1) - 3.0

    return Scorer("mixed", ("age", "channel", "same"), encode, odds, 0.5, {"channel": CHANNELS})


def mixed_rows(n=400, seed=3):
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, n).round(1)
    age[::9] = np.nan
    channel = rng.choice(CHANNELS, n, p=[0.5, 0.3, 0.2]).astype(object)
    return pd.DataFrame({"age": age, "channel": channel, "same": 7.0})
