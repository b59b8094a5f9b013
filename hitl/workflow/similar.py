"""Which past cases are most like one: by their values, and by the reasons of their scores."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

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
    """What is known of earlier rows, gathered once and asked for many cases.

    `categorical` are the features that training holds as names; in any feature a value may be
    missing.
    """

    workspace: Workspace
    rows: pd.DataFrame
    scale: tuple[Any, Any]
    categorical: tuple[str, ...]


def past(store: Store, materials: Materials) -> Past:
    """Gather training rows, decided cases, and cases whose outcome arrived.

    Cases that still wait for a decision are left out: their outcome must not decide them.
    """
    features, training = list(materials.workspace.features), materials.training
    categorical = tuple(name for name in features if not is_numeric_dtype(training[name]))
    numbers = [name for name in features if name not in categorical]
    mean, spread = training[numbers].mean(), training[numbers].std()
    return Past(
        workspace=materials.workspace,
        rows=_as_numbers(_past(store, materials), numbers),
        scale=(mean.reindex(features), spread.reindex(features)),
        categorical=categorical,
    )


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
    known = known or past(store, materials)
    row = pd.DataFrame([case(store, space, instance_id)["features"]]).assign(id=instance_id)
    return explaining.neighbours(
        _as_numbers(row, [name for name in space.features if name not in known.categorical]),
        known.rows,
        features=space.features,
        scale=known.scale,
        k=k,
        id_column="id",
        categorical=known.categorical,
        missing=space.features,
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


def _as_numbers(rows: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """Read what is missing among numbers, which JSON calls nothing, as not a number."""
    return rows.astype(dict.fromkeys(numbers, "float64"))


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
