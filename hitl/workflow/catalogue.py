"""Models in the database: add one, read one back, find the champion."""

import json
from dataclasses import dataclass
from functools import lru_cache

from hitl import models, novelty
from hitl.errors import ModelError, NoChampionError, TamperedModelError
from hitl.store import Store, Work


@dataclass(frozen=True, eq=False)
class Stored:
    """A model with its novelty detector, as kept in the database; equal only to itself."""

    model_id: str
    model: models.Model
    detector: novelty.Detector


def add_model(
    work: Work,
    workspace: str,
    model: models.Model,
    detector: novelty.Detector,
    *,
    trained_by: str,
    now_ms: int,
) -> str:
    """Keep a model; one that is there already is left as it is."""
    if work.rows("model", model.model_id):
        return model.model_id
    row = {
        "model_id": model.model_id,
        "workspace": workspace,
        "parent_id": model.card.get("parent") or "",
        "method": model.card["method"],
        "sha256": model.sha256,
        "model": json.dumps(models.to_dict(model)),
        "detector": json.dumps(novelty.to_dict(detector)),
        "trained_by": trained_by,
        "trained_ms": now_ms,
    }
    work.append("models", [row])
    return model.model_id


def stored(store: Store, model_id: str) -> Stored:
    """Read a model back, its text verified before it is parsed.

    Raises
    ------
    ModelError
        If there is no such model.
    TamperedModelError
        If its text is not the one that was stored.
    """
    found = store.rows("model", model_id)
    if not found:
        raise ModelError(f"There is no model {model_id}.", "Choose one from the model history.")
    _, _, _, _, sha256, model, detector = found[0]
    return _parsed(model_id, sha256, model, detector)


def champion(store: Store, workspace: str) -> Stored:
    """Read the model in use.

    Raises
    ------
    NoChampionError
        If none has been promoted.
    """
    found = store.rows("champion_id", workspace)
    if not found:
        raise NoChampionError(
            f"Workspace {workspace} has no model yet.", "Run: python -m hitl seed"
        )
    return stored(store, found[0][0])


@lru_cache(maxsize=8)
def _parsed(model_id: str, sha256: str, model: str, detector: str) -> Stored:
    try:
        body, known = json.loads(model), json.loads(detector)
    except ValueError as error:
        raise _tampered(model_id) from error
    parsed = models.from_dict(body, trusted=True)
    if parsed.sha256 != sha256 or parsed.model_id != model_id:
        raise _tampered(model_id)
    return Stored(model_id, parsed, novelty.from_dict(known))


def _tampered(model_id: str) -> TamperedModelError:
    return TamperedModelError(
        f"Model {model_id} is not the one that was stored.", "Restore a backup."
    )
