import itertools
import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl import models
from hitl.explain import attribution
from hitl.explain.differences import STATUSES, differences

PARTS = {"V14": 4.0, "V4": 1.0, "V10": -0.5}


def evidence(parts=PARTS, base=-3.0, threshold=0.62):
    score = base + sum(parts.values())
    return {
        "contributions": parts,
        "base_value": base,
        "score": score,
        "probability": float(models.sigmoid(np.array(score))),
        "threshold": threshold,
    }


def status(old, new, feature="V14"):
    """The status of one feature beside a second one that stays as it is."""
    found = differences(evidence({"V1": 2.0, feature: old}), evidence({"V1": 2.0, feature: new}))
    return {line.feature: line.status for line in found.table}[feature]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (1.0, 2.0, "stronger"),
        (-1.0, -2.0, "stronger"),
        (2.0, 1.0, "weaker"),
        (-2.0, -1.0, "weaker"),
        (0.0, 1.0, "new reason"),
        (0.05, 1.0, "new reason"),
        (1.0, 0.05, "dropped"),
        (-1.0, 0.0, "dropped"),
        (1.0, -1.0, "turned"),
        (-1.0, 0.01, "turned"),
        (-1.0, 0.001, "dropped"),
        (1.0, 1.004, "little changed"),
        (0.02, 0.09, "little changed"),
        (0.0, 0.0, "little changed"),
    ],
)
def test_each_feature_has_a_status(old, new, expected):
    assert status(old, new) == expected
    assert expected in STATUSES


def test_the_table_lists_changes_largest_first_with_ranks():
    found = differences(evidence(), evidence({"V14": 2.0, "V4": 2.5, "V10": -0.5}))
    lines = [(one.feature, one.change, one.rank_old, one.rank_new) for one in found.table]
    assert lines == [("V14", -2.0, 1, 2), ("V4", 1.5, 2, 1), ("V10", 0.0, 3, 3)]


def test_a_feature_that_one_model_lacks_counts_nothing_there_and_has_no_rank():
    found = differences(evidence(), evidence({"V14": 4.0, "Amount": 2.0}))
    lines = {one.feature: one for one in found.table}
    assert (lines["Amount"].old, lines["Amount"].rank_old, lines["Amount"].rank_new) == (0, None, 2)
    assert (lines["V4"].status, lines["V4"].rank_new) == ("dropped", None)
    assert found.residual <= 1e-12


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            evidence(),
            evidence({"V14": 2.5, "V4": 2.0, "V10": -0.5}),
            "Both flag it (0.818, now 0.731). The new model leans less on V14 and more on V4.",
        ),
        (
            evidence(),
            evidence({"V14": 0.5, "V4": 1.0, "V10": -0.5}),
            "The verdict flips: the old model flags it, giving 0.818 (limit 0.62); the new one "
            "does not, giving 0.119 (limit 0.62). The new model leans less on V14.",
        ),
        (
            evidence({"V14": 0.5, "V4": 1.0, "V10": -0.5}),
            evidence(threshold=0.5),
            "The verdict flips: the old model does not flag it, giving 0.119 (limit 0.62); the new "
            "one does, giving 0.818 (limit 0.5). The new model leans more on V14.",
        ),
        (
            evidence({"V14": -1.0, "V4": 1.0}),
            evidence({"V14": 1.0, "V4": 1.0}),
            "Neither flags it (0.0474, now 0.269). The new model reads V14 the other way.",
        ),
        (
            evidence({"V14": 0.5, "V4": 1.0}, threshold=0.9),
            evidence({"V14": 0.5, "V4": 1.0}, threshold=0.8),
            "Neither flags it: 0.182 (limit 0.9), now 0.182 (limit 0.8). The reasons are the same.",
        ),
        (
            evidence(),
            evidence(base=-2.0),
            "Both flag it (0.818, now 0.924). The reasons are the same; only the starting point "
            "moved.",
        ),
        (
            evidence(),
            evidence({"V14": 4.5, "V4": 1.0, "V10": -0.5}, base=-2.0),
            "Both flag it (0.818, now 0.953). Most of the change is the new model's starting point."
            " The new model leans more on V14.",
        ),
        (
            evidence({"V1": 2.0, "V2": 2.0, "V3": 2.0, "V4": 1.0, "V5": -1.0}),
            evidence({"V1": 1.0, "V2": 1.1, "V3": 1.2, "V4": 2.0, "V5": 1.0}),
            "Both flag it (0.953, now 0.964). The new model leans less on V1, V2 and more on V4 "
            "and reads V5 the other way.",
        ),
    ],
)  # fmt: skip
def test_one_sentence_says_what_a_reviewer_needs(old, new, sentence):
    assert differences(old, new).sentence == sentence


def test_features_are_called_by_the_names_given():
    names = {"V14": "V14 (−6.6, lower than 99 % of legitimate payments)"}
    found = differences(evidence(), evidence(PARTS | {"V14": 2.5}), names=names)
    assert found.sentence.endswith(
        "The new model leans less on V14 (−6.6, lower than 99 % of legitimate payments)."
    )


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(-5, 5)),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(-5, 5)),
    st.floats(-5, 5),
)
def test_changes_add_up_and_sentences_read_well_whatever_changes(old, new, base):
    one, two = evidence(old), evidence(new, base=base)
    found = differences(one, two)
    assert found.residual <= 1e-9
    assert found.score_change == pytest.approx(found.base_change + found.contributions_change)
    assert found.contributions_change == pytest.approx(sum(new.values()) - sum(old.values()))
    flags = [e["probability"] >= e["threshold"] for e in (one, two)]
    assert found.flipped == (flags[0] != flags[1])
    assert "  " not in found.sentence
    assert found.sentence.endswith(".")


def test_two_fitted_models_are_compared_with_a_receipt():
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(rng.normal(size=(900, 3)), columns=["V4", "V14", "V1"])
    chance = 1 / (1 + np.exp(3 + 2 * rows["V14"]))
    rows["Class"] = (rng.random(900) < chance).astype(int)
    old = models.fit(rows.iloc[:700], features=("V4", "V14"), budget=0.05, rounds=30)
    new = models.fit(rows.iloc[200:], features=("V4", "V14", "V1"), budget=0.02, rounds=40)
    for i in range(10):
        pair = []
        for model in (old, new):
            whole = asdict(attribution(model, rows.iloc[[i]]))
            pair.append(whole | {"threshold": model.threshold})
        found = differences(*pair)
        assert found.residual <= 1e-10
        assert {one.feature for one in found.table} == {"V4", "V14", "V1"}
        assert found.score_change == pytest.approx(pair[1]["score"] - pair[0]["score"])


def test_a_difference_can_be_stored_as_it_is():
    found = differences(evidence(), evidence({"V1": 2.0}))
    again = json.loads(json.dumps(asdict(found), allow_nan=False))
    assert again["table"][0]["feature"] == found.table[0].feature
    assert again["sentence"] == found.sentence


def test_evidence_that_lacks_a_piece_is_a_wrong_call():
    for name in ("contributions", "base_value", "score", "probability", "threshold"):
        short = {key: value for key, value in evidence().items() if key != name}
        for pair in itertools.permutations((short, evidence())):
            with pytest.raises(KeyError, match=name):
                differences(*pair)
