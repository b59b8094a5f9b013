"""What was planted in the simulated payments is what their explanations say."""

import numpy as np
import pandas as pd

from hitl import explain, models, workflow
from hitl.workflow import Materials, Stored

GROUP_OF = {1: "amount", 2: "terminal", 3: "customer"}


def test_the_planted_kind_of_fraud_is_among_the_first_two_reasons(
    payments: Materials, payments_champion: Stored
) -> None:
    rows = pd.concat([payments.test, payments.stream], ignore_index=True)
    frauds = rows[rows["is_fraud"] == 1]
    caught = frauds[models.flagged(payments_champion.model, frauds)]
    named: dict[int, list[bool]] = {scenario: [] for scenario in GROUP_OF}
    for place, scenario in enumerate(caught["scenario"]):
        row = caught.iloc[[place]]
        recipe = workflow.recipe(payments_champion, row, payments.workspace, method="shap")
        told = workflow.make(payments_champion, recipe)["told"]
        first = [one["group"] for one in told if one["direction"] == "raises"][:2]
        named[int(scenario)].append(GROUP_OF[int(scenario)] in first)
    assert min(len(found) for found in named.values()) >= 10
    assert sum(map(sum, named.values())) >= 0.9 * len(caught)
    assert all(np.mean(found) >= 0.9 for found in named.values()), named


def test_deleting_our_three_reasons_lowers_the_score_more_than_deleting_limes(
    payments: Materials, payments_champion: Stored
) -> None:
    base = workflow.ground(payments_champion)
    flagged = payments.test[models.flagged(payments_champion.model, payments.test)]
    cases = base.face.encode(flagged.head(40))
    contributions = base.split(cases)
    stock = explain.shared_lime(base.face, cases, base.samples(5_000, (0,)))
    weights = np.array([[one.weights[name] for name in base.face.features] for one in stock])
    ours, theirs = (
        explain.deletion(
            base.face, cases, base.background, explain.positive_tops(table, 3), seed=0
        ).mean()
        for table in (contributions, weights)
    )
    assert ours >= theirs
    assert ours > 1
