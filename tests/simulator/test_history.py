"""What was known before a payment is counted as a hand would, and nothing comes from later."""

import numpy as np
import pandas as pd
import pytest

from hitl.errors import EmptyDataError, MissingColumnsError, MissingValuesError
from hitl.simulator import HISTORY, history, payments_world

DAY = 86_400


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    """Forty days of a crowded little world, with payments that share a second."""
    rows = payments_world(customers=40, terminals=30, days=45, travel_from=20, seed=3).payments
    rng = np.random.default_rng(0)
    rows = rows[["time_s", "customer", "terminal", "amount", "is_fraud"]].copy()
    rows["is_fraud"] = (rng.random(len(rows)) < 0.2).astype(int)
    twins = rng.choice(len(rows) - 1, 60, replace=False)
    rows.loc[twins + 1, ["time_s", "customer"]] = rows.loc[twins, ["time_s", "customer"]].to_numpy()
    return rows.sort_values("time_s", kind="stable", ignore_index=True)


def by_hand(rows: pd.DataFrame, place: int) -> dict[str, float]:
    """Count one payment's history by looking at every row of the table."""
    own = rows.iloc[place]
    age = own["time_s"] - rows["time_s"]
    same_customer = rows["customer"] == own["customer"]
    same_terminal = rows["terminal"] == own["terminal"]
    found: dict[str, float] = {}
    mean = own["amount"]
    for days in (30, 7, 1):
        before = rows[same_customer & (age > 0) & (age <= days * DAY)]
        mean = before["amount"].mean() if len(before) else mean
        found[f"customer_count_{days}d"] = len(before)
        found[f"customer_mean_{days}d"] = mean
        at = rows[same_terminal & (age > 0) & (age <= days * DAY)]
        found[f"terminal_count_{days}d"] = len(at)
        known = rows[same_terminal & (age > 7 * DAY) & (age <= (7 + days) * DAY)]
        found[f"terminal_risk_{days}d"] = known["is_fraud"].mean() if len(known) else 0.0
    usual = found["customer_mean_30d"]
    found["amount_ratio"] = own["amount"] / usual if usual else 1.0
    found["first_at_terminal"] = float(not (same_customer & same_terminal & (age > 0)).any())
    return found


def test_every_figure_is_the_one_a_slow_loop_finds(small):
    fast = history(small)
    assert tuple(fast.columns) == HISTORY
    slow = pd.DataFrame([by_hand(small, place) for place in range(len(small))])[list(HISTORY)]
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=0)
    assert (fast["terminal_risk_7d"] > 0).any()
    assert set(fast["first_at_terminal"]) == {0, 1}


def test_what_comes_later_changes_nothing_before(small):
    whole = history(small)
    cut = int(small["time_s"].iloc[len(small) // 2])
    past = small["time_s"] < cut
    pd.testing.assert_frame_equal(history(small[past]), whole[past])


def test_a_payments_own_label_and_younger_ones_never_enter(small):
    before = history(small)
    place = len(small) // 2
    turned = small.copy()
    time = small.loc[place, "time_s"]
    young = (small["time_s"] >= time - 7 * DAY) & (small["time_s"] <= time)
    turned.loc[young, "is_fraud"] = 1 - turned.loc[young, "is_fraud"]
    after = history(turned)
    pd.testing.assert_series_equal(after.loc[place], before.loc[place])
    assert not after.equals(before)


def test_a_label_is_known_after_exactly_seven_days():
    rows = pd.DataFrame(
        {
            "time_s": [0, 7 * DAY, 7 * DAY + 1],
            "customer": ["a", "b", "c"],
            "terminal": "x",
            "amount": 5.0,
            "is_fraud": [1, 0, 0],
        }
    )
    assert history(rows)["terminal_risk_1d"].tolist() == [0, 0, 1]


def test_the_own_amount_never_enters_the_mean(small):
    changed = small.copy()
    changed.loc[300, "amount"] = 99_999.0
    before, after = history(small).loc[300], history(changed).loc[300]
    means = [name for name in HISTORY if name.startswith("customer_mean")]
    assert before["customer_count_1d"] > 0
    assert after[means].equals(before[means])
    assert after["amount_ratio"] > 100 * before["amount_ratio"]


def test_the_order_of_the_rows_does_not_matter_and_their_index_is_kept(small):
    mixed = small.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(history(mixed).sort_index(), history(small))


def test_names_may_be_numbers_or_words(small):
    numbered = small.assign(
        customer=pd.factorize(small["customer"])[0] + 7, terminal=pd.factorize(small["terminal"])[0]
    )
    pd.testing.assert_frame_equal(history(numbered), history(small))


def test_a_first_payment_of_nothing_has_a_ratio_of_one():
    rows = pd.DataFrame(
        {"time_s": [5], "customer": ["a"], "terminal": ["x"], "amount": [0.0], "is_fraud": [0]}
    )
    assert history(rows)["amount_ratio"].tolist() == [1.0]


def test_rows_that_cannot_be_counted_are_refused(small):
    with pytest.raises(EmptyDataError):
        history(small[:0])
    with pytest.raises(MissingColumnsError, match="is_fraud"):
        history(small.drop(columns="is_fraud"))
    with pytest.raises(MissingValuesError, match="amount"):
        history(small.assign(amount=np.nan))
