"""A model and its novelty detector as one folder, replaced together or not at all."""

import tempfile
from pathlib import Path

from hitl import models, novelty
from hitl.errors import FeatureMismatchError, InputError
from hitl.workflow.catalogue import Stored

FILES = {"model.txt", "card.json", "novelty.json"}


def model_folder(name: str) -> Path:
    """Return the folder a model may be saved to; what it holds is left alone until then.

    Parameters
    ----------
    name
        A folder that is new, empty, or holds exactly the files of an earlier model.

    Raises
    ------
    InputError
        If the folder it should lie in is missing, or it holds something else.
    """
    folder = Path(name).resolve()
    if not folder.parent.is_dir():
        raise InputError(
            f"There is no folder {Path(name).parent}.", "Make it first, or name another."
        )
    ours = folder.is_dir() and {path.name for path in folder.iterdir()} in (set(), FILES)
    if folder.exists() and not ours:
        raise InputError(
            f"{name} holds something that is not a model.",
            "Name a new or empty folder, or the folder of a model to replace.",
        )
    return folder


def save(model: models.Model, detector: novelty.Detector, folder: Path) -> None:
    """Write model and detector into a folder, both or neither, in place of an earlier pair.

    Parameters
    ----------
    model, detector
        What belongs together.
    folder
        What `model_folder` returned.
    """
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        models.save(model, new)
        novelty.save(detector, new)
        swap(new, folder, aside=Path(scratch) / "old")


def swap(new: Path, folder: Path, *, aside: Path) -> None:
    """Put a folder in the place of another; if that fails, the other is back where it was."""
    had_one = folder.exists()
    if had_one:
        folder.rename(aside)
    try:
        new.rename(folder)
    except OSError:
        if had_one:
            aside.rename(folder)
        raise


def load(folder: Path) -> Stored:
    """Read the pair that `save` wrote.

    Raises
    ------
    ModelFormatError, TamperedModelError
        If a file is missing or damaged, or not the one that was saved.
    FeatureMismatchError
        If model and detector have different features.
    """
    model, detector = models.load(folder), novelty.load(folder)
    if model.features != detector.features:
        raise FeatureMismatchError(
            f"Model and novelty detector in {folder} have different features.",
            "Take all files from one model, or train again.",
        )
    return Stored(model.model_id, model, detector)
