"""Verbs that explain: explain and replay."""

import argparse
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from hitl import dossier, options, workflow
from hitl.errors import FileFormatError, InputError
from hitl.explain.counterfactuals import counterfactual_sentence
from hitl.explain.differences import differences
from hitl.explain.keys import plain
from hitl.terminal import columns, environment, output
from hitl.workflow import folders
from hitl.workflow.explaining import ASIDE
from hitl.workspaces import Workspace, plain_workspace, workspace

EXPLANATION_KEY = re.compile(r"x-[0-9a-f]{16}")


def explain(given: argparse.Namespace) -> dict[str, Any]:
    """Explain one row of a file, counted from 0."""
    page = _dossier_path(given.dossier) if given.dossier else None
    current, rows = columns.model_and_row(given)
    space = _spoken(given, current.model.features)
    row = rows.iloc[[given.row]]
    recipe = workflow.recipe(current, row, space, method=given.method, seed=given.seed)
    found = {
        **workflow.make(current, recipe),
        "row": given.row,
        "where": {"model": given.model, "data": given.data},
    }
    if given.against:
        found["difference"] = _difference(given, row, space, found)
    _keep(found)
    if page is not None:
        output.write_text(page, dossier.dossier_html({}, found, space))
        output.write_text(page.with_suffix(".json"), dossier.dossier_json({}, found, space))
    return {**found, "said": _explained(found)}


def replay(given: argparse.Namespace) -> dict[str, Any]:
    """Make an explanation again, from its key or from the file that holds it."""
    kept = _kept(given)
    if kept is None:
        with environment.store(given.db) as store:
            found = workflow.replay_stored(store, given.key_or_file)
        return {**found.body, "said": found.sentence, "failed": not found.is_same}
    where: dict[str, Any] = kept.get("where") or {}
    folder = given.model or where.get("model")
    if not folder:
        raise InputError("The file does not say where the model is.", "Name it with --model.")
    found = workflow.replay(folders.load(Path(folder)), kept)
    rest: dict[str, Any] = {name: kept[name] for name in ASIDE[:3] if name in kept}
    return {**found.body, **rest, "said": found.sentence, "failed": not found.is_same}


def _spoken(given: argparse.Namespace, features: tuple[str, ...]) -> Workspace:
    """Give the words to explain in: a workspace's, or plain ones, with those named instead."""
    space = workspace(given.workspace) if given.workspace else plain_workspace(features)
    named = {name: getattr(given, name) for name, _ in options.WORDS}
    return dataclasses.replace(space, **{name: word for name, word in named.items() if word})


def _difference(
    given: argparse.Namespace, row: pd.DataFrame, space: Workspace, new: dict[str, Any]
) -> dict[str, Any]:
    """Compare with an older model's view of the same row."""
    other = folders.load(Path(given.against))
    recipe = workflow.recipe(other, row, space, method="shap", seed=given.seed)
    old = workflow.make(other, recipe)
    found = dataclasses.asdict(differences(old, new))
    return {"old_model": old["model_id"], "new_model": new["model_id"], **found}


def _explained(found: dict[str, Any]) -> str:
    lines = [found["sentence"], found["cost"], *found["reasons"]]
    if "counterfactuals" in found:
        nothing = [counterfactual_sentence(None, noun=found["recipe"]["words"]["noun"])]
        lines += ([one["sentence"] for one in found["counterfactuals"]] or nothing)[:1]
    lines += [found["difference"]["sentence"]] if "difference" in found else []
    return "\n".join([line for line in lines if line] + [f"Key: {found['key']}"])


def _keep(found: dict[str, Any]) -> None:
    """Keep an explanation beside the data, so that its key alone is enough to replay it."""
    folder = _kept_folder()
    where = {name: str(Path(path).resolve()) for name, path in found["where"].items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        output.write_text(
            folder / f"{found['key']}.json",
            json.dumps(plain({**found, "kept_where": where}), allow_nan=False),
        )
    except OSError as error:
        output.say(f"{folder} cannot be written ({error.strerror}): keep the output to replay it.")


def _kept(given: argparse.Namespace) -> dict[str, Any] | None:
    """Read the explanation that a file or a key names; nothing if the key is in the database."""
    named = Path(given.key_or_file)
    kept = _kept_folder() / f"{given.key_or_file}.json"
    is_key = EXPLANATION_KEY.fullmatch(given.key_or_file) is not None
    if is_key and not kept.is_file():
        return None
    path = kept if is_key else named
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise FileFormatError(
            f"{path} is not JSON: {error}.", "Give what `explain --json` printed, whole."
        ) from error
    if isinstance(found, dict) and "key" not in found:
        found = found.get("evidence", found)  # a case file
    if not isinstance(found, dict):
        raise FileFormatError(
            f"{path} holds no explanation.", "Give what `explain --json` printed."
        )
    if "kept_where" in found and given.model is None:
        given.model = found["kept_where"]["model"]
    return found


def _kept_folder() -> Path:
    return Path(environment.settings()["data_dir"]) / "explanations"


def _dossier_path(name: str) -> Path:
    path = output.in_a_folder(name)
    if path.suffix != ".html":
        raise FileFormatError(f"{path.name} does not end with .html.", "Name it FILE.html.")
    return path
