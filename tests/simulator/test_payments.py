"""The world has the published shape, its planted facts hold, and a seed gives the same bits."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hitl.errors import InputError
from hitl.simulator import AGE_BANDS, HISTORY, REGIONS, World, payments_world
from hitl.workspaces import PAYMENT_FEATURES, PLANTED

DAY = 86_400
SIZE = {"customers": 400, "terminals": 800, "days": 80}
TRAVEL_FROM = 60


@pytest.fixture(scope="module")
def world() -> World:
    return payments_world(**SIZE, travel_from=TRAVEL_FROM, seed=1)


@pytest.fixture(scope="module")
def rows(world: World) -> pd.DataFrame:
    return world.payments


@pytest.fixture(scope="module")
def even() -> World:
    """The same world without the planted disparity."""
    return payments_world(**SIZE, travel_from=TRAVEL_FROM, disparity=False, seed=1)


def days(rows: pd.DataFrame) -> pd.Series:
    return rows["time_s"] // DAY + 1


# Shape


def test_the_columns_are_those_the_workspace_names(rows):
    assert set(PAYMENT_FEATURES) <= set(rows.columns)
    assert set(HISTORY) < set(PAYMENT_FEATURES)
    assert len(PAYMENT_FEATURES) == 17
    assert rows["payment"].is_unique
    assert (rows["weight"] == 1).all()
    assert np.isfinite(rows[list(PAYMENT_FEATURES)]).all(axis=None)


def test_payments_are_in_the_order_of_time(rows):
    assert rows["time_s"].is_monotonic_increasing
    assert days(rows).min() == 1
    assert days(rows).max() == SIZE["days"]


def test_hour_and_weekend_follow_from_the_time(rows):
    moment = pd.to_datetime("2018-04-01") + pd.to_timedelta(rows["time_s"], unit="s")
    assert (rows["hour"] == moment.dt.hour).all()
    assert (rows["weekend"] == (moment.dt.day_of_week >= 5)).all()


def test_customers_pay_where_they_can_walk(world, rows):
    ordinary = rows[rows["segment"] == "ordinary"]
    here = world.customers.set_index("customer").loc[ordinary["customer"], ["x", "y"]].to_numpy()
    there = world.terminals.set_index("terminal").loc[ordinary["terminal"], ["x", "y"]].to_numpy()
    assert np.hypot(*(here - there).T).max() < 5


def test_habits_are_those_of_each_customer(world, even):
    quiet = even.payments
    quiet = quiet[(quiet["scenario"] == 0) & (quiet["segment"] == "ordinary")]
    people = world.customers.set_index("customer")
    seen = quiet.groupby("customer")["amount"].agg(["mean", "size"])
    often = seen[seen["size"] > 150]
    wanted = people.loc[often.index, "mean_amount"]
    assert (often["mean"] / wanted).mean() == pytest.approx(1, abs=0.05)
    rate = seen["size"] / SIZE["days"] / people.loc[seen.index, "payments_a_day"]
    assert rate.median() == pytest.approx(0.97, abs=0.05)  # 3 % fall outside the day
    assert (quiet["amount"] >= 0).all()
    assert (quiet["time_s"] % DAY).mean() == pytest.approx(43_200, abs=500)


def test_groups_are_of_equal_size_and_independent_of_habits(world):
    people = world.customers
    for name, groups in (("age_band", AGE_BANDS), ("region", REGIONS)):
        assert people[name].value_counts().to_dict() == dict.fromkeys(groups, 100)
        means = people.groupby(name)["payments_a_day"].mean()
        assert means.max() - means.min() < 0.6


# The three kinds of fraud


def test_without_disparity_every_ordinary_amount_above_220_is_fraud(even):
    ordinary = even.payments[even.payments["segment"] == "ordinary"]
    assert (ordinary.loc[ordinary["amount"] > 220, "is_fraud"] == 1).all()
    assert (ordinary.loc[ordinary["scenario"] == 1, "amount"] > 220).all()


def test_every_payment_at_a_compromised_terminal_is_fraud_for_28_days(world, rows):
    held = np.zeros(len(rows), dtype=bool)
    for fact in world.facts["compromised_terminals"]:
        there = (rows["terminal"] == fact["terminal"]).to_numpy()
        held |= there & days(rows).between(fact["first_day"], fact["last_day"]).to_numpy()
        assert fact["last_day"] == min(fact["first_day"] + 27, SIZE["days"])
    assert (rows.loc[held, "scenario"] >= 2).all()
    assert not (rows.loc[~held, "scenario"] == 2).any()
    assert held.sum() > 100


def test_a_third_of_a_compromised_customers_payments_is_five_times_as_large(world, rows):
    held = np.zeros(len(rows), dtype=bool)
    for fact in world.facts["compromised_customers"]:
        theirs = (rows["customer"] == fact["customer"]) & (rows["segment"] == "ordinary")
        held |= (theirs & days(rows).between(fact["first_day"], fact["last_day"])).to_numpy()
        assert fact["last_day"] == min(fact["first_day"] + 13, SIZE["days"])
    struck = rows[held]
    assert (struck["scenario"] == 3).mean() == pytest.approx(1 / 3, abs=0.05)
    assert not (rows.loc[~held, "scenario"] == 3).any()
    others = struck[struck["scenario"] == 0]["amount"].mean()
    assert struck[struck["scenario"] == 3]["amount"].mean() / others == pytest.approx(5, rel=0.25)


def test_the_numbers_a_day_are_scaled_to_the_size_of_the_world(world):
    facts = world.facts
    assert len(facts["compromised_terminals"]) == pytest.approx(2 * 80 * 800 / 10_000, abs=1)
    assert len(facts["compromised_customers"]) == pytest.approx(3 * 80 * 400 / 5_000, abs=1)
    begun = [fact["first_day"] for fact in facts["compromised_terminals"]]
    assert np.diff(begun).max() <= 7  # one every 6.25 days


def test_fraud_is_as_rare_as_published_and_each_kind_has_its_share(rows, world):
    used = rows[days(rows) > 28]
    share = used["scenario"].value_counts(normalize=True)
    assert used["is_fraud"].mean() == pytest.approx(0.0084, abs=0.0025)
    assert share[2] > share[3] > share[1] > 0
    counted = rows["scenario"].value_counts()
    assert world.facts["scenarios"] == {k: counted[k] for k in range(4)}
    assert ((rows["scenario"] > 0) == (rows["is_fraud"] == 1)).all()


def test_the_published_shares_come_out_at_the_published_density():
    rows = payments_world(days=50).payments  # 5,000 customers and 10,000 terminals
    n = len(rows)
    assert n == pytest.approx(1_754_155 * 50 / 183, rel=0.04)
    share = rows["scenario"].value_counts() / n
    assert share[1] == pytest.approx(978 / 1_754_155, rel=0.2)
    active = np.minimum(np.arange(1, 51), 28).mean() * 2 / 10_000
    assert share[2] == pytest.approx(active, rel=0.1)
    active = np.minimum(np.arange(1, 51), 14).mean() * 3 / 5_000 / 3
    assert share[3] == pytest.approx(active, rel=0.15)


# The planted disparity


def test_the_disparity_changes_amounts_of_the_young_and_nothing_else(world, even):
    one, other = world.payments, even.payments
    drawn = ["payment", "time_s", "customer", "terminal", "region", "is_fraud", "scenario"]
    pd.testing.assert_frame_equal(one[drawn], other[drawn])
    changed = one["amount"] != other["amount"]
    assert set(one.loc[changed, "age_band"]) == {"18 to 29"}
    assert set(one.loc[changed, "scenario"]) == {0}
    ratio = one.loc[changed, "amount"] / other.loc[changed, "amount"]
    assert ratio[other.loc[changed, "amount"] > 1].between(3.95, 6.05).all()
    young = (one["age_band"] == "18 to 29") & (one["scenario"] == 0)
    assert changed.sum() / young.sum() == pytest.approx(0.012, abs=0.003)


def test_what_is_planted_is_told_and_what_the_workspace_says_is_what_is_planted(world, even):
    told = world.facts["disparity"]
    assert (told["attribute"], told["group"]) == ("age_band", "18 to 29")
    assert (told["share"], told["factors"]) == (0.012, [4.0, 6.0])
    assert told["sentence"] in PLANTED
    assert even.facts["disparity"] is None


# Corporate travel


def test_travel_begins_on_its_day_lasts_ten_nights_and_is_legitimate(world, rows):
    travel = rows[rows["segment"] == "corporate travel"]
    assert days(travel).min() == TRAVEL_FROM
    assert days(travel).max() == TRAVEL_FROM + 10  # the last night ends on the next morning
    assert (travel["is_fraud"] == 0).all()
    assert ((travel["hour"] >= 22) | (travel["hour"] < 6)).all()
    assert travel["amount"].mean() == pytest.approx(1_500, abs=60)
    assert travel["amount"].std() == pytest.approx(200, abs=40)
    fact = world.facts["corporate_travel"]
    assert len(travel) == fact["payments"]
    assert len(travel) / 10 / len(fact["customers"]) == pytest.approx(5, abs=0.8)


def test_travellers_pay_at_five_new_terminals_and_belong_to_no_group(world, rows):
    travel = rows[rows["segment"] == "corporate travel"]
    fact = world.facts["corporate_travel"]
    assert set(travel["terminal"]) == set(fact["terminals"])
    assert len(fact["terminals"]) == 5
    assert not set(fact["terminals"]) & set(rows.loc[rows["segment"] == "ordinary", "terminal"])
    assert travel[["age_band", "region"]].isna().all(axis=None)
    assert rows.loc[rows["segment"] == "ordinary", ["age_band", "region"]].notna().all(axis=None)


def test_travellers_come_from_every_age_band_and_region(world):
    people = world.customers.set_index("customer")
    who = people.loc[world.facts["corporate_travel"]["customers"]]
    assert sorted(who["age_band"]) == sorted(AGE_BANDS)
    assert sorted(who["region"]) == sorted(REGIONS)


def test_without_travel_everything_else_is_as_it_was(rows):
    home = payments_world(**SIZE, seed=1)
    assert home.facts["corporate_travel"] is None
    kept = rows[rows["segment"] == "ordinary"].reset_index(drop=True)
    drawn = ["time_s", "customer", "terminal", "amount", "scenario"]
    pd.testing.assert_frame_equal(home.payments[drawn], kept[drawn])


# Warm start, seeds and what is refused


def test_a_burn_in_only_leaves_rows_out(rows):
    warm = payments_world(**SIZE, burn_in=37, travel_from=TRAVEL_FROM, seed=1).payments
    wanted = rows[days(rows) > 37].reset_index(drop=True)
    pd.testing.assert_frame_equal(warm, wanted)
    active = warm.groupby("customer")["customer_count_30d"].max()
    assert warm["customer_count_30d"].head(500).median() > 20
    assert active.min() >= 0


def digest(world: World) -> str:
    return hashlib.sha256(world.payments.to_csv(float_format="%.17g").encode()).hexdigest()


def test_a_seed_gives_the_same_bits_in_another_process():
    code = (
        "import tests.simulator.test_payments as t; from hitl.simulator import payments_world;"
        "print(t.digest(payments_world(customers=60, terminals=90, days=20, seed=5)))"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "7"},
    ).stdout.strip()  # fmt: skip
    small = {"customers": 60, "terminals": 90, "days": 20}
    assert found == digest(payments_world(**small, seed=5))
    assert found != digest(payments_world(**small, seed=6))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"customers": 15}, "15 customers"),
        ({"terminals": 2}, "2 terminals"),
        ({"days": 0}, "0 days"),
        ({"burn_in": 80}, "burn-in of 80"),
        ({"burn_in": -1}, "burn-in of -1"),
        ({"travel_from": 81}, "day 81 of 80"),
        ({"travel_from": 0}, "day 0 of 80"),
    ],
)
def test_a_world_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(InputError, match=said) as refused:
        payments_world(**{**SIZE, **wrong})
    assert refused.value.hint
