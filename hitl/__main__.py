"""The same verbs from a terminal: JSON on stdout with --json, everything else on stderr."""

import argparse
import contextlib
import dataclasses
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from hitl import datasets, dossier, evaluation, models, novelty, options, settings, workflow
from hitl import store as storage
from hitl.errors import (
    DataError,
    FileFormatError,
    HitlError,
    InputError,
    MissingColumnsError,
    StoreError,
    UnknownRowError,
)
from hitl.explain.counterfactuals import counterfactual_sentence
from hitl.explain.differences import differences
from hitl.explain.keys import plain
from hitl.workflow import folders, logs, people
from hitl.workflow.explaining import ASIDE
from hitl.workspaces import WORKSPACES, Workspace, plain_workspace, workspace

WEIGHT = "weight"
IDENTITIES = ("row", "id", "index")
EXPLANATION_KEY = re.compile(r"x-[0-9a-f]{16}")
COUNTS = ("rows", "false_positives", "false_negatives")


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; 0 when it is done, 2 on a mistake the user can put right."""
    given = options.parser(VERBS, __doc__).parse_args(arguments)
    try:
        answer = given.verb(given)
        failed = answer.pop("failed", False)
        _tell(answer, as_json=given.json)
        if failed:
            if given.json:
                _say(answer["said"])
            return 2
    except HitlError as error:
        _say(" ".join(str(error).split()))
        return 2
    except BrokenPipeError:  # whoever reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _say(
            f"{error.filename or 'A file'} cannot be used: {error.strerror}. "
            "Check the path, its permissions and the free space."
        )
        return 2
    return 0


def seed(given: argparse.Namespace) -> dict[str, Any]:
    """Give each workspace its first model, unless it has one."""
    people.check(given.person, "seed")
    chosen = _settings()
    spaces = [workspace(given.workspace)] if given.workspace else list(WORKSPACES.values())
    folder = Path(chosen["data_dir"])
    planted = chosen["payments_disparity"]
    found = [
        workflow.materials(space, folder, seed=chosen["seed"], disparity=planted)
        for space in spaces
    ]
    answer: dict[str, Any] = {}
    with _store(given.db, may_be_new=True) as store:
        for rows in found:
            _say(f"Seeding {rows.workspace.name} from {rows.source} …")
            answer[rows.workspace.name] = workflow.seed(
                store,
                rows,
                seed=chosen["seed"],
                novelty_rate=chosen["novelty_rate"],
                now_ms=_now_ms(),
                reset=given.reset,
            )
    named = ", ".join(f"{name}: {model}" for name, model in answer.items())
    return {**answer, "said": f"Ready. Champions: {named}."}


def demo(given: argparse.Namespace) -> dict[str, Any]:
    """Play the story on a throwaway database."""
    del given
    chosen = _settings()
    rows = workflow.materials(workspace("story"), Path(chosen["data_dir"]), seed=chosen["seed"])
    with (
        tempfile.TemporaryDirectory() as folder,
        _store(str(Path(folder) / "story.duckdb"), may_be_new=True) as store,
    ):
        answer = workflow.play_story(
            store,
            rows,
            seed_number=chosen["seed"],
            now_ms=_now_ms(),
            novelty_rate=chosen["novelty_rate"],
        )
    said = (
        f"Alerts before: {answer['alerts_before']}. Unlike training: {answer['novel']}.\n"
        f"{answer['reviewed']} cases reviewed; alerts after: {answer['alerts_after']}.\n"
        f"{answer['known_frauds_kept']} of {answer['known_frauds']} known frauds kept "
        f"(churn alone loses {answer['churn_baseline_lost']:.1f}); "
        f"promoted {answer['promoted_model']}."
    )
    return {**answer, "said": said}


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Fit a model and its novelty detector on a file and save them to a folder."""
    parameters = options.parameters(given.param)
    folder = folders.model_folder(given.out)
    rows = datasets.read_table(Path(given.data))
    features, categorical, weight, identity = _roles(given, rows)
    weighted = f", weighted by the column {weight}" if weight else ""
    _say(f"Training on {len(rows):,} rows with {len(features)} features{weighted} …")
    left_out = datasets.left_out(
        rows,
        features=features,
        label=given.label,
        time=given.time,
        id_column=identity,
        weight=weight,
    )
    named = ", ".join(f"{name} ({why})" for name, why in left_out.items())
    _say(f"Left out: {named or 'no column'}")
    model = _fit(given, rows, features, categorical, weight, parameters)
    if model.missing:
        _say(f"Missing values kept: {', '.join(_gap(rows[name]) for name in model.missing)}")
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
    current, rows = _opened(given, label=given.label)
    model = current.model
    weight = _weight(rows, (*model.features, given.label))
    found = evaluation.evaluate(
        rows[given.label].to_numpy(),
        models.probabilities(model, rows),
        model.threshold,
        weight=rows[weight].to_numpy() if weight else None,
        seed=_settings()["seed"],
    )
    return {name: _counted(part) for name, part in found.items()}


