"""Synthetic facts for tests of the database: cases, a whole history, and the fold of events."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pytest

from hitl import workflow
from hitl.store import TABLES, Store, Work, chains
from hitl.workflow import Person, journal
from hitl.workspaces import CARDS, REASONS, Workspace

NOW = 1_700_000_000_000
MINUTE = 60_000
EVE = Person("eve", "supervisor")
AWKWARD = "He said \"no, never\";\nTürkçe 😀\t\\.\n\\N NULL, 'quoted'"
"""Text that breaks whoever quotes, splits or escapes by hand."""


ENGINES = ["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)]


@contextmanager
def opened(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Open a new database on the engine a fixture of a whole module is run with."""
    if request.param == "duckdb":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("database")
        with Store(str(folder / "test.duckdb")) as store:
            yield store
        return
    with server_database(request.getfixturevalue("postgres_url")) as url, Store(url) as store:
        yield store


@contextmanager
def server_database(server_url: str, options: str = "") -> Iterator[str]:
    """Create a database on a server, give its URL, and drop it at the end."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {options}")
        try:
            yield server_url.rpartition("/")[0] + f"/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def emptied(store: Store) -> Store:
    """Take every row out of a database."""
    with store._engine.transaction() as work:
        for table in TABLES:
            work.rows(f"TRUNCATE {table}")
    return store


def space(name: str) -> Workspace:
    """Return the card workspace under another name."""
    return replace(CARDS, name=name)


def head(number: int, *, workspace: str = "cards", prefix: str = "case") -> dict[str, Any]:
    """Return the head of a case that waits; a lower number is more urgent."""
    return {
        "instance_id": f"{prefix}-{number}",
        "workspace": workspace,
        "status": "open",
        "holder": "",
        "lease_until_ms": 0,
        "fence": 0,
        "queued_for": "novel",
        "inclusion": 1.0,
        "priority": 1.0 / (1 + number),
        "queued_ms": NOW,
    }


def event(of: Mapping[str, Any], **details: Any) -> dict[str, Any]:
    """Return a case's first event, or another one."""
    return {
        "event_id": f"{of['instance_id']}-queued",
        "workspace": of["workspace"],
        "instance_id": of["instance_id"],
        "fence": 0,
        "kind": "queued",
        "reviewer": "",
        "lease_until_ms": 0,
        "model_id": "",
        "verdict": "",
        "is_positive": None,
        "reason": "",
        "note": "",
        "source": "stream",
        "seconds": 0.0,
        "happened_ms": NOW,
        **details,
    }


def evidence(
    explanation_id: str,
    body: str = "",
    *,
    workspace: str = "cards",
    case: str = "case-0",
    explained_ms: int = NOW,
    key: str | None = "x-0123456789abcdef",
) -> dict[str, Any]:
    """Return a row of a table that holds free text."""
    return {
        "explanation_id": explanation_id,
        "workspace": workspace,
        "instance_id": case,
        "model_id": "m-old",
        "seed": 0,
        "body": body,
        "explained_ms": explained_ms,
        "explanation_key": key,
        "method": "all" if key else None,
    }


def outside_label(workspace: str) -> dict[str, Any]:
    """Return a label from elsewhere that every other one outranks."""
    return {
        "label_id": f"label-{workspace}",
        "workspace": workspace,
        "instance_id": f"{workspace}-1",
        "source": "rules",
        "kind": "weak",
        "is_positive": True,
        "imported_by": "eve",
        "imported_ms": NOW,
    }


def put_cases(work: Work, heads: Sequence[Mapping[str, Any]]) -> None:
    """Queue cases as these heads say."""
    for workspace in dict.fromkeys(each["workspace"] for each in heads):
        journal.record(
            work,
            workspace,
            [
                journal.queued(
                    each["instance_id"],
                    happened_ms=NOW,
                    **{name: each[name] for name in journal.PLACE if name in each},
                )
                for each in heads
                if each["workspace"] == workspace
            ],
        )


def add_cases(
    store: Store, count: int, *, workspace: str = "cards", prefix: str = "case"
) -> list[str]:
    """Queue that many cases in one transaction and return their ids, most urgent first."""
    heads = [head(number, workspace=workspace, prefix=prefix) for number in range(count)]
    store.write(lambda work: put_cases(work, heads))
    return [str(each["instance_id"]) for each in heads]


# The fold, said once more without SQL

STATUS_AFTER = {
    "queued": "open",
    "claimed": "claimed",
    "renewed": "claimed",
    "decided": "decided",
    "adjudicated": "decided",
    "deferred": "deferred",
    "escalated": "escalated",
    "imported": "decided",
    "undone": "claimed",
    "released": "open",
    "expired": "open",
}
RAISES_NO_FENCE = ("queued", "renewed", "expired")
WITHOUT_A_MOVE = ("commented", "first opinion", "label used", "ranked")


