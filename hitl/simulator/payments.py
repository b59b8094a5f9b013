"""A world of payments: customers, terminals, three kinds of fraud and a new segment."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import InputError
from hitl.simulator.history import SECONDS_PER_DAY, Floats, Ints, history

FULL_CUSTOMERS, FULL_TERMINALS, FULL_DAYS = 5_000, 10_000, 183
SIDE, RADIUS = 100.0, 5.0
MEAN_AMOUNTS = (5.0, 100.0)
DAILY_RATES = (0.0, 4.0)
NOON_S, TIME_SPREAD_S = 43_200, 20_000
WEEKEND = (0, 6)
"""Days of the week that are a weekend; day 1 is a Sunday, the 0."""

LARGE_AMOUNT = 220.0
TERMINALS_A_DAY, TERMINAL_DAYS = 2, 28
CUSTOMERS_A_DAY, CUSTOMER_DAYS = 3, 14
CUSTOMER_SHARE, CUSTOMER_FACTOR = 1 / 3, 5.0
"""Fraud of kind 1, 2 and 3; the numbers a day are those of the full size and scaled to others."""

AGE_BANDS = ("18 to 29", "30 to 44", "45 to 59", "60 and over")
REGIONS = ("north", "east", "south", "west")
BURST_GROUP, BURST_SHARE, BURST_FACTORS = AGE_BANDS[0], 0.012, (4.0, 6.0)
"""The planted disparity: whose legitimate payments are now and then several times the usual."""

SEGMENTS = ("ordinary", "corporate travel")
FULL_TRAVELLERS = 60
TRAVEL_TERMINALS = 5
TRAVEL_NIGHTS = 10
TRAVEL_A_NIGHT = 5.0
TRAVEL_AMOUNT, TRAVEL_SPREAD = 1_500.0, 200.0
NIGHT_START_S, NIGHT_S = 79_200, 28_800
"""Corporate travel pays from 22 h to 6 h."""

PARTS = ("people", "places", "payments", "fraud", "disparity", "travel")
CHUNK = 250


@dataclass(frozen=True)
class World:
    """Simulated payments with all that was planted in them."""

    payments: pd.DataFrame
    customers: pd.DataFrame
    terminals: pd.DataFrame
    facts: dict[str, Any]


def payments_world(
    *,
    customers: int = FULL_CUSTOMERS,
    terminals: int = FULL_TERMINALS,
    days: int = FULL_DAYS,
    burn_in: int = 0,
    travel_from: int | None = None,
    disparity: bool = True,
    seed: int = 0,
) -> World:
    """Simulate payments with their features and return what was planted beside them.

    Parameters
    ----------
    customers, terminals
        How many live in the square, each at least 16.
    days
        Days simulated, at least 1; day 1 is a Sunday.
    burn_in
        First days that only fill the history and are left out, from 0 to ``days - 1``.
    travel_from
        Day, counted from 1, on which corporate travel begins; None for never.
    disparity
        Whether the planted disparity between age bands is on.
    seed
        Seed of everything. Switching the disparity or travel leaves all other draws as they are.

    Returns
    -------
    World
        ``payments``, in the order of time: ``payment`` (id), ``time_s`` (seconds since day 1),
        ``customer``, ``terminal``, ``age_band``, ``region``, the features ``amount`` (€), ``hour``
        (0 … 23), ``weekend`` (0 or 1) and those of `history`, ``is_fraud``, ``scenario`` (0 none,
        1 large amount, 2 terminal, 3 customer), ``segment`` (one of `SEGMENTS`), ``weight`` (1).
        ``customers``: place, habits and groups; ``terminals``: place. ``facts``: the terminals
        and customers that were compromised with their first and last day (counted from 1), the
        travellers, their terminals and first day, the disparity, and the counts of each scenario.

    Raises
    ------
    InputError
        If a number is out of range.

    Notes
    -----
    Customers and terminals lie in a square of 100 × 100; a customer pays within a radius of 5, on
    average with a Poisson rate of U(0, 4) a day, at N(noon, 20,000 s), an amount of N(m, m/2) with
    m of U(5, 100), where a negative amount is drawn again from U(0, 2m). Then (1) every amount
    above 220 is fraud; (2) so is, for 28 days, every payment at a compromised terminal, two new
    ones a day; (3) so is, for 14 days, a third of a compromised customer's payments, with five
    times the amount, three new ones a day. Numbers a day are those of 10,000 terminals and 5,000
    customers; a smaller world has proportionally fewer, else it would be full of fraud.

    The planted disparity: 1.2 % of the legitimate payments of customers of 18 to 29 are for
    several people, 4 to 6 times the amount, which may pass 220, and resemble fraud. Age band and
    region are drawn independently of everything else. Corporate travel is a dozen customers in a
    thousand who for ten nights pay about five times a night N(1500, 200) at five new terminals;
    all of it is legitimate. They pay for their company, so these payments carry no age band and
    no region.

    References
    ----------
    Le Borgne, Siblini, Lebichot and Bontempi (2022), Reproducible machine learning for credit card
    fraud detection – practical handbook, chapter 3: the figures above, none of its code.

    Examples
    --------
    >>> world = payments_world(customers=40, terminals=80, days=10, seed=1)
    >>> world.payments["time_s"].is_monotonic_increasing, len(world.customers)
    (True, 40)
    """
    _check(customers, terminals, days, burn_in, travel_from)
    seeds = np.random.SeedSequence(seed).spawn(len(PARTS))
    rngs = {part: np.random.default_rng(s) for part, s in zip(PARTS, seeds, strict=True)}
    people, places = _people(customers, rngs["people"]), _places(terminals, rngs["places"])
    near = _near(people, places)
    rows = _ordinary(people, near, days, rngs["payments"])
    fraud = _defraud(rows, customers, terminals, days, rngs["fraud"])
    planted = _burst(rows, people, rngs["disparity"]) if disparity else None
    travel = None
    if travel_from is not None:
        rows, places, travel = _travel(
            rows, people, places, near, travel_from, days, rngs["travel"]
        )
    payments = _table(rows, people, places)
    payments = payments[payments["time_s"] >= burn_in * SECONDS_PER_DAY].reset_index(drop=True)
    facts = {
        "seed": seed,
        "days": days,
        "burn_in": burn_in,
        **fraud,
        "disparity": planted,
        "corporate_travel": travel,
        "scenarios": {k: int((payments["scenario"] == k).sum()) for k in range(4)},
    }
    return World(payments, people, places, facts)


def _check(
    customers: int, terminals: int, days: int, burn_in: int, travel_from: int | None
) -> None:
    for name, number in (("customers", customers), ("terminals", terminals)):
        if number < 16:
            raise InputError(f"A world of {number} {name} is too small.", "Ask for at least 16.")
    if days < 1:
        raise InputError(f"A world of {days} days is empty.", "Ask for at least one day.")
    if not 0 <= burn_in < days:
        raise InputError(
            f"A burn-in of {burn_in} days leaves nothing of {days} days.",
            f"Give 0 to {days - 1} days.",
        )
    if travel_from is not None and not 1 <= travel_from <= days:
        raise InputError(
            f"Corporate travel cannot begin on day {travel_from} of {days}.",
            f"Give a day from 1 to {days}, or None.",
        )


def _people(n: int, rng: np.random.Generator) -> pd.DataFrame:
    mean = rng.uniform(*MEAN_AMOUNTS, n)
    return pd.DataFrame(
        {
            "customer": [f"C{i:04d}" for i in range(n)],
            "x": rng.uniform(0, SIDE, n),
            "y": rng.uniform(0, SIDE, n),
            "mean_amount": mean,
            "sd_amount": mean / 2,
            "payments_a_day": rng.uniform(*DAILY_RATES, n),
            "age_band": np.array(AGE_BANDS, dtype=object)[rng.permutation(n) % len(AGE_BANDS)],
            "region": np.array(REGIONS, dtype=object)[rng.permutation(n) % len(REGIONS)],
        }
    )


def _places(n: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "terminal": [f"T{i:05d}" for i in range(n)],
            "x": rng.uniform(0, SIDE, n),
            "y": rng.uniform(0, SIDE, n),
        }
    )


@dataclass(frozen=True)
class _Near:
    """Terminals in reach of each customer: those of customer c begin at ``begins[c]``."""

    begins: Ints
    terminals: Ints

    @property
    def counts(self) -> Ints:
        return np.diff(self.begins)


def _near(people: pd.DataFrame, places: pd.DataFrame) -> _Near:
    here, there = (table[["x", "y"]].to_numpy(np.float64) for table in (people, places))
    counts, found = [], []
    for start in range(0, len(here), CHUNK):
        part = here[start : start + CHUNK]
        squared = (part[:, :1] - there[:, 0]) ** 2 + (part[:, 1:] - there[:, 1]) ** 2
        within = squared < RADIUS**2
        counts.append(within.sum(axis=1))
        found.append(np.nonzero(within)[1])
    return _Near(np.r_[0, np.cumsum(np.concatenate(counts))], np.concatenate(found))


@dataclass
class _Rows:
    """Payments by column; customers and terminals by number."""

    time: Ints
    customer: Ints
    terminal: Ints
    amount: Floats
    scenario: Ints
    travels: npt.NDArray[np.bool_]

    @property
    def day(self) -> Ints:
        return self.time // SECONDS_PER_DAY


def _ordinary(people: pd.DataFrame, near: _Near, days: int, rng: np.random.Generator) -> _Rows:
    rate = people["payments_a_day"].to_numpy()
    counts = rng.poisson(rate[:, None], (len(people), days))
    customer = np.repeat(np.arange(len(people)), counts.sum(axis=1))
    day = np.repeat(np.tile(np.arange(days), len(people)), counts.ravel())
    second = np.floor(rng.normal(NOON_S, TIME_SPREAD_S, len(day))).astype(np.int64)
    mean = people["mean_amount"].to_numpy()[customer]
    amount = rng.normal(mean, mean / 2)
    amount = np.where(amount < 0, rng.uniform(0, 2 * mean), amount).round(2)
    choice = rng.random(len(day))
    happens = (second >= 0) & (second < SECONDS_PER_DAY) & (near.counts[customer] > 0)
    time = (day * SECONDS_PER_DAY + second)[happens]
    order = np.argsort(time, kind="stable")
    who = customer[happens][order]
    place = near.begins[who] + (choice[happens][order] * near.counts[who]).astype(np.int64)
    zero = np.zeros(len(order), dtype=np.int64)
    amounts, places = amount[happens][order], near.terminals[place]
    return _Rows(time[order], who, places, amounts, zero, zero.astype(bool))


def _defraud(
    rows: _Rows, customers: int, terminals: int, days: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Make payments fraud, later kinds over earlier ones, and say where."""
    rows.scenario[rows.amount > LARGE_AMOUNT] = 1
    places = _struck(terminals, TERMINALS_A_DAY * terminals / FULL_TERMINALS, days, rng)
    people = _struck(customers, CUSTOMERS_A_DAY * customers / FULL_CUSTOMERS, days, rng)
    rows.scenario[_held(places, terminals, days, TERMINAL_DAYS)[rows.terminal, rows.day]] = 2
    held = _held(people, customers, days, CUSTOMER_DAYS)[rows.customer, rows.day]
    taken = held & (rng.random(len(held)) < CUSTOMER_SHARE)
    rows.scenario[taken] = 3
    rows.amount[taken] = (CUSTOMER_FACTOR * rows.amount[taken]).round(2)
    return {
        "compromised_terminals": _listed(places, "terminal", "T{:05d}", days, TERMINAL_DAYS),
        "compromised_customers": _listed(people, "customer", "C{:04d}", days, CUSTOMER_DAYS),
    }


