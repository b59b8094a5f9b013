"""Models as dictionaries and folders, verified before LightGBM reads them."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hitl.errors import InputError, ModelFormatError, TamperedModelError
from hitl.models.artefact import Model, check_features, check_kind, check_text

FORMAT = "second-look-model/1"
CHILD_SECONDS = 60
PROBE_TOLERANCE = 1e-9
_HINT = "Export the model again, or take the stored copy."
_COPY_HINT = "Copy the folder again, or train the model again."
_CHILD = """
import json, sys
import numpy as np
from lightgbm import Booster
given = json.load(sys.stdin)
trees = Booster(model_str=given["text"])
values = np.array(given["rows"], dtype=float)
print(json.dumps(trees.predict(values, raw_score=True, num_threads=1).tolist()))
"""


def to_dict(model: Model) -> dict[str, Any]:
    """Write a model as plain values with its checksums.

    Parameters
    ----------
    model
        The model.

    Returns
    -------
    dict
        What `from_dict` reads; can be written as JSON.
    """
    named = {feature: list(names) for feature, names in model.categories.items()}
    return {
        "format": FORMAT,
        "model_id": model.model_id,
        "sha256": model.sha256,
        "features": list(model.features),
        "slope": model.slope,
        "intercept": model.intercept,
        "threshold": model.threshold,
        "card": model.card,
        "text": model.text,
    } | ({"categories": named} if named else {})


def from_dict(stored: dict[str, Any], *, trusted: bool) -> Model:
    """Read a model from plain values, checking it before LightGBM sees its text.

    Parameters
    ----------
    stored
        What `to_dict` wrote.
    trusted
        True for what this installation wrote itself. Otherwise, and always when no checksum is
        given, a second process parses the text first and must reproduce the card's probe scores.

    Returns
    -------
    Model
        The model, not yet parsed in this process.

    Raises
    ------
    ModelFormatError
        If a field is missing or wrong, the text is not LightGBM's, or parsing it fails.
    TamperedModelError
        If text, calibration or threshold do not match the checksums, or the probe scores differ.
    FeatureMismatchError
        If text and card name other features or another order.
    """
    model = _read_fields(stored)
    check_kind(model.text)
    _check_sums(stored, model)
    check_text(model.text)
    check_features(model.text, model.features)
    if not trusted or "sha256" not in stored:
        _check_probe(model)
    return model


def save(model: Model, folder: Path) -> None:
    """Write ``model.txt`` and ``card.json`` into a new folder, both or neither.

    Parameters
    ----------
    model
        The model.
    folder
        A folder that does not exist yet or is empty; its parents are made.

    Raises
    ------
    InputError
        If the folder holds something already.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder} is there already.", "Name a new or an empty folder.")
    card = to_dict(model)
    text = card.pop("text")
    partial = folder.parent / f".{folder.name}.{model.model_id}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "model.txt").write_bytes(text.encode())
    (partial / "card.json").write_text(json.dumps(card, indent=1, allow_nan=False) + "\n", "utf-8")
    if folder.is_dir():
        folder.rmdir()
    partial.rename(folder)


def load(folder: Path, *, trusted: bool = False) -> Model:
    """Read a model from the folder that `save` wrote.

    Parameters
    ----------
    folder
        Holds ``model.txt`` and ``card.json``.
    trusted
        As in `from_dict`.

    Raises
    ------
    ModelFormatError, TamperedModelError, FeatureMismatchError
        As `from_dict`; also if a file is missing or not readable as text or JSON.
    """
    text = _read_bytes(folder / "model.txt")
    check_kind(text)
    try:
        stored = json.loads(_read_bytes(folder / "card.json"))
        whole = text.decode()
    except ValueError as error:
        raise ModelFormatError(f"A file in {folder} is damaged: {error}.", _HINT) from error
    if not isinstance(stored, dict):
        raise ModelFormatError(f"{folder / 'card.json'} is not a model's card.", _HINT)
    return from_dict(stored | {"text": whole}, trusted=trusted)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFormatError(
            f"{path} cannot be read.", "A model's folder holds model.txt and card.json."
        ) from error


