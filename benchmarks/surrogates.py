"""LIME for a queue and for one case against the stock lime package, in seconds of one processor."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.timing import Line, cpu_seconds, in_turns
from hitl import explain, models, workflow
from hitl.explain.levels import Background
from hitl.workspaces import WORKSPACES

DATA = Path(__file__).parent.parent / "data"
NAMES = ("cards", "payments")
QUEUE = 1_000
CASES = 40
SEEDS = range(5)


@dataclass(frozen=True, eq=False)
class World:
    """A model, what it knows, a queue (highest scores first) and the flagged cases in it."""

    name: str
    face: explain.Scorer
    known: Background
    queue: np.ndarray
    flagged: np.ndarray


def lines() -> list[Line]:
    """Measure every workspace there is, both ways on one thread of linear algebra.

    With more, the stock package's threads wait for one another and look busier than they are.
    """
    from threadpoolctl import threadpool_limits

    found = []
    with threadpool_limits(1, user_api="blas"):
        for name in NAMES:
            if name in WORKSPACES:
                found += _lines(_world(name))
    return found


def _world(name: str) -> World:
    space = WORKSPACES[name]
    rows = workflow.materials(space, DATA)
    model = models.fit(
        rows.training,
        features=space.features,
        label=space.label_column,
        weight=space.weight_column,
    )
    face = explain.scorer(model)
    known = explain.prepare(face, rows.training.iloc[:: max(1, len(rows.training) // 5_000)])
    later = face.encode(pd.concat([rows.test, rows.stream]))
    probability = face.probabilities(later)
    queue = later[np.argsort(-probability, kind="stable")[:QUEUE]]
    flagged = queue[face.probabilities(queue) >= face.threshold][:CASES]
    return World(name, face, known, queue, flagged)


def _lines(world: World) -> list[Line]:
    what = f"LIME, {world.name}"
    found = [_queue(world, what)]
    one, *_ = world.flagged
    for ours, seeds, theirs in (
        ("lime-local, 1 seed", SEEDS[:1], SEEDS[:1]),
        ("lime-local, 5 seeds", SEEDS, SEEDS[:1]),
        ("lime-local, 5 seeds", SEEDS, SEEDS),
    ):
        mine, other = in_turns(
            lambda seeds=seeds: explain.local_lime(world.face, one, world.known, seeds=seeds),
            lambda seeds=theirs: [_stock(world, one, seed) for seed in seeds],
            times=7,
            clock=cpu_seconds,
        )
        calls = f"stock lime, {len(theirs)} × 5,000 samples"
        found.append(Line(f"{what}: one flagged case", ours, mine, calls, other))
    ours, theirs = _quality(world)
    mine, other = found[-1].ours_seconds, found[-1].instead_seconds
    what = f"{what}: {len(world.flagged)} flagged cases, 5 seeds each"
    return [*found, Line(what, f"lime-local: {ours}", mine, f"stock lime: {theirs}", other)]


def _queue(world: World, what: str) -> Line:
    """Explain the whole queue both ways; the loop really runs over every row."""
    kept: dict[str, Any] = {}

    def here() -> None:
        sample = explain.draw_sample(world.face, world.known, seed=0)
        kept["ours"] = explain.shared_lime(world.face, world.queue, [sample])

    def loop() -> None:
        kept["theirs"] = [_stock(world, row, 0) for row in world.queue]

    mine, other = cpu_seconds(here), cpu_seconds(loop)
    gaps = [
        abs(ours.weights[name] - theirs[name])
        for ours, theirs in zip(kept["ours"], kept["theirs"], strict=True)
        for name in world.face.features
    ]
    return Line(
        f"{what}: a queue of {len(world.queue):,}",
        f"one shared sample (largest difference of a weight {max(gaps):.0e})",
        mine,
        "a loop of stock lime, same sample",
        other,
    )


def _quality(world: World) -> tuple[str, str]:
    """Say what both are worth on the flagged cases."""
    face, known, cases = world.face, world.known, world.flagged
    _, parts = face.split(cases) if face.split else (0.0, None)
    samples = [explain.draw_sample(face, known, seed=seed) for seed in SEEDS]
    near = [
        explain.local_lime(face, row, known, seeds=SEEDS, contributions=part)
        for row, part in zip(cases, parts, strict=True)
    ]
    stock = explain.shared_lime(face, cases, samples, parts)
    return _figures(near, world, parts), _figures(stock, world, parts)


def _figures(found: list[explain.Surrogate], world: World, parts: np.ndarray) -> str:
    names = world.face.features
    weights = np.array([[one.weights[name] for name in names] for one in found])
    fall, best = (
        explain.deletion(
            world.face, world.flagged, world.known, explain.positive_tops(table, 3), seed=0
        ).mean()
        for table in (weights, parts)
    )
    return (
        f"median R² {_median(one.r2 for one in found):.2f}, "
        f"off by {_median(abs(o.local_prediction - o.model_prediction) for o in found):.2f}, "
        f"mean seed agreement {np.mean([one.stability for one in found]):.2f}, "
        f"median SHAP overlap {_median(one.shap_overlap for one in found):.2f}, "
        f"top 3 deleted −{fall:.2f} log-odds (SHAP's −{best:.2f})"
    )


def _median(values: Iterable[float | None]) -> float:
    return float(np.median([value for value in values if value is not None]))


def _stock(world: World, row: np.ndarray, seed: int) -> dict[str, float]:
    """Give one case's weights as a fresh explainer would; making it is not in the price."""
    explainer = _explainer(world)
    explainer.random_state.seed(seed)

    def both(values: np.ndarray) -> np.ndarray:
        positive = world.face.probabilities(values)
        return np.column_stack([1 - positive, positive])

    found = explainer.explain_instance(row, both, num_features=len(row))
    return {world.face.features[place]: weight for place, weight in found.as_map()[1]}


@cache
def _explainer(world: World) -> Any:
    from lime.lime_tabular import LimeTabularExplainer

    return LimeTabularExplainer(world.known.values, random_state=0, feature_selection="none")