def _struck(n: int, a_day: float, days: int, rng: np.random.Generator) -> Ints:
    """Draw who is struck on which day, evenly over the days; columns number and day."""
    due = np.floor(a_day * np.arange(days + 1) + rng.random()).astype(np.int64)
    day = np.repeat(np.arange(days), np.diff(due))
    return np.column_stack([rng.integers(0, n, len(day)), day])


def _held(struck: Ints, n: int, days: int, lasting: int) -> npt.NDArray[np.bool_]:
    """Mark the days on which each is compromised, shape ``(n, days)``."""
    held = np.zeros((n, days + lasting), dtype=bool)
    for offset in range(lasting):
        held[struck[:, 0], struck[:, 1] + offset] = True
    return held[:, :days]


def _listed(struck: Ints, what: str, pattern: str, days: int, lasting: int) -> list[dict[str, Any]]:
    return [
        {what: pattern.format(i), "first_day": day + 1, "last_day": min(day + lasting, days)}
        for i, day in struck.tolist()
    ]


def _burst(rows: _Rows, people: pd.DataFrame, rng: np.random.Generator) -> dict[str, Any]:
    """Raise some legitimate amounts of one age band; they stay legitimate."""
    chance, factor = rng.random(len(rows.time)), rng.uniform(*BURST_FACTORS, len(rows.time))
    young = (people["age_band"] == BURST_GROUP).to_numpy()[rows.customer]
    raised = young & (rows.scenario == 0) & (chance < BURST_SHARE)
    rows.amount[raised] = (factor[raised] * rows.amount[raised]).round(2)
    return {
        "attribute": "age_band",
        "group": BURST_GROUP,
        "share": BURST_SHARE,
        "factors": list(BURST_FACTORS),
        "sentence": disparity_sentence(),
    }