def score(given: argparse.Namespace) -> dict[str, Any]:
    """Add score, probability, novelty, flagged and state to a file's rows."""
    out = _table_path(given.out)
    current, rows = _opened(given)
    added = {"score": "score", "probability": "probability", "novelty": "novelty"}
    added |= {"flagged": "is_flagged", "state": "state"}
    taken = [name for name in added if name in rows.columns]
    if taken:
        raise InputError(
            f"The file has a column {taken[0]} already.", "Rename it, or drop it, and score again."
        )
    found = workflow.predict(current, rows)
    scored = rows.assign(**{name: found[column].to_numpy() for name, column in added.items()})
    _write_table(scored, out)
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


def explain(given: argparse.Namespace) -> dict[str, Any]:
    """Explain one row of a file, counted from 0."""
    page = _dossier_path(given.dossier) if given.dossier else None
    current, rows = _opened_at(given)
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
        _write_text(page, dossier.dossier_html({}, found, space))
        _write_text(page.with_suffix(".json"), dossier.dossier_json({}, found, space))
    return {**found, "said": _explained(found)}


def replay(given: argparse.Namespace) -> dict[str, Any]:
    """Make an explanation again, from its key or from the file that holds it."""
    kept = _kept(given)
    if kept is None:
        with _store(given.db) as store:
            found = workflow.replay_stored(store, given.key_or_file)
        return {**found.body, "said": found.sentence, "failed": not found.is_same}
    where: dict[str, Any] = kept.get("where") or {}
    folder = given.model or where.get("model")
    if not folder:
        raise InputError("The file does not say where the model is.", "Name it with --model.")
    found = workflow.replay(folders.load(Path(folder)), kept)
    rest: dict[str, Any] = {name: kept[name] for name in ASIDE[:3] if name in kept}
    return {**found.body, **rest, "said": found.sentence, "failed": not found.is_same}


def decisions(given: argparse.Namespace) -> dict[str, Any]:
    """Write a workspace's decisions to a CSV file, or add those of one."""
    space = workspace(given.workspace)
    if given.direction == "export":
        path = _table_path(given.file)
        with _store(given.db) as store:
            found = workflow.export_decisions(store, space)
        _write_table(found, path)
        return {"exported": len(found), "said": f"{len(found)} decisions written to {path}."}
    people.check(given.person, "import_decisions")
    rows = datasets.read_table(Path(given.file), as_text=True)
    with _store(given.db) as store:
        added = workflow.import_decisions(store, space, rows, now_ms=_now_ms(), person=given.person)
    return {"imported": added, "said": f"{added} new decisions imported from {given.file}."}


def log(given: argparse.Namespace) -> dict[str, Any]:
    """Check the log of events and its chain, write it to a file, or take one over."""
    if (given.file is None) != (given.direction == "verify"):
        wanted = "no file" if given.direction == "verify" else "a file"
        raise InputError(
            f"log {given.direction} takes {wanted}.", "Write: log export FILE, or: log verify"
        )
    names = [workspace(given.workspace).name] if given.workspace else list(WORKSPACES)
    if given.direction == "import":
        people.check(given.person, "log_import")
        rows = logs.read_log(Path(given.file).read_bytes())
        with _store(given.db, may_be_new=True) as store:
            return _checked(logs.log_import(store, rows, person=given.person))
    path = _table_path(given.file) if given.file else None
    with _store(given.db) as store:
        found = _checked(tuple(logs.verify(store, name) for name in names))
        if path is not None:
            parts = list(logs.log_export(store, names))
            whole = pd.concat(parts) if parts else pd.DataFrame(columns=list(logs.COLUMNS))
            _write_table(whole, path)
            found["said"] += f" Written to {path}."
    return found


