"""Kill -9 while payments stream in and people decide: what was acknowledged is there, once."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from hitl import workflow
from hitl.store import Store
from hitl.workspaces import CARDS

ROOT = Path(__file__).parents[2]
ROUNDS = 4
ACKNOWLEDGED = 60
"""Lines to read before each kill."""

CHILD = """
import sys, threading
from pathlib import Path
from hitl import workflow
from hitl.store import Store
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
        claimed = workflow.claim(store, CARDS, name, now_ms=1)
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
