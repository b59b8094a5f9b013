"""What was planted in a team is found, and in a team without anything hardly ever anything is."""

import numpy as np
import pandas as pd
import pytest

from hitl.agreement import ALL, CHECKS, findings, flips, gold, score_band
from hitl.agreement.team import DWELL, ERRORS, FLAGS, FOLLOWS, GROUPS, SILENCE, TIRED
from hitl.errors import InputError, MissingColumnsError
from hitl.simulator import SimulatedReviewer, work

TEAM = 6
CASES = 240
MINUTE = 60_000
ORDINARY = {"error_rate": 0.06, "anchoring": 0.2}


def shift_cases(cases: int, rng: np.random.Generator) -> pd.DataFrame:
    """Cases with truth, a model that is mostly right, and a region."""
    truth = rng.random(cases) < 0.3
    logit = np.where(truth, 1.5, -1.5) + rng.normal(0, 1.5, cases)
    probability = 1 / (1 + np.exp(-logit))
    rows = pd.DataFrame({"truth": truth, "is_flagged": probability >= 0.5})
    rows["region"] = rng.choice(["south", "north"], cases)
    rows["band"] = score_band(probability, 0.5)
    return rows.assign(minute=np.arange(cases) * 0.75)


def simulated(seed: int, planted: dict[int, dict[str, float]], cases: int = CASES) -> pd.DataFrame:
    """A shift of a team of simulated reviewers, some of them with something planted."""
    rng, parts = np.random.default_rng(seed), []
    for number in range(TEAM):
        rows = shift_cases(cases, rng)
        rows["payment"] = [f"{seed}-{number}-{case}" for case in range(cases)]
        person = SimulatedReviewer(f"R{number}", **{**ORDINARY, **planted.get(number, {})})
        made = work(
            person,
            rows,
            rows["truth"],
            flagged=rows["is_flagged"],
            minutes=rows["minute"],
            seed=seed,
        )
        parts.append(made.join(rows[["is_flagged", "region", "band", "minute"]]))
    made = pd.concat(parts, ignore_index=True)
    return made.assign(happened_ms=(made["minute"] * MINUTE).astype(int))


def ordinary(seed: int, people: int = 5, cases: int = 70) -> pd.DataFrame:
    """The same without hashes: a team in which all are alike and nothing changes."""
    rng = np.random.default_rng(seed)
    rows = shift_cases(people * cases, rng).assign(seconds=rng.lognormal(3.4, 0.5, people * cases))
    rows["reviewer"] = np.repeat([f"R{number}" for number in range(people)], cases)
    rows["happened_ms"] = np.tile(np.arange(cases) * MINUTE, people)
    first = rows["truth"] ^ (rng.random(len(rows)) < 0.1)
    follows = (first != rows["is_flagged"]) & (rng.random(len(rows)) < 0.3)
    return rows.assign(first=first, is_positive=np.where(follows, rows["is_flagged"], first))


def named(table: pd.DataFrame) -> set[tuple[str, str]]:
    found = table[table["found"]]
    return set(zip(found["check"], found["reviewer"], strict=True))


def test_a_team_without_anything_planted_is_left_alone_in_95_of_100():
    seeds = 120
    alarms = [named(findings(ordinary(seed), group="region")) for seed in range(seeds)]
    share = sum(bool(one) for one in alarms) / seeds
    assert share <= 0.05 + 2 * (0.05 * 0.95 / seeds) ** 0.5


