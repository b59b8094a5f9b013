"""Past cases like one where features are names and values are missing."""

import math
from collections.abc import Iterator

import pandas as pd
import pytest

from hitl import workflow
from hitl.store import Store
from hitl.workflow import Materials, Stored
from tests.workflow import shops

NOW = 1_790_000_000_000


@pytest.fixture(scope="module")
def known() -> Materials:
    return shops.materials()


@pytest.fixture(scope="module")
def current(known: Materials) -> Stored:
    return shops.first_model(known)


@pytest.fixture(scope="module")
def store(known: Materials, current: Stored) -> Iterator[Store]:
    with Store("duckdb::memory:") as opened:
        shops.played(opened, known, current, now_ms=NOW)
        yield opened


def gap(one: object, other: object, mean: float, spread: float) -> float:
    """Distance of two numbers in standard deviations, a missing one being the mean."""
    values = [mean if pd.isna(value) else float(value) for value in (one, other)]
    return (values[0] - values[1]) / spread


def by_hand(known: Materials, own: pd.Series, other: pd.Series) -> float:
    towns = [None if pd.isna(row["town"]) else row["town"] for row in (own, other)]
    squares = [float(towns[0] != towns[1])]
    for name in ("amount", "age"):
        column = known.training[name].dropna()
        squares.append(gap(own[name], other[name], column.mean(), column.std()) ** 2)
    return math.sqrt(sum(squares))


@pytest.mark.parametrize("step", [0, 3, 12, 35, 58])
def test_the_nearest_are_those_counted_by_hand_with_names_and_gaps(
    store: Store, known: Materials, step: int
) -> None:
    found = workflow.similar_cases(store, known, f"shops-1-{step}", k=40)
    waiting = set(store.view("review_queue", workspace="shops")["instance_id"])
    own = known.stream.iloc[step]
    pool = {f"row {row['row']}": row for _, row in known.training.iterrows()}
    pool |= {f"shops-1-{i}": row for i, (_, row) in enumerate(known.stream.iterrows())}
    distances = {
        name: by_hand(known, own, row)
        for name, row in pool.items()
        if name not in waiting | {f"shops-1-{step}"}
    }
    wanted = sorted(distances.values())[:40]
    assert found["distance"].tolist() == pytest.approx(wanted)
    assert [distances[name] for name in found["id"]] == pytest.approx(wanted)


def test_every_kind_of_gap_was_among_the_cases_tried(known: Materials) -> None:
    tried = known.stream.iloc[[0, 3, 12, 35, 58]]
    assert tried["age"].isna().any()
    assert tried["town"].isna().any()
    assert "Rome" in set(tried["town"])


def test_a_category_nobody_had_is_one_standard_deviation_from_every_other(
    store: Store, known: Materials
) -> None:
    found = workflow.similar_cases(store, known, "shops-1-58", k=10_000)
    strangers = found[found["town"] != "Rome"]
    assert strangers["distance"].min() >= 1
    assert len(strangers) > 900


def test_what_is_gathered_once_serves_every_case(store: Store, known: Materials) -> None:
    past = workflow.past(store, known)
    assert past.categorical == ("town",)
    once = workflow.similar_cases(store, known, "shops-1-3", known=past)
    pd.testing.assert_frame_equal(once, workflow.similar_cases(store, known, "shops-1-3"))


def test_rows_are_kept_as_json_that_every_reader_knows(store: Store) -> None:
    kept = store.view("scored_instances", workspace="shops")["features"]
    assert not kept.str.contains("NaN").any()
    assert kept.str.contains('"age": null').any()
    assert kept.str.contains('"town": null').any()
