"""Kill -9 while payments stream in and people decide: what was acknowledged is there, once."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from hitl import workflow
from hitl.store import Store
from hitl.workflow import logs
from hitl.workspaces import CARDS
from tests import facts

ROOT = Path(__file__).parents[2]
ROUNDS = 4
ACKNOWLEDGED = 60
"""Lines to read before each kill."""

CHILD = """
import sys, threading
from pathlib import Path
from hitl import workflow
from hitl.store import Store
from hitl.workflow import Person
from hitl.workspaces import CARDS, REASONS

store = Store(sys.argv[1])
cards = workflow.materials(CARDS, Path(sys.argv[2]))
out = threading.Lock()

def say(*words):
    with out:
        print(*words, flush=True)

def stream():
    while True:
        played = workflow.ingest(store, cards, 3, now_ms=1, audit_share=0.5, again=True)
        run, step, _ = store.rows("stream_head", "cards")[0]
        say("row", f"cards-{run}-{step}")

def review(name):
    while True:
        claimed = workflow.claim(store, CARDS, Person(name), now_ms=1)
        if claimed:
            key = f"{claimed.instance_id}-{claimed.fence}-key"
            workflow.decide(store, CARDS, claimed, verdict="legitimate",
                            reason=REASONS["legitimate"][0], key=key, now_ms=1)
            say("decided", claimed.instance_id)

for name in ("ada", "bo"):
    threading.Thread(target=review, args=(name,), daemon=True).start()
stream()
"""


def test_four_kills_lose_nothing_acknowledged_and_double_nothing(tmp_path: Path) -> None:
    path = tmp_path / "killed.duckdb"
    with Store(str(path)) as store:
        cards = workflow.materials(CARDS, ROOT / "data")
        workflow.seed(store, cards, seed=0, novelty_rate=0.001, now_ms=0)
    acknowledged = [line for _ in range(ROUNDS) for line in _run_and_kill(path)]
    kinds = Counter(kind for kind, _ in acknowledged)
    assert min(kinds["row"], kinds["decided"]) > ROUNDS, kinds

    with Store(str(path)) as store:
        rows = store.view("instances", workspace="cards", order=("run", "step"))
        predictions = store.view("predictions", workspace="cards")
        events = store.view("case_events", workspace="cards")
        heads = store.view("case_heads").set_index("instance_id").sort_index()
        folds = store.view("case_folds").set_index("instance_id").sort_index()
    assert list(rows["step"]) == list(range(len(rows)))
    assert sorted(predictions["instance_id"]) == sorted(rows["instance_id"])
    assert {name for kind, name in acknowledged if kind == "row"} <= set(rows["instance_id"])
    decided = events.loc[events["kind"] == "decided", "instance_id"]
    assert decided.is_unique
    assert {name for kind, name in acknowledged if kind == "decided"} <= set(decided)
    assert list(heads.index) == list(folds.index)
    assert (heads["status"] == folds["status"]).all()
    assert (heads["fence"] == folds["fence"]).all()


NURSERY = """
import itertools, os, sys, threading
from hitl.store import Store
from hitl.workflow import Person, claim, decide, keep_draft, renew, undo
from hitl.workspaces import CARDS, REASONS

def work(round):
    store, out = Store(sys.argv[1]), threading.Lock()
    def review(name):
        for number in itertools.count():
            mine = claim(store, CARDS, Person(name), now_ms=round)
            if mine is None:
                return
            mine = renew(store, CARDS, mine, now_ms=round + 300_000)
            key = f"{mine.instance_id}-{mine.fence}-key"
            keep_draft(store, CARDS, mine.person, mine.instance_id, {"note": key}, now_ms=round)
            decide(store, CARDS, mine, verdict="legitimate", reason=REASONS["legitimate"][0],
                   key=key, shown={"order": ["reasons"]}, now_ms=round)
            with out:
                print("decided", key, flush=True)
            if number % 5 == 4:
                undo(store, CARDS, Person(name), now_ms=round)
    for name in ("ada", "bo", "cy"):
        threading.Thread(target=review, args=(f"{name} {round}",)).start()

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        work(int(line))
        break
    print("child", child, flush=True)
    os.waitpid(child, 0)
    print("over", flush=True)
"""
"""One process that has loaded everything and opens nothing; its children review until killed."""

KILLS = 25
FEW = 2
"""Decisions acknowledged before each kill."""


def test_twenty_five_kills_leave_a_chain_without_a_gap_and_every_decision_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "killed.duckdb"
    with Store(str(path)) as store:
        facts.add_cases(store, KILLS * 12)
    acknowledged: list[str] = []
    nursery = subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with nursery:
        for number in range(KILLS):
            acknowledged += _one_life(nursery, number)
            with Store(str(path)) as store:
                found = logs.verify(store, "cards", whole=False)
                assert found.valid, found.sentence
        assert nursery.stdin is not None
        nursery.stdin.close()
    with Store(str(path)) as store:
        assert logs.verify(store, "cards").valid
        facts.check_heads(store)
        decided = store.view("case_events", kind="decided")
        shown = store.view("shown_evidence")
        drafts = set(store.view("drafts")[["instance_id", "reviewer"]].itertuples(index=False))
        standing = store.view("decisions")[["instance_id", "reviewer"]].itertuples(index=False)
    assert len(acknowledged) >= KILLS * FEW
    assert decided["event_id"].is_unique
    assert set(acknowledged) <= set(decided["event_id"])
    assert set(shown["event_id"]) == set(decided["event_id"])
    assert not drafts & set(standing)


def _one_life(nursery: subprocess.Popen[str], number: int) -> list[str]:
    """Let a child review, kill it, and give the decisions it has acknowledged."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{number * 1_000_000}\n")
    nursery.stdin.flush()
    child = int(nursery.stdout.readline().split()[1])
    lines = [nursery.stdout.readline() for _ in range(FEW + number % 3)]
    os.kill(child, signal.SIGKILL)
    while not (line := nursery.stdout.readline()).endswith("over\n"):
        lines.append(line)
    return [line.split()[1] for line in lines]


def _run_and_kill(path: Path) -> list[tuple[str, str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(ROOT / "data")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child:
        lines = [child.stdout.readline() for _ in range(ACKNOWLEDGED)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(kind, name) for kind, name in whole]
