"""The database: claims on both engines, batches against single rows, reads as it grows."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.timing import Line, in_turns, seconds
from hitl import workflow
from hitl.store import Store
from hitl.workflow import Person
from hitl.workspaces import CARDS, REASONS
from tests import servers

NOW = 1_790_000_000_000
CASES = 400
REVIEWERS = 4
SMALL, LARGE, CHUNK = 100_000, 1_000_000, 100_000
LIVE_ROWS = 200


def lines() -> list[Line]:
    """Measure everything about storing."""
    return [*_claims(), *_appends(), *_growth()]


@contextmanager
def duckdb_store() -> Iterator[Store]:
    """Open an empty DuckDB file that is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder, Store(str(Path(folder) / "b.duckdb")) as store:
        yield store


def _claims() -> list[Line]:
    if not (servers.postgres_program("initdb") and servers.postgres_program("pg_ctl")):
        return []
    with duckdb_store() as file, servers.postgres_server() as url, Store(url) as server:
        each = [_decide_all(store) / CASES for store in (file, server)]
    what = f"claim and decide a case, {REVIEWERS} reviewers at once"
    return [Line(what, "DuckDB file", each[0], "PostgreSQL", each[1])]


def _decide_all(store: Store) -> float:
    heads = [_head(number) for number in range(CASES)]
    store.append("case_heads", heads)

    def work(reviewer: int) -> int:
        done = 0
        while claimed := workflow.claim(store, CARDS, Person(f"reviewer {reviewer}"), now_ms=NOW):
            workflow.decide(
                store,
                CARDS,
                claimed,
                verdict="legitimate",
                reason=REASONS["legitimate"][0],
                key=f"{claimed.instance_id}-key",
                now_ms=NOW,
            )
            done += 1
        return done

    decided: list[int] = []
    with ThreadPoolExecutor(REVIEWERS) as pool:
        taken = seconds(lambda: decided.extend(pool.map(work, range(REVIEWERS))))
    if sum(decided) != CASES:
        raise RuntimeError(f"{sum(decided)} decisions on {CASES} cases")
    return taken


def _appends() -> list[Line]:
    batch = _instances(0, 10_000)
    singles = [batch.iloc[[i]].assign(instance_id=f"single-{i}") for i in range(100)]
    with duckdb_store() as store:
        together = seconds(lambda: store.append("instances", batch)) / len(batch)
        apart = seconds(lambda: [store.append("instances", row) for row in singles]) / len(singles)
    return [
        Line("append a row", "in a batch of 10,000", together, "each in its own transaction", apart)
    ]


def _growth() -> list[Line]:
    with duckdb_store() as store:
        _fill(store, 0, SMALL)
        small = {name: _median(store, name) for name in READS}
        _fill(store, SMALL, LARGE)
        large = {name: _median(store, name) for name in READS}
    return [
        Line(what, f"{SMALL:,} rows", small[what], f"{LARGE:,} rows", large[what]) for what in READS
    ]


READS = {
    f"read the newest {LIVE_ROWS} scored rows": lambda store: store.view(
        "scored_instances", workspace="cards", run=1, order=("-step",), limit=LIVE_ROWS
    ),
    "read the review queue": lambda store: store.view("review_queue", workspace="cards"),
    "count for the strip": lambda store: store.view("loop_counts", workspace="cards"),
    "look one case up": lambda store: store.view(
        "scored_instances", workspace="cards", instance_id=f"cards-1-{SMALL // 2}"
    ),
}


def _median(store: Store, name: str) -> float:
    def read() -> None:
        READS[name](store)

    return in_turns(read, lambda: None, times=5)[0]


def _fill(store: Store, first: int, end: int) -> None:
    for start in range(first, end, CHUNK):
        rows = _instances(start, min(CHUNK, end - start))
        store.append("instances", rows)
        store.append("predictions", _predictions(rows))
        queued = rows["instance_id"].iloc[::5_000]
        store.append("case_heads", [{**_head(0), "instance_id": name} for name in queued])


def _instances(first: int, count: int) -> pd.DataFrame:
    steps = np.arange(first, first + count)
    return pd.DataFrame(
        {
            "instance_id": [f"cards-1-{step}" for step in steps],
            "workspace": "cards",
            "run": 1,
            "step": steps,
            "occurred_ms": NOW + 1_000 * steps,
            "ingested_ms": NOW,
            "origin": "real",
            "source_row": steps,
            "weight": 1.0,
            "features": [f'{{"V4": {step % 7}.5, "V14": {step % 11}.25}}' for step in steps],
        }
    )


def _predictions(rows: pd.DataFrame) -> pd.DataFrame:
    probability = (rows["step"].to_numpy() % 1_000) / 1_000
    return pd.DataFrame(
        {
            "instance_id": rows["instance_id"],
            "model_id": "m-00000000",
            "workspace": "cards",
            "is_live": True,
            "score": probability,
            "probability": probability,
            "threshold": 0.998,
            "is_flagged": probability >= 0.998,
            "novelty": 0.5,
            "novelty_limit": 2.0,
            "is_novel": False,
            "state": "normal",
            "scored_ms": NOW,
        }
    )


def _head(number: int) -> dict[str, Any]:
    return {
        "instance_id": f"case-{number}",
        "workspace": "cards",
        "status": "open",
        "holder": "",
        "lease_until_ms": 0,
        "fence": 0,
        "queued_for": "known anomaly",
        "inclusion": 1.0,
        "priority": 2.0 + number / CASES,
        "queued_ms": NOW,
    }
