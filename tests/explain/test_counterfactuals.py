import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from hitl import models
from hitl.errors import EmptyDataError, FeatureMismatchError, InputError
from hitl.explain import (
    Counterfactual,
    Scorer,
    counterfactual_sentence,
    counterfactuals,
    donors,
    scorer,
)

FEATURES = ("amount", "hour", "count", "region")
REGIONS = ("north", "south", "west")


def odds_by_hand(values):
    """Flag large amounts, more so at night; the north adds, a missing hour is suspicious."""
    amount, hour, count, region = values.T
    night = np.where(np.isnan(hour), 2.0, np.where(hour < 6, 1.5, -1.0))
    return 0.02 * (amount - 150) + night + 0.2 * count + np.where(region == 0, 1.0, -0.5)


FACE = Scorer(
    "by hand",
    FEATURES,
    encode=lambda rows: rows.to_numpy(dtype=np.float64),
    odds=odds_by_hand,
    threshold=0.5,
    categories={"region": REGIONS},
)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    hour = rng.integers(0, 24, 900).astype(float)
    hour[::50] = np.nan
    return np.column_stack(
        [
            rng.gamma(2.0, 40.0, 900).round(2),
            hour,
            rng.integers(0, 6, 900),
            rng.integers(0, 3, 900),
        ]
    )


@pytest.fixture(scope="module")
def known(rows):
    return donors(FACE, rows)


@pytest.fixture(scope="module")
def flagged(rows):
    return rows[odds_by_hand(rows) > 1][:40]


@pytest.fixture(scope="module")
def passed(rows):
    return rows[odds_by_hand(rows) < -1][:40]


def code(feature, value):
    if value is None:
        return np.nan
    return float(REGIONS.index(value)) if feature == "region" else value


def applied(case, found):
    """Write an answer's changes into the case by hand."""
    row = case.copy()
    for feature, change in found.changes.items():
        i = FEATURES.index(feature)
        np.testing.assert_equal(code(feature, change["from"]), row[i])
        row[i] = code(feature, change["to"])
    return row


def test_every_answer_turns_the_verdict_of_the_function_itself(known, flagged, passed):
    for case in [*flagged, *passed]:
        before = odds_by_hand(case[None])[0] >= 0
        found = counterfactuals(FACE, case, known)
        assert 1 <= len(found) <= 3
        for answer in found:
            after = odds_by_hand(applied(case, answer)[None])[0]
            assert (after >= 0) == answer.flagged != before
            assert answer.score == after
            assert answer.probability == pytest.approx(1 / (1 + np.exp(-after)))


def test_no_answer_has_a_change_it_could_do_without(known, flagged):
    for case in flagged:
        for answer in counterfactuals(FACE, case, known):
            assert 1 <= len(answer.changes) <= 3
            for feature in answer.changes:
                row = applied(case, answer)
                row[FEATURES.index(feature)] = case[FEATURES.index(feature)]
                assert len(answer.changes) == 1 or odds_by_hand(row[None])[0] >= 0


def test_answers_differ_and_none_contains_another(known, flagged, passed):
    for case in [*flagged, *passed]:
        found = counterfactuals(FACE, case, known)
        for i, first in enumerate(found):
            for second in found[:i]:
                one, two = applied(case, first), applied(case, second)
                if set(first.changes) != set(second.changes):
                    assert not set(first.changes) > set(second.changes)
                    continue
                apart = abs(one - two)[:3] / known.scale[:3]
                assert np.nanmax(apart) >= 1 or one[3] != two[3] or np.isnan(one - two).any()


def test_answers_change_few_features_before_many_and_near_before_far(known, flagged):
    for case in flagged:
        found = counterfactuals(FACE, case, known)
        order = [(len(answer.changes), answer.distance) for answer in found]
        assert order == sorted(order)


def test_the_distance_is_the_sum_of_the_standardised_changes(known, flagged, rows):
    spread = np.nanstd(rows, axis=0)
    for case in flagged:
        for answer in counterfactuals(FACE, case, known):
            by_hand = 0.0
            for feature, change in answer.changes.items():
                if feature == "region" or None in change.values():
                    by_hand += 1
                else:
                    by_hand += abs(change["to"] - change["from"]) / spread[FEATURES.index(feature)]
            assert answer.distance == pytest.approx(by_hand)