def _checked(found: tuple[logs.Verified, ...]) -> dict[str, Any]:
    """Put the checks of several workspaces together: the first that fails says where."""
    bad = next((each for each in found if not each.valid), None)
    events = sum(each.events for each in found)
    said = f"All {events:,} events are as they were written, and the queues follow from them."
    return {
        "events": events,
        "valid": bad is None,
        "first_bad": bad.first_bad if bad else None,
        "workspaces": {each.workspace: each.events for each in found if each.events},
        "said": bad.sentence if bad else said,
        "failed": bad is not None,
    }


def backup(given: argparse.Namespace) -> dict[str, Any]:
    """Write a consistent copy of everything to a file."""
    with _store(given.db) as store:
        path = store.backup(Path(given.file))
    return {"file": str(path), "said": f"Backed up to {path}."}


def restore(given: argparse.Namespace) -> dict[str, Any]:
    """Put a backup in place of the database."""
    people.check(given.person, "restore")
    counts = storage.restore(
        given.db or _settings()["database_url"], Path(given.file), replace=given.replace
    )
    return {**counts, "said": f"Restored {sum(counts.values()):,} rows from {given.file}."}


def sample(given: argparse.Namespace) -> dict[str, Any]:
    """Draw the bundled sample from the full card file."""
    path = _in_a_folder(given.out)
    rows = datasets.sample_cards(datasets.read_table(Path(given.data)), seed=given.seed)
    with _whole(path) as partial:
        datasets.write_sample(rows, partial)
    positives = int(rows["Class"].sum())
    said = f"{len(rows):,} rows, {positives} of them fraud, written to {given.out}."
    return {"rows": len(rows), "positives": positives, "out": given.out, "said": said}


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
        _write_text(
            folder / f"{found['key']}.json",
            json.dumps(plain({**found, "kept_where": where}), allow_nan=False),
        )
    except OSError as error:
        _say(f"{folder} cannot be written ({error.strerror}): keep the output to replay it.")


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
    return Path(_settings()["data_dir"]) / "explanations"


def _dossier_path(name: str) -> Path:
    path = _in_a_folder(name)
    if path.suffix != ".html":
        raise FileFormatError(f"{path.name} does not end with .html.", "Name it FILE.html.")
    return path


def _write_text(path: Path, content: str) -> None:
    with _whole(path) as partial:
        partial.write_text(content, encoding="utf-8")


def _settings() -> dict[str, Any]:
    return settings.load(os.environ)


def _store(url: str | None, *, may_be_new: bool = False) -> storage.Store:
    chosen = _settings()
    url = url or str(chosen["database_url"])
    path = url.removeprefix("duckdb:")
    if not (may_be_new or "://" in url or Path(path).exists()):
        raise StoreError(f"There is no database {path}.", "Check --db, or run: python -m hitl seed")
    return storage.Store(url, memory_limit=chosen["memory_limit"], threads=chosen["threads"])


def _opened(
    given: argparse.Namespace, label: str | None = None
) -> tuple[workflow.Stored, pd.DataFrame]:
    """Read rows and a saved model, and check that one can be used on the other."""
    rows = datasets.read_table(Path(given.data))
    current = folders.load(Path(given.model))
    features = current.model.features
    identity = _identity(rows, (*features, label))
    models.check(current.model, rows, label=label, id_column=identity)
    return current, rows


def _opened_at(given: argparse.Namespace) -> tuple[workflow.Stored, pd.DataFrame]:
    """Read rows and a saved model for one row; what is wrong with the others does not matter."""
    rows = datasets.read_table(Path(given.data))
    if not 0 <= given.row < len(rows):
        raise UnknownRowError(
            f"There is no row {given.row}.", f"Give a number from 0 to {len(rows) - 1}."
        )
    current = folders.load(Path(given.model))
    try:
        models.check(current.model, rows.iloc[[given.row]])
    except DataError:
        models.check(
            current.model, rows.iloc[: given.row + 1]
        )  # its message counts the file's rows
        raise
    return current, rows