def disparity_sentence() -> str:
    """Say what disparity is planted."""
    low, high = BURST_FACTORS
    return (
        f"{100 * BURST_SHARE:g} % of the legitimate payments of customers of {BURST_GROUP} are "
        f"{low:g} to {high:g} times as large as usual and resemble fraud; region changes nothing."
    )


def _travel(
    rows: _Rows,
    people: pd.DataFrame,
    places: pd.DataFrame,
    near: _Near,
    travel_from: int,
    days: int,
    rng: np.random.Generator,
) -> tuple[_Rows, pd.DataFrame, dict[str, Any]]:
    """Add corporate travel: as many travellers of each age band, and terminals of their own."""
    n = len(AGE_BANDS) * max(
        1, round(FULL_TRAVELLERS * len(people) / FULL_CUSTOMERS / len(AGE_BANDS))
    )
    who = _travellers(people, near, n, rng)
    new = _places(TRAVEL_TERMINALS, rng)
    new["terminal"] = [f"T{len(places) + i:05d}" for i in range(TRAVEL_TERMINALS)]
    nights = min(TRAVEL_NIGHTS, days - travel_from + 1)
    counts = rng.poisson(TRAVEL_A_NIGHT, (len(who), nights))
    customer = np.repeat(who, counts.sum(axis=1))
    night = np.repeat(np.tile(np.arange(nights), len(who)), counts.ravel()) + travel_from - 1
    time = night * SECONDS_PER_DAY + NIGHT_START_S + rng.integers(0, NIGHT_S, len(night))
    amount = rng.normal(TRAVEL_AMOUNT, TRAVEL_SPREAD, len(night)).round(2)
    terminal = len(places) + rng.integers(0, TRAVEL_TERMINALS, len(night))
    within = time < days * SECONDS_PER_DAY
    joined = np.r_[rows.time, time[within]]
    order = np.argsort(joined, kind="stable")
    added = int(within.sum())
    both = _Rows(
        joined[order],
        np.r_[rows.customer, customer[within]][order],
        np.r_[rows.terminal, terminal[within]][order],
        np.r_[rows.amount, amount[within]][order],
        np.r_[rows.scenario, np.zeros(added, dtype=np.int64)][order],
        np.r_[rows.travels, np.ones(added, dtype=bool)][order],
    )
    facts = {
        "customers": people["customer"].iloc[who].tolist(),
        "terminals": new["terminal"].tolist(),
        "first_day": travel_from,
        "payments": added,
    }
    return both, pd.concat([places, new], ignore_index=True), facts