def fold(events: pd.DataFrame) -> dict[str, tuple[str, str, int, int]]:
    """Replay events one by one: status, holder, lease and fence of each case."""
    heads: dict[str, tuple[str, str, int, int]] = {}
    waits: dict[str, str] = {}  # as what a case waits that nobody holds
    first: dict[str, str] = {}
    for row in events[~events["kind"].isin(WITHOUT_A_MOVE)].sort_values("number").itertuples():
        status = _status_after(row, waits, first)
        holder = row.reviewer if status in ("claimed", "decided", "closed") else ""
        before = heads.get(row.instance_id, ("", "", 0, 0))[3]
        fence = before + (row.kind not in RAISES_NO_FENCE)
        heads[row.instance_id] = (status, holder, row.lease_until_ms, fence)
    return heads


def _status_after(row: Any, waits: dict[str, str], first: dict[str, str]) -> str:
    case, details = row.instance_id, json.loads(row.details)
    if row.kind == "queued" and details.get("joined"):
        return "joined"
    if row.kind == "decided":
        first[case] = row.verdict
        if details.get("stage") == "second":
            waits[case] = "second opinion"
            return waits[case]
    if row.kind == "second opinion" and row.verdict != first[case]:
        waits[case] = "escalated"
        return waits[case]
    if row.kind == "second opinion":
        return "decided"
    if row.kind == "escalated":
        waits[case] = "escalated"
    if row.kind == "undone":  # whoever takes back an opinion stands where they stood before
        waits[case] = {"adjudication": "escalated", "second": "second opinion"}.get(
            details.get("stage", ""), "open"
        )
    status = STATUS_AFTER[row.kind]
    return waits.get(case, "open") if status == "open" else status


def heads(store: Store) -> dict[str, tuple[str, str, int, int]]:
    """Read the head table as `fold` returns it."""
    columns = ["instance_id", "status", "holder", "lease_until_ms", "fence"]
    rows = store.view("case_heads")[columns].itertuples(index=False, name=None)
    return {instance_id: tuple(rest) for instance_id, *rest in rows}  # type: ignore[misc]


def check_heads(store: Store) -> None:
    """Fail unless heads, the fold of the events and the view of it are one thing, and chained."""
    events = store.view("case_events")
    assert heads(store) == fold(events)
    for workspace, chain in events.groupby("workspace"):
        assert sorted(chain["number"]) == list(range(1, len(chain) + 1))
        for differences in ("head_differences", "place_differences"):
            assert store.rows(differences, workspace) == [(0, None)]
        table = pa.Table.from_pandas(chain.sort_values("number"), preserve_index=False)
        assert chains.first_bad(table, 0, chains.BEGINNING) is None
        assert store.rows("chain_head", workspace)[0][0] == len(chain)


# A history that leaves no view empty


def write_history(store: Store) -> None:
    """Write the same facts to any database: two workspaces, two models, every kind of event."""
    for workspace in ("cards", "story"):
        _stream(store, workspace)
        _models(store, workspace)
        _reviews(store, space(workspace))


def _stream(store: Store, workspace: str) -> None:
    numbers = range(10)
    ids = [f"{workspace}-{n}" for n in numbers]
    states = ["normal", "known anomaly", "novel", "novel and flagged"]
    instances = pd.DataFrame(
        {
            "instance_id": ids,
            "workspace": workspace,
            "run": [0, 0, *[1] * 5, *[2] * 3],
            "step": [-2, -1, *range(5), *range(3)],
            "occurred_ms": [NOW + 1_000 * n for n in numbers],
            "ingested_ms": NOW,
            "origin": ["constructed", *["real"] * 9],
            "source_row": [-1, *range(9)],
            "weight": [1.0 + n / 3 for n in numbers],
            "features": [f'{{"V4": {n / 7}, "V14": -{n}}}' for n in numbers],
        }
    )
    predictions = [
        {
            "instance_id": instance_id,
            "model_id": model_id,
            "workspace": workspace,
            "is_live": model_id == "m-old",
            "score": n / 7 - 1.0,
            "probability": n / 11,
            "threshold": 0.5,
            "is_flagged": n % 2 == 1,
            "novelty": n / 13,
            "novelty_limit": 0.5,
            "is_novel": n % 4 > 1,
            "state": states[n % 4],
            "scored_ms": NOW + n,
        }
        for n, instance_id in enumerate(ids)
        for model_id in ("m-old", "m-new")
    ]
    outcomes = [
        {
            "instance_id": ids[n],
            "workspace": workspace,
            "is_positive": n % 2 == 0,
            "source": "outcome",
            "arrived_ms": NOW + n,
        }
        for n in (1, 2, 5)
    ]
    explanations = [
        evidence(f"{ids[0]}-{n}", AWKWARD, workspace=workspace, case=ids[0], explained_ms=NOW + n)
        for n in range(2)
    ]
    explanations.append(evidence(f"{ids[2]}-0", "{}", workspace=workspace, case=ids[2]))
    with store.transaction() as work:
        work.append("instances", instances)
        work.append("predictions", predictions)
        work.append("outcomes", outcomes)
        work.append("explanations", explanations)
        put_cases(
            work, [head(n, workspace=workspace, prefix=workspace) for n in numbers if n not in (4,)]
        )


