"""Explain one case: evidence made once for a model, stored, read back, and made again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hitl.errors import (
    InputError,
    TamperedExplanationError,
    TamperedModelError,
    UnknownRowError,
)
from hitl.explain.keys import FORMAT, canonical, changes, key_of, plain
from hitl.store import Store, Work
from hitl.workflow import evidence
from hitl.workflow.catalogue import Stored, stored
from hitl.workspaces import Workspace

EVERYTHING = "all"
"""The method under which a case's explanation is kept: all of it."""

ASIDE = ("row", "where", "difference", "kept_where")
"""What a kept file may hold beside what its key stands for."""

PORTION = 5
"""Cases explained ahead in one go."""


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
    row: dict[str, Any] = plain(found.iloc[0].to_dict())
    return {**row, "features": json.loads(row["features"])}


def explain(
    store: Store,
    space: Workspace,
    instance_id: str,
    *,
    now_ms: int,
    model_id: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Explain a case under the model that scored it, or another stored one.

    The evidence is stored the first time and read back afterwards: what a reviewer saw is what an
    auditor reads.

    Returns
    -------
    dict
        The fields of `evidence.make`.
    """
    found = case(store, space, instance_id)
    wanted = model_id or found["model_id"]
    kept = store.rows("explanation", instance_id, wanted, EVERYTHING)
    if kept:
        return dict(json.loads(kept[0][0]))
    current = stored(store, wanted)
    row = pd.DataFrame([found["features"]])
    body = evidence.make(current, evidence.recipe(current, row, space, seed=seed))
    record = {
        "explanation_id": f"{instance_id}-{body['key']}",
        "workspace": space.name,
        "instance_id": instance_id,
        "model_id": wanted,
        "seed": seed,
        "body": canonical(body),
        "explained_ms": now_ms,
        "explanation_key": body["key"],
        "method": EVERYTHING,
    }

    def keep(work: Work) -> str:
        kept = work.rows("explanation", instance_id, wanted, EVERYTHING)
        if kept:  # somebody else was faster
            return str(kept[0][0])
        work.append("explanations", [record])
        return str(record["body"])

    return dict(json.loads(store.write(keep)))


def explain_ahead(
    store: Store, space: Workspace, *, now_ms: int, seed: int = 0, most: int = PORTION
) -> int:
    """Explain the most urgent waiting cases that have no explanation yet; say how many."""
    waiting = store.rows("unexplained", space.name, most)
    for instance_id, model_id in waiting:
        explain(store, space, instance_id, now_ms=now_ms, model_id=model_id, seed=seed)
    return len(waiting)


@dataclass(frozen=True)
class Replayed:
    """An explanation made again, and whether it is the same to the last byte.

    `changed` says which versions differ from those it was first made with, `differing` which
    parts are not what was kept, or were added to it.
    """

    body: dict[str, Any]
    changed: list[str]
    differing: list[str]

    @property
    def is_same(self) -> bool:
        """Whether everything kept was made again."""
        return not self.differing

    @property
    def sentence(self) -> str:
        """What a replay found, for people."""
        versions = f" Since then {'; '.join(self.changed)}." if self.changed else ""
        if self.is_same:
            return f"Replayed {self.body['key']}: the same to the last byte.{versions}"
        parts = ", ".join(self.differing)
        return f"Replayed {self.body['key']}: it is NOT what was kept: {parts}.{versions}"


def replay(current: Stored, kept: Mapping[str, Any]) -> Replayed:
    """Make a kept explanation again from its recipe.

    Parameters
    ----------
    current
        The model the recipe names.
    kept
        What `explain` returned or a file holds.

    Raises
    ------
    TamperedModelError
        If the model is not the one of the recipe.
    TamperedExplanationError
        If key and recipe do not belong together, or the known rows are others.
    InputError
        If it was made by an earlier version, which other words followed from.
    """
    recipe = _checked_recipe(kept)
    wanted = recipe["model"]
    if (current.model_id, current.model.sha256) != (wanted["id"], wanted["sha256"]):
        raise TamperedModelError(
            f"The explanation was made with model {wanted['id']} "
            f"(SHA-256 {wanted['sha256'][:12]}…); this is {current.model_id} "
            f"({current.model.sha256[:12]}…).",
            "Give the model it was made with.",
        )
    if evidence.ground(current).background_sha256 != recipe["background_sha256"]:
        raise TamperedExplanationError(
            f"The known rows beside model {current.model_id} are not those the explanation was "
            "made with.",
            "Give the model's own detector.",
        )
    body = evidence.make(current, recipe)
    names = [*body, *(name for name in kept if name not in (*body, *ASIDE))]
    differing = [name for name in names if canonical(body.get(name)) != canonical(kept.get(name))]
    return Replayed(body, changes(recipe["versions"]), differing)


def replay_stored(store: Store, key: str) -> Replayed:
    """Make an explanation of the database again.

    Raises
    ------
    UnknownRowError
        If no explanation has this key.
    """
    found = store.rows("explanation_by_key", key)
    if not found:
        raise UnknownRowError(
            f"There is no explanation {key} in the database.",
            "Check the key, or give the file that `explain --json` wrote.",
        )
    _, model_id, body = found[0]
    return replay(stored(store, model_id), json.loads(body))


def seen(store: Store, event_id: str) -> dict[str, Any] | None:
    """Read what was on the screen when a decision was made; nothing if that was not kept."""
    found = store.rows("shown_evidence", event_id)
    return dict(json.loads(found[0][1])) if found else None


def _checked_recipe(kept: Mapping[str, Any]) -> dict[str, Any]:
    recipe, key = kept.get("recipe"), kept.get("key")
    if isinstance(recipe, dict) and _is_older(recipe.get("format")):
        raise InputError(
            f"This explanation is of the format {recipe['format']}; now {FORMAT} is made.",
            "Read it as it was kept, or explain the row again.",
        )
    if not isinstance(recipe, dict) or recipe.get("format") != FORMAT:
        raise TamperedExplanationError(
            "This holds no explanation of ours.", "Give what `explain --json` printed, whole."
        )
    if key_of(recipe) != key:
        raise TamperedExplanationError(
            f"Key and recipe do not belong together: the recipe's key is {key_of(recipe)}, "
            f"{key} is written.",
            "Take the file that `explain --json` wrote, unchanged.",
        )
    return recipe


def _is_older(written: Any) -> bool:
    name, number = FORMAT.rsplit("/", 1)
    return written in {f"{name}/{earlier}" for earlier in range(1, int(number))}