def test_all_values_were_observed_and_those_of_one_answer_together(known, flagged, rows):
    for case in flagged:
        for answer in counterfactuals(FACE, case, known):
            places = [FEATURES.index(feature) for feature in answer.changes]
            row = applied(case, answer)[places]
            same = (rows[:, places] == row) | (np.isnan(rows[:, places]) & np.isnan(row))
            assert same.all(axis=1).any()


def test_immutable_features_never_change(known, flagged):
    changed = set()
    for case in flagged:
        changed |= {f for answer in counterfactuals(FACE, case, known) for f in answer.changes}
        fixed = counterfactuals(FACE, case, known, immutable=frozenset({"amount", "region"}))
        for answer in fixed:
            assert set(answer.changes) <= {"hour", "count"}
    assert changed == set(FEATURES)


def test_a_range_is_kept_and_its_feature_never_goes_missing(known, passed):
    limits = {"hour": (8.0, 23.0), "amount": (0.0, 300.0)}
    hours = 0
    for case in passed:
        for answer in counterfactuals(FACE, case, known, ranges=limits):
            for feature, (low, high) in limits.items():
                if feature in answer.changes:
                    assert low <= answer.changes[feature]["to"] <= high
    for case in passed:
        for answer in counterfactuals(FACE, case, known):
            hours += answer.changes.get("hour", {"to": 9})["to"] in (None, *range(6))
    assert hours > 0


def test_missing_values_and_categories_are_written_for_people(known):
    case = np.array([60.0, np.nan, 3.0, 0.0])
    found = counterfactuals(FACE, case, known, k=6)
    changes = {name: change for answer in found for name, change in answer.changes.items()}
    assert changes["hour"]["from"] is None
    assert changes["region"]["from"] == "north"
    assert changes["region"]["to"] in ("south", "west")
    assert changes["count"]["to"] in range(6)


def test_fewer_answers_can_be_asked_for_and_fewer_changes_allowed(known, flagged):
    for case in flagged:
        assert len(counterfactuals(FACE, case, known, k=1)) == 1
        for answer in counterfactuals(FACE, case, known, max_changed=1):
            assert len(answer.changes) == 1


def test_where_nothing_turns_the_verdict_there_is_no_answer(known, rows):
    case = np.array([5000.0, 3.0, 5.0, 0.0])
    assert counterfactuals(FACE, case, known, immutable=["amount"]) == []
    assert counterfactuals(FACE, case, known, immutable=FEATURES) == []
    same_side = donors(FACE, rows[odds_by_hand(rows) > 0])
    assert counterfactuals(FACE, case, same_side) == []


def test_a_model_of_one_feature_has_answers():
    face = Scorer("one", ("x",), lambda r: r.to_numpy(float), lambda v: v[:, 0] - 1, 0.5)
    known = donors(face, np.arange(10.0)[:, None])
    found = counterfactuals(face, np.array([9.0]), known)
    assert [answer.changes for answer in found] == [{"x": {"from": 9.0, "to": 0.0}}]


def test_a_constant_or_wholly_missing_column_does_no_harm(rows):
    dull = rows.copy()
    dull[:, 2], dull[:, 1] = 4.0, np.nan
    known = donors(FACE, dull)
    assert np.isfinite(known.scale).all()
    assert (known.scale > 0).all()
    assert set(known.limits) == {"amount", "count"}
    case = dull[odds_by_hand(dull) > 1][0]
    found = counterfactuals(FACE, case, known)
    assert found
    assert all(set(answer.changes) <= {"amount", "region"} for answer in found)


def test_donors_are_thinned_evenly_and_the_rare_verdict_is_kept(rows):
    everyone = donors(FACE, rows)
    few = donors(FACE, rows, most=200)
    rare = (odds_by_hand(rows) >= 0).sum()
    assert len(everyone.values) == 900
    assert ((few.odds >= 0).sum(), (few.odds < 0).sum()) == (min(100, rare), 100)
    assert few.limits == everyone.limits
    np.testing.assert_array_equal(few.scale, everyone.scale)
    np.testing.assert_array_equal(few.odds, odds_by_hand(few.values))