def _models(store: Store, workspace: str) -> None:
    models = [
        {
            "model_id": f"m-{workspace}-{name}",
            "workspace": workspace,
            "parent_id": "",
            "method": "fit",
            "sha256": "0" * 64,
            "model": AWKWARD,
            "detector": "{}",
            "trained_by": "ann",
            "trained_ms": NOW,
        }
        for name in ("first", "second", "never promoted")
    ]
    labels = [
        {
            "model_id": f"m-{workspace}-first",
            "instance_id": f"{workspace}-{n}",
            "workspace": workspace,
            "is_positive": n == 2,
            "source": "outcome",
        }
        for n in (2, 3)
    ]
    comparisons = [
        {
            "comparison_id": f"c-{workspace}-{n}",
            "workspace": workspace,
            "champion_id": f"m-{workspace}-first",
            "challenger_id": f"m-{workspace}-second",
            "is_passed": n == 1,
            "body": "{}",
            "compared_ms": NOW + n,
        }
        for n in range(2)
    ]
    promotions = [
        {
            "workspace": workspace,
            "number": number,
            "kind": kind,
            "model_id": f"m-{workspace}-{name}",
            "replaced_id": replaced,
            "comparison_id": "",
            "promoted_by": "ann",
            "reason": "better",
            "promoted_ms": NOW + number,
        }
        for number, kind, name, replaced in (
            (1, "seed", "first", ""),
            (2, "promote", "second", f"m-{workspace}-first"),
            (3, "roll back", "first", f"m-{workspace}-second"),
        )
    ]
    with store.transaction() as work:
        work.append("models", models)
        work.append("training_labels", labels)
        work.append("comparisons", comparisons)
        work.append("promotions", promotions)


def decide(store: Store, workspace: Workspace, claimed: workflow.Claim, verdict: str) -> None:
    """Decide a claimed case with the first reason there is; the key follows from the claim."""
    workflow.decide(
        store,
        workspace,
        claimed,
        verdict=verdict,
        reason=REASONS[verdict][0],
        note=AWKWARD,
        key=f"key-{claimed.instance_id}-{claimed.fence}",
        model_id="m-old",
        seconds=claimed.fence + 1 / 3,
        shown={"explanation_key": "x-0123456789abcdef", "reasons": [AWKWARD]},
        now_ms=NOW + claimed.fence,
    )


def taken(
    store: Store, reviewer: str, case: str | None = None, *, now_ms: int = NOW
) -> workflow.Claim:
    """Claim the next case of the cards, or a named one."""
    found = workflow.claim(store, CARDS, Person(reviewer), now_ms=now_ms, instance_id=case)
    assert found is not None
    return found


def taken_by(store: Store, person: Person, case: str) -> workflow.Claim:
    """Claim a case of the cards for somebody with a role."""
    found = workflow.claim(store, CARDS, person, now_ms=NOW, instance_id=case)
    assert found is not None
    return found


def _reviews(store: Store, workspace: Workspace) -> None:
    _disagreement(store, workspace)
    store.append("outside_labels", [outside_label(workspace.name)])
    workflow.keep_draft(
        store, workspace, Person("dee"), f"{workspace.name}-0", {"note": AWKWARD}, now_ms=NOW
    )

    def named(number: int, reviewer: str) -> workflow.Claim:
        instance_id = f"{workspace.name}-{number}"
        found = workflow.claim(
            store, workspace, Person(reviewer), now_ms=NOW, instance_id=instance_id
        )
        assert found is not None
        return found

    decide(store, workspace, named(1, "ann"), "fraud")  # its outcome says legitimate
    decide(store, workspace, named(2, "ann"), "fraud")
    decide(store, workspace, named(3, "bob"), "legitimate")
    decide(store, workspace, named(6, "bob"), "unsure")
    decide(store, workspace, named(7, "cem"), "fraud")
    workflow.undo(store, workspace, Person("cem"), now_ms=NOW + 5)  # cem holds 7 again
    workflow.release(store, workspace, named(8, "dee"), now_ms=NOW + 6)
    rows = pd.DataFrame({"instance_id": [f"{workspace.name}-9"], "verdict": ["fraud"]})
    workflow.import_decisions(store, workspace, rows, now_ms=NOW + 7, person=EVE)


def _disagreement(store: Store, workspace: Workspace) -> None:
    """Let two people disagree on a case that is not a row of the stream; it waits for a third."""
    case = f"{workspace.name}-x"
    place = {"queued_for": "audit", "mode": "blind-first", "opinions": 2, "due_ms": NOW + MINUTE}
    events = [journal.queued(case, happened_ms=NOW, **place)]
    store.write(lambda work: journal.record(work, workspace.name, events))
    for reviewer, verdict in (("ann", "fraud"), ("bob", "legitimate")):
        mine = workflow.claim(store, workspace, Person(reviewer), now_ms=NOW, instance_id=case)
        assert mine is not None
        said = {"verdict": "legitimate", "reason": REASONS["legitimate"][0]}
        workflow.first_opinion(store, workspace, mine, **said, seconds=1.5, now_ms=NOW)
        decide(store, workspace, mine, verdict)