def _roles(
    given: argparse.Namespace, rows: pd.DataFrame
) -> tuple[tuple[str, ...], tuple[str, ...], str | None, str | None]:
    """Decide what each column is for: features, which are names, weight and id."""
    if given.time and given.time not in rows.columns:
        raise MissingColumnsError(
            f"There is no time column {given.time}.", f"The columns are: {', '.join(rows.columns)}."
        )
    listed, named = _listed(given, "features"), _listed(given, "categorical")
    datasets.check_rows(rows, features=named, categorical=named, missing=named)
    taken = (*listed, *named, given.label, given.time)
    weight, identity = _weight(rows, taken), _identity(rows, taken)
    numbers = listed or datasets.default_features(
        rows.drop(columns=list(named)),
        label=given.label,
        time=given.time,
        id_column=identity,
        weight=weight,
    )
    features = tuple(dict.fromkeys((*numbers, *named)))
    if not listed:
        features = tuple(name for name in rows.columns if name in features)
    datasets.check_rows(
        rows,
        features=features,
        label=given.label,
        id_column=identity,
        categorical=named,
        missing=features,
    )
    return features, named, weight, identity


def _listed(given: argparse.Namespace, option: str) -> tuple[str, ...]:
    """Read the column names an option lists."""
    text = getattr(given, option)
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise InputError(f"--{option} names no column.", "Write it as V4,V14, or leave it out.")
    for name in names:
        if names.count(name) > 1 or name in (given.label, given.time):
            use = "named twice" if names.count(name) > 1 else "the label or the time"
            raise InputError(f"{name} is {use} and cannot be a feature.", f"Change --{option}.")
    return names


def _gap(column: pd.Series) -> str:
    return f"{column.name} ({int(column.isna().sum()):,} rows)"


def _weight(rows: pd.DataFrame, taken: tuple[str | None, ...]) -> str | None:
    """Find the column of sampling weights, unless it has another role."""
    if WEIGHT not in rows.columns or WEIGHT in taken:
        return None
    datasets.check_rows(rows, features=(WEIGHT,))
    if not (rows[WEIGHT] > 0).all():
        raise InputError(
            f"Column {WEIGHT!r} has a value that is not above 0.",
            "Correct it, or rename the column.",
        )
    return WEIGHT


def _identity(rows: pd.DataFrame, taken: tuple[str | None, ...]) -> str | None:
    """Find the column that names the rows; one called so is it even if a value stands twice."""
    for name in rows.columns:
        is_number = pd.api.types.is_float_dtype(rows[name])
        if str(name).lower() in IDENTITIES and name not in taken and not is_number:
            return str(name)
    return datasets.id_column_of(rows)


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


def _in_a_folder(name: str) -> Path:
    path = Path(name)
    if not path.resolve().parent.is_dir():
        raise InputError(f"There is no folder {path.parent}.", "Make it first, or name another.")
    return path


def _table_path(name: str) -> Path:
    path = _in_a_folder(name)
    if path.suffix not in (".csv", ".parquet"):
        raise FileFormatError(
            f"{path.name} is neither .csv nor .parquet.", "End the file's name with one of them."
        )
    return path


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a file to write to; it takes the path's place when it is complete."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_table(rows: pd.DataFrame, path: Path) -> None:
    with _whole(path) as partial:
        if path.suffix == ".parquet":
            rows.to_parquet(partial, index=False)
        else:
            rows.to_csv(partial, index=False)


def _counted(found: Any) -> Any:
    """Write the counts among measures as whole numbers where they are whole."""
    if not isinstance(found, dict):
        return found
    whole = [name for name in COUNTS if float(found[name]).is_integer()]
    return {**found, **{name: int(found[name]) for name in whole}}


def _tell(answer: dict[str, Any], *, as_json: bool) -> None:
    shown = {name: part for name, part in answer.items() if name != "said"}
    text = json.dumps(plain(shown), indent=2, allow_nan=False)
    if as_json:
        print(text, flush=True)
    else:
        _say(answer.get("said") or text)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000)


VERBS = (
    seed, demo, train, evaluate, score, explain, replay, decisions, log, backup, restore, sample,
)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
