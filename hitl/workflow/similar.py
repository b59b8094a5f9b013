"""Which past cases are most like one: by their values, and by the reasons of their scores."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hitl import explain as explaining
from hitl.store import Store
from hitl.workflow.explaining import case
from hitl.workflow.materials import Materials
from hitl.workspaces import Workspace

NEIGHBOURS = 10
NEWEST_EXPLAINED = 500
COLUMNS = ["id", "distance", "decision", "truth", "known_from"]


@dataclass(frozen=True, eq=False)
class Past:
    """What is known of earlier rows, gathered once and asked for many cases."""

    workspace: Workspace
    rows: pd.DataFrame
    scale: tuple[Any, Any]


def past(store: Store, materials: Materials) -> Past:
    """Gather training rows, decided cases, and cases whose outcome arrived.

    Cases that still wait for a decision are left out: their outcome must not decide them.
    """
    features = list(materials.workspace.features)
    scale = (materials.training[features].mean(), materials.training[features].std())
    return Past(materials.workspace, _past(store, materials), scale)


def similar_cases(
    store: Store,
    materials: Materials,
    instance_id: str,
    *,
    k: int = NEIGHBOURS,
    known: Past | None = None,
) -> pd.DataFrame:
    """Find the past cases whose values are nearest, with what people decided and what came true.

    Parameters
    ----------
    known
        What `past` gathered, when it is kept for several cases; else it is gathered now.

    Returns
    -------
    DataFrame
        Columns ``id``, ``distance`` (in standard deviations of the training rows), ``decision``,
        ``truth`` (empty where unknown), ``known_from`` and the workspace's features; never the
        case itself.
    """
    space = materials.workspace
    row = pd.DataFrame([case(store, space, instance_id)["features"]]).assign(id=instance_id)
    known = known or past(store, materials)
    return explaining.neighbours(
        row, known.rows, features=space.features, scale=known.scale, k=k, id_column="id"
    )


def alike_cases(
    store: Store,
    space: Workspace,
    instance_id: str,
    evidence: Mapping[str, Any],
    *,
    k: int = NEIGHBOURS,
) -> pd.DataFrame:
    """Find the past alerts that the model scored for the same reasons.

    Compared are contributions under one model: those of known rows that it flags or that are
    positive, and of the newest explained cases whose decision or outcome may be shown.

    Returns
    -------
    DataFrame
        As `similar_cases` without the features; the distance is in log-odds.
    """
    rows = [
        {
            "id": f"row {near['id']}",
            "distance": float(near["distance"]),
            "decision": "",
            "truth": _word(bool(near["label"]), space),
            "known_from": "training",
        }
        for near in evidence.get("alike", [])
    ]
    names = list(evidence["contributions"])
    here = np.array([evidence["contributions"][name] for name in names])
    for found in _explained(store, space, evidence["model_id"]).to_dict("records"):
        if found["instance_id"] == instance_id:
            continue
        parts = json.loads(found["body"])["contributions"]
        there = np.array([parts[name] for name in names])
        rows.append(
            {
                "id": found["instance_id"],
                "distance": float(np.linalg.norm(here - there)),
                "decision": found["verdict"] or "",
                "truth": _word(found["outcome"], space),
                "known_from": "stream",
            }
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values("distance", kind="stable", ignore_index=True).head(k)


def _explained(store: Store, space: Workspace, model_id: str) -> pd.DataFrame:
    return store.view(
        "explained_cases",
        workspace=space.name,
        model_id=model_id,
        order=("-explained_ms", "instance_id"),
        limit=NEWEST_EXPLAINED,
    )


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