PLANTED = {
    "error": ({"error_rate": 0.25}, ERRORS),
    "missed": ({"misses": 0.5}, ERRORS),
    "bias": ({"bias": 0.35}, GROUPS),
    "anchoring": ({"anchoring": 0.85}, FOLLOWS),
    "haste": ({"haste": 0.25}, DWELL),
    "fatigue": ({"error_rate": 0.02, "fatigue": 0.2}, TIRED),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_in_one_person_is_found_in_that_person(name):
    planted, check = PLANTED[name]
    seeds = range(5)
    tables = [findings(simulated(seed, {2: planted}), group="region") for seed in seeds]
    assert sum((check, "R2") in named(table) for table in tables) >= 4
    others = [who for table in tables for _, who in named(table)]
    assert sum(who not in ("R2", ALL) for who in others) <= 1


def test_several_planted_things_are_told_apart():
    planted = {0: {"error_rate": 0.3}, 3: {"bias": 0.4}, 5: {"anchoring": 0.9, "haste": 0.3}}
    found = named(findings(simulated(7, planted, 400), group="region"))
    assert {(ERRORS, "R0"), (GROUPS, "R3"), (FOLLOWS, "R5"), (DWELL, "R5")} <= found
    assert {who for _, who in found} <= {"R0", "R3", "R5", ALL}


def test_what_all_of_a_team_share_is_measured_though_nobody_differs():
    everybody = {number: {"error_rate": 0.15, "anchoring": 0.4} for number in range(TEAM)}
    rows = simulated(3, everybody).assign(model_id="m1")
    assert named(findings(rows)) == set()
    firsts = rows.assign(is_positive=rows["first"])
    accuracy = gold(firsts).set_index(["reviewer", "measure"]).loc[(ALL, "accuracy")]
    assert accuracy["low"] < 0.85 < accuracy["high"]
    followed = flips(rows.assign(final=rows["is_positive"])).set_index(["model_id", "measure"])
    row = followed.loc[("m1", "followed")]
    assert row["low"] < 0.4 < row["high"]


def test_a_fatigue_of_the_whole_team_is_found_in_the_team():
    tired = {number: {"error_rate": 0.03, "fatigue": 0.06, "haste": 0.1} for number in range(TEAM)}
    found = named(findings(simulated(4, tired)))
    assert {(TIRED, ALL), (DWELL, ALL)} <= found


def test_every_check_is_made_where_its_columns_are():
    rows = simulated(0, {})
    assert findings(rows, group="region")["check"].unique().tolist() == list(CHECKS)
    bare = rows[["reviewer", "is_positive", "is_flagged"]]
    assert findings(bare)["check"].unique().tolist() == [FLAGS, SILENCE]
    timed = rows[["reviewer", "is_positive", "is_flagged", "seconds", "happened_ms"]]
    assert set(findings(timed)["check"]) == {FLAGS, SILENCE, DWELL}


def test_p_values_are_multiplied_by_the_number_of_tests():
    rows = simulated(0, {2: {"error_rate": 0.25}})
    few = findings(rows[["reviewer", "is_positive", "is_flagged", "truth"]])
    many = findings(rows, group="region")
    keys = ["check", "reviewer"]
    one = few.set_index(keys)["p_value"][ERRORS, "R2"] / len(few)
    with_band = findings(rows.drop(columns="band"), group="region")
    assert with_band.set_index(keys)["p_value"][ERRORS, "R2"] == pytest.approx(one * len(many))


def test_values_are_those_of_the_person_and_the_rest():
    rows = simulated(0, {2: {"error_rate": 0.25}})
    bare = rows[["reviewer", "is_positive", "is_flagged"]]
    row = findings(bare).set_index(["check", "reviewer"]).loc[(FLAGS, "R2")]
    flagged = bare[bare["is_flagged"]]
    own = (flagged["reviewer"] == "R2").to_numpy()
    cleared = ~flagged["is_positive"].to_numpy(dtype=bool)
    assert row["n"] == own.sum()
    assert row["value"] == pytest.approx(cleared[own].mean())
    assert row["compared"] == pytest.approx(cleared[~own].mean())


def test_two_people_few_cases_and_nobody_give_no_test_against_a_team():
    rows = simulated(0, {})
    two = findings(rows[rows["reviewer"].isin(["R0", "R1"])], group="region")
    assert set(two["check"]) == {GROUPS, DWELL, TIRED}
    assert findings(rows.groupby("reviewer").head(20)).empty
    assert findings(rows[:0], group="region").empty
    assert list(findings(rows[:0])) == list(findings(rows))


def test_columns_that_are_not_there_and_opinions_that_are_none_are_refused():
    rows = simulated(0, {}, 30)
    with pytest.raises(MissingColumnsError, match="age"):
        findings(rows, group="age")
    with pytest.raises(InputError, match="neither true, false nor missing"):
        findings(rows.assign(is_positive="fraud"))