def _read_fields(stored: dict[str, Any]) -> Model:
    try:
        text, features, card = stored["text"], tuple(stored["features"]), stored["card"]
        numbers = [float(stored[name]) for name in ("slope", "intercept", "threshold")]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFormatError(
            f"The model's card lacks a field or has a wrong one: {error}.", _HINT
        ) from error
    slope, intercept, threshold = numbers
    kinds = isinstance(text, str) and isinstance(card, dict) and stored.get("format") == FORMAT
    if not kinds or not all(isinstance(feature, str) for feature in features):
        raise ModelFormatError(f"The model's card is not of the format {FORMAT}.", _HINT)
    if not all(map(math.isfinite, numbers)) or slope <= 0 or threshold < 0:
        raise ModelFormatError(
            f"The model's calibration cannot be used: slope {slope}, intercept {intercept}, "
            f"threshold {threshold}.",
            _HINT,
        )
    named = _read_categories(stored.get("categories", {}), features)
    _check_missing(card, features)
    return Model(text, features, slope, intercept, threshold, card, named)


def _read_categories(stored: Any, features: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    sound = isinstance(stored, dict) and set(stored) <= set(features)
    if not sound or not all(map(_are_names, stored.values())):
        raise ModelFormatError("The model's categories cannot be used.", _HINT)
    return {feature: tuple(names) for feature, names in stored.items()}


def _are_names(names: Any) -> bool:
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return texts and len(set(names)) == len(names) > 0


def _check_missing(card: dict[str, Any], features: tuple[str, ...]) -> None:
    told = card.get("missing", [])
    if not isinstance(told, list) or not all(name in features for name in told):
        raise ModelFormatError(
            "The model's card names features with missing values that it does not have.", _HINT
        )


def _check_sums(stored: dict[str, Any], model: Model) -> None:
    if stored.get("sha256", model.sha256) != model.sha256:
        raise TamperedModelError(
            "model.txt was changed or cut off after its card was written. "
            f"Its SHA-256 is {model.sha256[:12]}…, its card says {str(stored['sha256'])[:12]}….",
            _COPY_HINT,
        )
    if stored.get("model_id", model.model_id) != model.model_id:
        raise TamperedModelError(
            "The calibration or the threshold was changed after the card was written. "
            f"By its content the model is {model.model_id}, its card says {stored['model_id']}.",
            _COPY_HINT,
        )


def _check_probe(model: Model) -> None:
    try:
        probe = model.card["probe"]
        rows = np.array(probe["rows"], dtype=float)
        wanted = np.array(probe["raw_scores"], dtype=float)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFormatError("The model's card has no probe rows.", _HINT) from error
    if not len(wanted) or rows.shape != (len(wanted), len(model.features)):
        raise ModelFormatError(
            f"The card's probe has {len(wanted)} scores and rows of shape {rows.shape} for "
            f"{len(model.features)} features.",
            _HINT,
        )
    found = _child_scores(model.text, rows.tolist())
    gap = float(np.max(np.abs(found - wanted)))
    if not gap <= PROBE_TOLERANCE:
        raise TamperedModelError(
            f"The model's scores differ by up to {gap:.3g} from the probe scores in its card.",
            _HINT,
        )


def _child_scores(text: str, rows: list[list[float]], seconds: float = CHILD_SECONDS) -> Any:
    """Score rows in another process, which may die of the text without harm."""
    given = json.dumps({"text": text, "rows": rows})
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CHILD],
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
        return np.array(json.loads(done.stdout.splitlines()[-1]), dtype=float)
    except subprocess.TimeoutExpired as error:
        raise ModelFormatError(
            f"Reading the model took longer than {seconds:g} seconds.", _HINT
        ) from error
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise ModelFormatError("LightGBM could not read the model's text.", _HINT) from error
