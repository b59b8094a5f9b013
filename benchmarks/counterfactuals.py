"""What would turn a verdict, and the first screen, against DiCE and explainerdashboard (CPU)."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.dossiers import stored
from benchmarks.timing import Line
from hitl import explain, models, workflow
from hitl.workspaces import CARDS, PAYMENTS, Workspace

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-peers" / "bin" / "python"
SPACES = (CARDS, PAYMENTS)
SCREEN_ROWS = 1_000
CASES = 30
HOW = "DiCE and explainerdashboard are left out; to have them: sh benchmarks/peers.sh"


def lines() -> list[Line]:
    """Answer for flagged rows of each locked test set, and open a first screen."""
    return [line for space in SPACES for line in _lines(space)]


def _lines(space: Workspace) -> list[Line]:
    rows = workflow.materials(space, ROOT / "data")
    current = stored(space, rows)
    model = current.model
    cases = rows.test[models.flagged(model, rows.test)].iloc[:CASES]
    each, said = _answers(model, rows.training, cases)
    screen = rows.test.iloc[:SCREEN_ROWS]
    first = cpu_seconds(lambda: first_screen(space, current, screen))
    if not PEERS.exists():
        print(f"{space.title}: {1_000 * each:.3g} ms CPU a case, {said}. {HOW}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as name:
        _export(space, Path(name), model, rows.training, cases, screen)
        dice, board = (_peer(Path(name), peer) for peer in ("dice", "explainerdashboard"))
    theirs = f"DiCE random, {_said(dice['answered'], dice['changed'], dice['turned'])}"
    what = f"CPU, {space.title}: first screen on {SCREEN_ROWS:,} rows"
    mine = "scores and all evidence of one case"
    other = "explainerdashboard 0.5.8, defaults, no interactions"
    return [
        Line(f"CPU, {space.title}: three counterfactuals", said, each, theirs, dice["seconds"]),
        Line(what, mine, first, other, board["seconds"]),
    ]


def cpu_seconds(call: Callable[[], Any], *, times: int = 5) -> float:
    """Give the median CPU seconds of a call, after one unmeasured run."""
    call()
    found = []
    for _ in range(times):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return statistics.median(found)


def first_screen(space: Workspace, current: workflow.Stored, rows: pd.DataFrame) -> None:
    """Do what the Explain page needs before it can be read: all scores, one case's evidence."""
    probability = models.probabilities(current.model, rows)
    case = rows.iloc[[int(np.argmax(probability))]]
    workflow.make(current, workflow.recipe(current, case, space))


def _answers(model: models.Model, training: pd.DataFrame, cases: pd.DataFrame) -> tuple[float, str]:
    """Give the median CPU seconds of a case, and what the answers are like."""
    face = explain.scorer(model)
    known = explain.donors(face, face.encode(training))
    seconds, answered, changed = [], [], []
    turned: list[bool] = []
    for case in face.encode(cases):
        start = time.process_time()
        found = explain.counterfactuals(face, case, known)
        seconds.append(time.process_time() - start)
        answered.append(len(found))
        changed += [len(answer.changes) for answer in found]
        turned += [not answer.flagged for answer in found]
    return statistics.median(seconds), f"donor search, {_said(answered, changed, turned)}"


def _said(answered: list[int], changed: list[int], turned: list[bool]) -> str:
    """Say how many answers there are, how many are right, and how much they change."""
    return (
        f"{sum(n > 0 for n in answered)} of {len(answered)} cases answered, {sum(turned)} of "
        f"{len(turned)} answers turn the verdict, by {statistics.mean(changed):.1f} features, "
        f"at most {max(changed)}"
    )


def _export(
    space: Workspace,
    folder: Path,
    model: models.Model,
    training: pd.DataFrame,
    cases: pd.DataFrame,
    screen: pd.DataFrame,
) -> None:
    (folder / "model.txt").write_text(model.text, "utf-8")
    for name, rows in (("training", training), ("cases", cases), ("screen", screen)):
        rows.to_csv(folder / f"{name}.csv", index=False)
    card = {
        "features": list(model.features),
        "label": space.label_column,
        "slope": model.slope,
        "intercept": model.intercept,
        "threshold": model.threshold,
        "parameters": model.card["parameters"],
        "rounds": model.card["rounds"],
    }
    (folder / "model.json").write_text(json.dumps(card), "utf-8")


def _peer(folder: Path, peer: str) -> dict[str, Any]:
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run(
        [str(PEERS), str(script), str(folder), peer], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{peer} failed:\n{done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