def _travellers(people: pd.DataFrame, near: _Near, n: int, rng: np.random.Generator) -> Ints:
    """Draw customers, as many of each age band and region, so that travel favours no group."""
    mixed = rng.permutation(np.flatnonzero(near.counts > 0))
    band, region = (people[name].to_numpy()[mixed] for name in ("age_band", "region"))
    free = np.ones(len(mixed), dtype=bool)
    chosen = []
    for k in range(n):
        in_band = band == AGE_BANDS[k % len(AGE_BANDS)]
        in_region = region == REGIONS[(k + k // len(AGE_BANDS)) % len(REGIONS)]
        place = int(np.argmax(free * (1 + 2 * in_band + in_region)))
        free[place] = False
        chosen.append(mixed[place])
    return np.array(chosen, dtype=np.int64)


def _table(rows: _Rows, people: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    plain = pd.DataFrame(
        {
            "time_s": rows.time,
            "customer": rows.customer,
            "terminal": rows.terminal,
            "amount": rows.amount,
            "is_fraud": (rows.scenario > 0).astype(np.int64),
        }
    )
    groups = {
        name: people[name].astype(object).to_numpy()[rows.customer]
        for name in ("age_band", "region")
    }
    for of_a_person in groups.values():
        of_a_person[rows.travels] = None
    return pd.DataFrame(
        {
            "payment": np.arange(len(plain)),
            "time_s": rows.time,
            "customer": people["customer"].to_numpy()[rows.customer],
            "terminal": places["terminal"].to_numpy()[rows.terminal],
            **groups,
            "amount": rows.amount,
            "hour": rows.time % SECONDS_PER_DAY // 3_600,
            "weekend": np.isin(rows.day % 7, WEEKEND).astype(np.int64),
            **history(plain),
            "is_fraud": plain["is_fraud"],
            "scenario": rows.scenario,
            "segment": np.array(SEGMENTS, dtype=object)[rows.travels.astype(np.int64)],
            "weight": 1.0,
        }
    )