def test_the_search_asks_the_model_in_a_few_batches(known, flagged):
    sizes = []

    def counted(values):
        sizes.append(len(values))
        return odds_by_hand(values)

    face = Scorer("counted", FEATURES, FACE.encode, counted, 0.5, FACE.categories)
    counterfactuals(face, flagged[0], known)
    assert len(sizes) < 25
    assert sum(sizes) < 1_000


def test_the_same_case_gives_the_same_answer_in_any_order_of_asking(known, flagged):
    first = [counterfactuals(FACE, case, known) for case in flagged]
    again = [counterfactuals(FACE, case, known) for case in flagged[::-1]][::-1]
    assert first == again


def test_answers_are_plain_enough_for_json(known, flagged):
    for answer in counterfactuals(FACE, flagged[0], known):
        assert json.loads(json.dumps(asdict(answer))) == asdict(answer)


@pytest.fixture(scope="module")
def trees():
    rng = np.random.default_rng(6)
    table = pd.DataFrame(rng.normal(size=(900, 8)), columns=[f"V{i}" for i in range(1, 9)])
    chance = 1 / (1 + np.exp(3 - 3 * table["V1"] + 2 * table["V2"]))
    table = table.assign(Class=(rng.random(900) < chance).astype(int))
    features = tuple(f"V{i}" for i in range(1, 9))
    return table, models.fit(table, features=features, budget=0.05, rounds=40)


def test_boosted_trees_agree_that_the_changed_row_has_the_other_verdict(trees):
    table, model = trees
    face = scorer(model)
    known = donors(face, face.encode(table))
    positions = np.flatnonzero(models.flagged(model, table))[:25]
    answered = 0
    for position in positions:
        row = table.iloc[[position]]
        found = counterfactuals(face, face.encode(row)[0], known)
        answered += bool(found)
        for answer in found:
            new = row.assign(**{name: change["to"] for name, change in answer.changes.items()})
            assert not models.flagged(model, new)[0]
            assert models.probabilities(model, new)[0] == answer.probability
    assert answered == len(positions)


def test_what_cannot_be_searched_is_refused(known, rows):
    case = rows[0]
    with pytest.raises(FeatureMismatchError, match="4 features"):
        counterfactuals(FACE, case[:3], known)
    with pytest.raises(FeatureMismatchError, match="'age'"):
        counterfactuals(FACE, case, known, immutable=["age"])
    with pytest.raises(FeatureMismatchError, match="'age'"):
        counterfactuals(FACE, case, known, ranges={"age": (0, 1)})
    with pytest.raises(InputError, match="from 3 to 1"):
        counterfactuals(FACE, case, known, ranges={"hour": (3, 1)})
    with pytest.raises(InputError, match="k is 0"):
        counterfactuals(FACE, case, known, k=0)
    with pytest.raises(InputError, match="max_changed is 0"):
        counterfactuals(FACE, case, known, max_changed=0)
    with pytest.raises(EmptyDataError, match="no rows"):
        donors(FACE, rows[:0])
    with pytest.raises(FeatureMismatchError, match="features"):
        donors(FACE, rows[:, :2])
    with pytest.raises(InputError, match="most is 1"):
        donors(FACE, rows, most=1)


def test_the_sentence_names_every_change_in_both_directions():
    found = Counterfactual(
        {
            "V14": {"from": -8.4, "to": -1.2},
            "region": {"from": "north", "to": "west"},
            "hour": {"from": None, "to": 12.0},
        },
        probability=0.004,
        score=-5.5,
        flagged=False,
        distance=3.0,
    )
    assert counterfactual_sentence(found, {"hour": "the hour"}) == (
        "It would not be flagged if V14 were −1.2 instead of −8.4, region were west instead of "
        "north and the hour were 12 instead of missing: the model would give 0.004."
    )
    other = Counterfactual({"V4": {"from": 1.0, "to": 5.25}}, 0.9, 2.2, True, 1.0)
    assert counterfactual_sentence(other) == (
        "It would be flagged if V4 were 5.25 instead of 1: the model would give 0.9."
    )


def test_no_answer_is_a_sentence_too():
    assert counterfactual_sentence(None, noun="company", max_changed=1) == (
        "No change of one feature to values of other companies is known to turn the verdict."
    )
