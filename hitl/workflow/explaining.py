"""Explain one case: evidence computed once for a model, stored, and read back as it was."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from hitl import explain as explaining
from hitl import models, novelty
from hitl.errors import UnknownRowError
from hitl.explain import text
from hitl.models import Model
from hitl.novelty import Detector
from hitl.store import Store, Work
from hitl.workflow.catalogue import Stored, stored
from hitl.workflow.materials import Materials
from hitl.workspaces import Workspace

NEIGHBOURS = 10
BACKGROUND_ROWS = 5_000
REASONS_SHOWN = 4


def case(store: Store, workspace: Workspace, instance_id: str) -> dict[str, Any]:
    """Read one case as it stands: features, live score, outcome, decision.

    Raises
    ------
    UnknownRowError
        If there is no such case in the workspace.
    """
    found = store.view("scored_instances", workspace=workspace.name, instance_id=instance_id)
    if found.empty:
        raise UnknownRowError(
            f"There is no case {instance_id!r} in {workspace.title}.",
            "Pick one from the table on Monitor, or check the link.",
        )
    row = {str(name): _plain(value) for name, value in found.iloc[0].items()}
    return {**row, "features": json.loads(row["features"])}


def explain(
    store: Store,
    materials: Materials,
    instance_id: str,
    *,
    now_ms: int,
    model_id: str | None = None,
) -> dict[str, Any]:
    """Explain a case under the model that scored it, or another stored one.

    The evidence is stored the first time and read back afterwards: what a reviewer saw is what an
    auditor reads.

    Returns
    -------
    dict
        The fields of `evidence`.
    """
    space = materials.workspace
    found = case(store, space, instance_id)
    wanted = model_id or found["model_id"]
    kept = store.rows("explanation", instance_id, wanted)
    if kept:
        return dict(json.loads(kept[0][0]))
    row = pd.DataFrame([found["features"]])
    seed = case_seed(instance_id, wanted)
    body = evidence(stored(store, wanted), row, materials.training, space, seed=seed)
    record = {
        "explanation_id": f"{instance_id}-{wanted}-{seed}",
        "workspace": space.name,
        "instance_id": instance_id,
        "model_id": wanted,
        "seed": seed,
        "body": json.dumps(body),
        "explained_ms": now_ms,
    }

    def keep(work: Work) -> str:
        kept = work.rows("explanation", instance_id, wanted)
        if kept:  # somebody else was faster
            return str(kept[0][0])
        work.append("explanations", [record])
        return str(record["body"])

    return dict(json.loads(store.write(keep)))


def evidence(
    current: Stored, row: pd.DataFrame, background: pd.DataFrame, space: Workspace, *, seed: int
) -> dict[str, Any]:
    """Gather what explains one row: contributions, their receipt, novelty and LIME.

    Parameters
    ----------
    current
        Model and detector.
    row
        One row with the model's features.
    background
        Known rows that say what is usual; LIME perturbs around them.
    seed
        Seed of LIME.

    Returns
    -------
    dict
        ``score``, ``probability``, ``threshold``, ``base_value``, ``contributions`` (log-odds by
        feature), ``residual``, ``table`` (largest contributions with value, typical range and
        percentile), ``novelty``, ``nearest``, ``sentence``, ``reasons`` and ``lime``.
    """
    model, detector = current.model, current.detector
    whole = explaining.attribution(model, row)
    table = explaining.contribution_table(model, row)
    distance = float(novelty.distances(detector, row)[0])
    sample = background.iloc[:: max(1, len(background) // BACKGROUND_ROWS)]
    surrogate = explaining.lime(model, row, sample, seed=seed)
    sentence = text.verdict_sentence(
        whole.probability, model.threshold, distance, detector.limit, space.noun, space.positive
    )
    return {
        **_unusual(model, detector, row, distance),
        "model_id": current.model_id,
        "score": whole.score,
        "probability": whole.probability,
        "threshold": model.threshold,
        "base_value": whole.base_value,
        "contributions": whole.contributions,
        "residual": whole.residual,
        "table": [{str(k): _plain(v) for k, v in r.items()} for r in table.to_dict("records")],
        "sentence": sentence,
        "reasons": _reasons(table, space),
        "lime": asdict(surrogate),
    }


def similar_cases(
    store: Store, materials: Materials, instance_id: str, *, k: int = NEIGHBOURS
) -> pd.DataFrame:
    """Find the nearest past cases with what people decided and what came true.

    Past cases are this workspace's decided cases, cases whose outcome arrived, and the rows the
    first model was trained on. Left out are the case itself and the cases that still wait for a
    decision: their outcome must not decide them.

    Returns
    -------
    DataFrame
        Columns ``id``, ``distance`` (in standard deviations of the training rows), ``decision``,
        ``truth`` (empty where unknown), ``known_from`` and the workspace's features.
    """
    space = materials.workspace
    row = pd.DataFrame([case(store, space, instance_id)["features"]]).assign(id=instance_id)
    features = list(space.features)
    scale = (materials.training[features].mean(), materials.training[features].std())
    return explaining.neighbours(
        row, _past(store, materials), features=space.features, scale=scale, k=k, id_column="id"
    )


def case_seed(instance_id: str, model_id: str) -> int:
    """Give each case and model one fixed seed, so an explanation can be made again."""
    return int(hashlib.sha256(f"{instance_id}|{model_id}".encode()).hexdigest()[:8], 16) % 2**31


def _past(store: Store, materials: Materials) -> pd.DataFrame:
    space = materials.workspace
    columns = list(dict.fromkeys((*space.features, *space.companions)))
    known = materials.training[[space.id_column, space.label_column, *columns]]
    past = known.rename(columns={space.id_column: "id", space.label_column: "truth"}).assign(
        id=lambda rows: "row " + rows["id"].astype(str),
        truth=lambda rows: np.where(rows["truth"] == 1, space.positive, space.negative),
        decision="",
        known_from="training",
    )
    seen = store.view("labelled_instances", workspace=space.name)
    decided = store.view("decided_cases", workspace=space.name)
    waiting = store.view("review_queue", workspace=space.name)["instance_id"]
    seen = seen[~seen["instance_id"].isin(waiting)].reset_index(drop=True)
    cases = pd.concat([_cases(seen, space), _cases(decided, space)], ignore_index=True)
    if cases.empty:
        return past
    cases = cases.drop_duplicates("id", keep="last")
    return pd.concat([past, cases], ignore_index=True)


def _cases(rows: pd.DataFrame, space: Workspace) -> pd.DataFrame:
    if rows.empty:
        return pd.DataFrame()
    features = pd.DataFrame([json.loads(f) for f in rows["features"]])
    decided = rows["verdict"] if "verdict" in rows else pd.Series("", index=rows.index)
    outcome = rows["outcome"] if "outcome" in rows else rows["is_positive"]
    from_people = ("is_reviewed" in rows) & (rows.get("source", "outcome") != "outcome")
    truth = [_word(value, space) for value in outcome]
    return features.assign(
        id=rows["instance_id"].to_numpy(),
        truth=np.where(from_people, "", truth),
        decision=decided.to_numpy(),
        known_from="stream",
    )


def _word(value: Any, space: Workspace) -> str:
    if value is None or value != value:
        return ""
    return space.positive if value else space.negative


def _reasons(table: pd.DataFrame, space: Workspace) -> list[str]:
    named = table[table["value"].notna()].head(REASONS_SHOWN)
    return [
        text.contribution_sentence(reason, space.noun, space.negative)
        for _, reason in named.iterrows()
    ]


def _unusual(
    model: Model, detector: Detector, row: pd.DataFrame, distance: float
) -> dict[str, Any]:
    flagged = models.flagged(model, row)
    is_novel = distance > detector.limit
    nearest = novelty.nearest(detector, row)
    return {
        "novelty": distance,
        "novelty_limit": detector.limit,
        "is_flagged": bool(flagged[0]),
        "state": str(novelty.states(flagged, np.array([is_novel]))[0]),
        "nearest": {
            "id": str(nearest["neighbour_id"].iloc[0]),
            "label": int(nearest["neighbour_class"].iloc[0]),
            "distance": float(nearest["distance"].iloc[0]),
        },
    }


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and value != value else value
