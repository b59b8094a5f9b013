"""Verbs that work on files: train, evaluate, score, sample."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from hitl import datasets, evaluation, models, novelty, options, workflow
from hitl.errors import InputError
from hitl.terminal import columns, environment, output
from hitl.workflow import folders

COUNTS = ("rows", "false_positives", "false_negatives")


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Fit a model and its novelty detector on a file and save them to a folder."""
    parameters = options.parameters(given.param)
    folder = folders.model_folder(given.out)
    rows = datasets.read_table(Path(given.data))
    features, categorical, weight, identity = columns.roles(given, rows)
    weighted = f", weighted by the column {weight}" if weight else ""
    output.say(f"Training on {len(rows):,} rows with {len(features)} features{weighted} …")
    left_out = datasets.left_out(
        rows,
        features=features,
        label=given.label,
        time=given.time,
        id_column=identity,
        weight=weight,
    )
    named = ", ".join(f"{name} ({why})" for name, why in left_out.items())
    output.say(f"Left out: {named or 'no column'}")
    model = _fit(given, rows, features, categorical, weight, parameters)
    if model.missing:
        output.say(f"Missing values kept: {', '.join(_gap(rows[name]) for name in model.missing)}")
    detector = novelty.fit(
        rows,
        features=features,
        categorical=categorical,
        label=given.label,
        id_column=identity,
        seed=given.seed,
    )
    folders.save(model, detector, folder)
    return {
        "model_id": model.model_id,
        "folder": given.out,
        "features": list(features),
        "categorical": list(categorical),
        "missing": list(model.missing),
        "left_out": list(left_out),
        "rows": len(rows),
        "positives": int(rows[given.label].sum()),
        "weight": weight,
        "threshold": model.threshold,
        "false_alarm_budget": given.budget,
        "train_average_precision": model.card["train_ap"],
        "novelty_limit": detector.limit,
        "said": f"Saved {model.model_id} to {given.out}.",
    }


def evaluate(given: argparse.Namespace) -> dict[str, Any]:
    """Measure a saved model on a labelled file."""
    current, rows = columns.model_and_rows(given, label=given.label)
    model = current.model
    weight = columns.weight_column(rows, (*model.features, given.label))
    found = evaluation.evaluate(
        rows[given.label].to_numpy(),
        models.probabilities(model, rows),
        model.threshold,
        weight=rows[weight].to_numpy() if weight else None,
        seed=environment.settings()["seed"],
    )
    return {name: _counted(part) for name, part in found.items()}


def score(given: argparse.Namespace) -> dict[str, Any]:
    """Add score, probability, novelty, flagged and state to a file's rows."""
    out = output.table_path(given.out)
    current, rows = columns.model_and_rows(given)
    added = {"score": "score", "probability": "probability", "novelty": "novelty"}
    added |= {"flagged": "is_flagged", "state": "state"}
    taken = [name for name in added if name in rows.columns]
    if taken:
        raise InputError(
            f"The file has a column {taken[0]} already.", "Rename it, or drop it, and score again."
        )
    found = workflow.predict(current, rows)
    scored = rows.assign(**{name: found[column].to_numpy() for name, column in added.items()})
    output.write_table(scored, out)
    counts = {state: int(n) for state, n in found["state"].value_counts().items()}
    return {
        "rows": len(rows),
        "flagged": int(found["is_flagged"].sum()),
        "novel": int(found["is_novel"].sum()),
        "states": counts,
        "model_id": current.model_id,
        "out": given.out,
        "said": f"Scored {len(rows):,} rows into {given.out}: {counts}.",
    }


def sample(given: argparse.Namespace) -> dict[str, Any]:
    """Draw the bundled sample from the full card file."""
    path = output.in_a_folder(given.out)
    rows = datasets.sample_cards(datasets.read_table(Path(given.data)), seed=given.seed)
    with output.whole(path) as partial:
        datasets.write_sample(rows, partial)
    positives = int(rows["Class"].sum())
    said = f"{len(rows):,} rows, {positives} of them fraud, written to {given.out}."
    return {"rows": len(rows), "positives": positives, "out": given.out, "said": said}


def _fit(
    given: argparse.Namespace,
    rows: pd.DataFrame,
    features: tuple[str, ...],
    categorical: tuple[str, ...],
    weight: str | None,
    parameters: dict[str, Any],
) -> models.Model:
    from lightgbm.basic import LightGBMError

    try:
        return models.fit(
            rows,
            features=features,
            categorical=categorical,
            label=given.label,
            weight=weight,
            seed=given.seed,
            budget=given.budget,
            parameters=parameters,
            rounds=given.rounds,
        )
    except LightGBMError as error:
        said = str(error).split(" at /")[0]
        raise InputError(f"LightGBM refuses to train: {said}.", "Change --param.") from error


def _gap(column: pd.Series) -> str:
    return f"{column.name} ({int(column.isna().sum()):,} rows)"


def _counted(found: Any) -> Any:
    """Write the counts among measures as whole numbers where they are whole."""
    if not isinstance(found, dict):
        return found
    whole = [name for name in COUNTS if float(found[name]).is_integer()]
    return {**found, **{name: int(found[name]) for name in whole}}
