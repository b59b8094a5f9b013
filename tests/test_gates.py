"""The promotion rules on the bundled sample: naive retraining is blocked, careful passes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hitl import evaluation, gates, models
from hitl.errors import EmptyDataError

SAMPLE = Path(__file__).parent.parent / "data" / "ulb_sample.csv.gz"
FEATURES = ("V4", "V14")
BUDGET = 0.002


def _rows(points):
    return pd.DataFrame(
        {"V4": [float(p[0]) for p in points], "V14": [float(p[1]) for p in points], "Class": 0}
    )


@pytest.fixture(scope="module")
def parts():
    """Training half, locked test sixth, and the rest, in the order of time."""
    rows = pd.read_csv(SAMPLE).sort_values("Time", kind="stable")
    return np.split(np.arange(len(rows)), [len(rows) // 2, len(rows) * 2 // 3]), rows


@pytest.fixture(scope="module")
def training(parts):
    (first, _, _), rows = parts
    return rows.iloc[first]


@pytest.fixture(scope="module")
def locked(parts):
    (_, second, _), rows = parts
    return rows.iloc[second]


@pytest.fixture(scope="module")
def known(training, locked):
    earlier = pd.concat([training, locked])
    return earlier[earlier.Class == 1]


@pytest.fixture(scope="module")
def champion(training):
    return models.fit(training, features=FEATURES, weight="weight", budget=BUDGET)


@pytest.fixture(scope="module")
def losses(champion, training, known):
    return gates.churn_refits(champion, training, known, weight="weight")


@pytest.fixture(scope="module")
def three():
    """Three constructed payments far beyond the known frauds, reviewed as legitimate."""
    return _rows([(17, -24), (20, -27), (24, -30)])


@pytest.fixture(scope="module")
def fifteen(three):
    """The three and twelve waiting rows of the same region."""
    rng = np.random.default_rng(0)
    along = rng.uniform(size=12)
    more = np.stack([17 + 7 * along, -24 - 6 * along], axis=1) + rng.normal(0, 0.5, (12, 2))
    return pd.concat([three, _rows(more)], ignore_index=True)


def _kept(champion, challenger, known, losses, reviewed, **options):
    return gates.keep_verdicts(
        champion, challenger, known, churn_lost=losses, reviewed=reviewed, **options
    )


def test_the_champion_wrongly_flags_the_three_new_rows(champion, three, known):
    assert models.flagged(champion, three).all()
    assert models.flagged(champion, known).mean() > 0.75


def test_retraining_on_a_resample_loses_some_frauds_by_itself(losses, known):
    assert len(losses) == gates.REFITS
    assert 0 < np.mean(losses) < 0.05 * len(known)


def test_appending_the_rows_once_leaves_them_flagged_and_is_blocked(champion, training, three):
    once = models.refit(champion, training, three, weight="weight")
    gate = gates.reviewed_repaired(once, three, "Class")
    assert not gate.passed
    assert gate.evidence["wrong_rows"] == [0, 1, 2]
    assert gate.sentence.startswith("0 of 3 reviewed rows")
    assert "3 labelled legitimate are still flagged." in gate.sentence


@pytest.mark.parametrize("heavy", [20, 100])
def test_heavy_rows_are_blocked_because_they_share_leaves_with_the_lost_frauds(
    heavy, champion, training, three, known, losses
):
    naive = models.refit(champion, training, three, weight="weight", sample_weight=heavy)
    assert gates.reviewed_repaired(naive, three).passed
    gate = _kept(champion, naive, known, losses, three)
    assert not gate.passed
    caught, still = models.flagged(champion, known), models.flagged(naive, known)
    assert gate.evidence["lost"] == int((caught & ~still).sum())
    assert gate.evidence["lost"] > np.mean(losses) + 0.02 * caught.sum()
    assert gate.evidence["shared_leaves_lost"] > 0.5 > 0.1 > gate.evidence["shared_leaves_kept"]
    assert gate.evidence["nearest_lost"] >= gate.evidence["nearest"] // 2
    assert "shares its leaf with a reviewed row" in gate.sentence
    assert "min_data_in_leaf counts rows, not weights" in gate.sentence


def test_copies_and_more_trees_repair_the_rows_and_pass_every_gate(
    champion, training, locked, known, fifteen
):
    careful = models.extend(champion, training, fifteen, weight="weight")
    comparison = evaluation.compare(
        locked.Class,
        models.probabilities(champion, locked),
        champion.threshold,
        models.probabilities(careful, locked),
        careful.threshold,
        weight=locked.weight,
        seed=0,
        draws=100,
    )
    found = gates.all_gates(
        champion,
        careful,
        rows=training,
        known_frauds=known,
        reviewed=fifteen,
        comparison=comparison,
        legitimate=locked[locked.Class == 0],
        weight="weight",
        budget=BUDGET,
    )
    assert [gate.passed for gate in found] == [True] * 5, [gate.sentence for gate in found]
    assert gates.passed(found)
    kept = found[2].evidence
    assert kept["lost"] <= 2
    assert kept["nearest_lost"] <= 1
    assert len(kept["churn_refits"]) == gates.REFITS
    assert json.loads(json.dumps([gate.evidence for gate in found], allow_nan=False))


def test_the_cause_is_counted_in_the_new_trees_only(champion, training, three, known):
    # The champion put the new rows into its fraud leaves; only added trees can lose a fraud.
    careful = models.extend(champion, training, three, weight="weight")
    gate = _kept(champion, careful, known, 0, three, tolerance=0.0)
    old = models.leaves(champion, three).shape[1]
    ours, theirs = (models.leaves(careful, r)[:, old:] for r in (three, known))
    assert ours.shape[1] == careful.card["added_rounds"]
    lost = gate.evidence["lost_rows"]
    shared = [theirs[i, t] in ours[:, t].tolist() for i in lost for t in range(ours.shape[1])]
    assert len(lost) > 0
    assert gate.evidence["shared_leaves_lost"] == pytest.approx(np.mean(shared))
    assert not gate.passed
    assert "not weights" not in gate.sentence


def test_a_known_fraud_lost_within_chance_and_tolerance_passes(champion, known, three):
    caught = int(models.flagged(champion, known).sum())
    stricter = replace(champion, threshold=champion.threshold * 1.1)
    lost = caught - int(models.flagged(stricter, known).sum())
    assert lost > 0
    at_limit = _kept(champion, stricter, known, float(lost), three, tolerance=0.0)
    beyond = _kept(champion, stricter, known, lost - 0.5, three, tolerance=0.0)
    allowed = _kept(champion, stricter, known, 0, three, tolerance=lost / caught)
    assert (at_limit.passed, beyond.passed, allowed.passed) == (True, False, True)
    assert at_limit.evidence["limit"] == lost
    assert at_limit.sentence.startswith(f"{lost} of {caught} known frauds")


def test_a_loss_away_from_the_reviewed_rows_is_not_blamed_on_them(champion, known):
    beside = _rows([(0, 0), (0.5, 0.2)])
    stricter = replace(champion, threshold=0.999)
    gate = _kept(champion, stricter, known, 0, beside)
    assert not gate.passed
    assert gate.evidence["shared_leaves_kept"] is None
    assert "no more leaves with the reviewed rows" in gate.sentence


def test_reviewed_frauds_cannot_be_the_cause_of_a_lost_fraud(champion, known, three):
    stricter = replace(champion, threshold=champion.threshold * 1.1)
    gate = _kept(champion, stricter, known, 0, three.assign(Class=1), tolerance=0.0)
    assert gate.evidence["shared_leaves_lost"] is None
    assert (gate.evidence["nearest"], gate.evidence["nearest_lost"]) == (0, 0)


def test_a_champion_that_catches_nothing_loses_nothing(champion, known, three):
    blind = replace(champion, threshold=1.0)
    gate = _kept(blind, champion, known, 0, three)
    assert gate.passed
    assert gate.evidence["gained"] == int(models.flagged(champion, known).sum())


def test_no_known_frauds_cannot_be_kept(champion, known, three):
    with pytest.raises(EmptyDataError, match="no known frauds"):
        _kept(champion, champion, known.iloc[:0], 0, three)


def test_a_decided_fraud_that_is_still_missed_blocks(champion):
    quiet = _rows([(0, 0), (17, -24)]).assign(Class=[1, 0])
    gate = gates.reviewed_repaired(champion, quiet)
    assert "1 labelled legitimate is still flagged and 1 labelled fraud is" in gate.sentence
    missed = gates.reviewed_repaired(champion, quiet.iloc[:1])
    assert missed.sentence.endswith("else the decision). 1 labelled fraud is still missed.")


def test_decisions_that_their_outcome_overruled_are_counted_and_named(champion):
    rows = _rows([(17, -24), (0, 0), (0, 0), (20, -27)]).assign(
        Class=[1, 0, 0, 1],
        decided_positive=pd.Series([False, False, None, True], dtype=object),
        instance_id=["a", "b", "c", "d"],
    )
    gate = gates.reviewed_repaired(champion, rows)
    assert gate.passed
    assert gate.sentence == (
        "4 of 4 reviewed rows get their label (the outcome where it has arrived, else the "
        "decision). 1 decision was overruled by the outcome."
    )
    assert gate.evidence["overruled"] == ["a"]
    rows["decided_positive"] = [False, True, None, True]
    both = gates.reviewed_repaired(champion, rows)
    assert both.sentence.endswith("2 decisions were overruled by the outcome.")
    assert both.evidence["overruled"] == ["a", "b"]


def test_without_an_overruled_decision_none_is_mentioned(champion, three):
    agreed = three.assign(Class=1, decided_positive=True, instance_id=["a", "b", "c"])
    for rows in (agreed, agreed.drop(columns="decided_positive")):
        gate = gates.reviewed_repaired(champion, rows)
        assert gate.evidence["overruled"] == []
        assert "overruled" not in gate.sentence


def test_a_model_is_not_another_model_than_itself(champion):
    assert not gates.another_model(champion, replace(champion)).passed
    assert gates.another_model(champion, replace(champion, threshold=0.9)).passed


def _comparison(low, high):
    difference = (low + high) / 2
    return pd.DataFrame(
        {
            "test_set": ["balanced", "natural", "natural"],
            "metric": ["average_precision", "recall", "average_precision"],
            "champion": 0.8,
            "challenger": 0.8 + difference,
            "difference": difference,
            "low": [-0.9, -0.9, low],
            "high": [-0.8, -0.8, high],
        }
    )


@pytest.mark.parametrize(
    ("low", "high", "passes", "words"),
    [
        (-0.05, 0.01, True, "a fall of more than 0.050 is ruled out"),
        (0.01, 0.05, True, "a rise beyond chance"),
        (-0.05, 0.0, True, "−0.050 to 0.000"),
        (-0.0004, 0.0004, True, "(difference 0.000 to 0.000)"),
        (-0.05, -0.01, False, "a fall beyond chance"),
        (-0.012, -0.001, True, "beyond chance, within 0.01"),
        (np.nan, np.nan, False, "could not be measured"),
    ],
)
def test_only_a_fall_that_chance_does_not_explain_is_worse(low, high, passes, words):
    gate = gates.not_worse(_comparison(low, high))
    assert gate.passed is passes
    assert words in gate.sentence
    json.dumps(gate.evidence, allow_nan=False)


def test_a_comparison_without_average_precision_is_refused():
    with pytest.raises(EmptyDataError, match="average precision"):
        gates.not_worse(_comparison(0, 0).iloc[:2])


def test_false_alarms_beyond_budget_and_champion_are_blocked(champion, locked):
    legitimate = locked[locked.Class == 0]
    loose = replace(champion, threshold=1e-3)
    gate = gates.false_alarms(loose, legitimate, "weight", BUDGET, champion)
    flags = models.flagged(loose, legitimate)
    assert not gate.passed
    newly = flags & ~models.flagged(champion, legitimate)
    assert gate.evidence["flagged"] == flags.sum()
    assert gate.evidence["newly_flagged_rows"] == np.flatnonzero(newly).tolist()
    assert gate.evidence["share"] == pytest.approx(flags.mean())
    assert gate.evidence["low"] > BUDGET
    assert gates.false_alarms(loose, legitimate, None, BUDGET, loose).passed


def test_false_alarms_are_weighted_but_their_interval_is_not(champion, three):
    rows = pd.concat([three, _rows([(0, 0)] * 97)], ignore_index=True).assign(weight=1.0)
    rows.loc[:2, "weight"] = 10.0
    gate = gates.false_alarms(champion, rows, "weight", 0.1, champion)
    assert gate.evidence["share"] == pytest.approx(30 / 127)
    assert (gate.evidence["low"], gate.evidence["high"]) == gates.wilson(100 * 30 / 127, 100)


def test_a_share_within_the_budget_says_when_more_rows_are_needed(champion, three):
    quiet = _rows([(0, 0)] * 50)
    few = gates.false_alarms(champion, quiet, "weight", BUDGET, champion)
    many = gates.false_alarms(champion, pd.concat([quiet] * 60), "weight", BUDGET, champion)
    assert few.passed
    assert "More rows are needed" in few.sentence
    assert many.passed
    assert "More rows" not in many.sentence
    with pytest.raises(EmptyDataError, match="legitimate"):
        gates.false_alarms(champion, quiet.iloc[:0], None, BUDGET, champion)


def test_churn_is_the_mean_of_its_refits_and_repeats_with_its_seed(
    champion, training, known, losses
):
    assert gates.churn(champion, training, known, weight="weight") == np.mean(losses)
    with pytest.raises(ValueError, match="refits is 0"):
        gates.churn(champion, training, known, refits=0)


def test_nothing_checked_is_not_passed():
    assert not gates.passed(())
