"""The model as a value, and the checks its text passes before LightGBM reads it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

import numpy as np

from hitl.errors import FeatureMismatchError, ModelFormatError

MAX_TEXT_BYTES = 100_000_000
_DECISIONS = 16
"""Decision types of LightGBM's splits: categorical, default direction, two bits for missing."""
_WORDS = 2**32
_TREES_END = "\nend of trees\n"
_PARAMETERS_END = "\nend of parameters\n"
_HINT = "Export the model again as LightGBM text (model.txt) with its card.json."


@dataclass(frozen=True)
class Model:
    """A boosted tree model as text, with its calibration, threshold and card.

    Parameters
    ----------
    text
        LightGBM's own text format.
    features
        Column names in the order in which the trees number them.
    slope, intercept
        Platt calibration: log-odds are ``slope * raw + intercept``; slope > 0.
    threshold
        Probability in ``[0, 1]`` from which a row is flagged.
    card
        Where the model comes from; plain values that can be written as JSON.
    categories
        The names each categorical feature takes, in the order of their codes.
    """

    text: str
    features: tuple[str, ...]
    slope: float
    intercept: float
    threshold: float
    card: dict[str, Any]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """Features in which training rows had missing values; elsewhere none is accepted."""
        return tuple(self.card.get("missing", ()))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the text, as 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def model_id(self) -> str:
        """Short name of text, calibration, threshold and categories together."""
        parts = [self.sha256, repr(self.slope), repr(self.intercept), repr(self.threshold)]
        if self.categories:
            parts.append(
                json.dumps({k: list(v) for k, v in self.categories.items()}, sort_keys=True)
            )
        return "m-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def text_name(feature: str) -> str:
    """Return the name under which a feature stands in the model's text.

    Letters, digits and ``_.-~`` stay; everything else is percent-encoded, because LightGBM
    refuses some characters and silently changes others.

    Examples
    --------
    >>> text_name("V14"), text_name("amount [€]")
    ('V14', 'amount%20%5B%E2%82%AC%5D')
    """
    return quote(feature, safe="")


def check_text(text: str | bytes) -> None:
    r"""Refuse what is not a whole LightGBM text model, without letting LightGBM read it.

    Parameters
    ----------
    text
        The text, or the bytes of a file that should hold it.

    Raises
    ------
    ModelFormatError
        If it is a pickle, another format, cut off, or has trees that point outside themselves.

    Notes
    -----
    LightGBM's reader trusts its input: a text that was cut off ends the whole interpreter, and
    a tree that points back at itself is never left again.

    Examples
    --------
    >>> check_text(b"\x80\x04")
    Traceback (most recent call last):
    hitl.errors.ModelFormatError: The model file is a Python pickle, not LightGBM text. ...
    """
    check_kind(text)
    try:
        whole = text.decode() if isinstance(text, bytes) else text
        header, blocks = _parts(whole)
        n_features = _check_header(header)
        for number, block in enumerate(blocks):
            _check_tree(block, number, n_features)
    except ModelFormatError:
        raise
    except (ValueError, KeyError) as error:
        raise ModelFormatError("The model's text is damaged.", _HINT) from error


def check_kind(text: str | bytes) -> None:
    """Refuse a pickle or another format by its first bytes and its size."""
    start = text[:16].encode() if isinstance(text, str) else text[:16]
    if start.startswith((b"\x80", "\x80".encode())):
        raise ModelFormatError(
            "The model file is a Python pickle, not LightGBM text.",
            "Loading a pickle can run any program, so it is never done. " + _HINT,
        )
    if not start.startswith(b"tree\n"):
        raise ModelFormatError(
            f"The model file starts with {bytes(start)!r}, not with LightGBM's 'tree'.", _HINT
        )
    if len(text) > MAX_TEXT_BYTES:
        raise ModelFormatError(
            f"The model's text has {len(text):,} characters; {MAX_TEXT_BYTES:,} are allowed.",
            "Train with fewer rounds or leaves.",
        )


def check_features(text: str, features: tuple[str, ...]) -> None:
    """Refuse a text whose feature names or their order are not the given ones."""
    named = tuple(_fields(text[: text.index("\n\n")])["feature_names"].split(" "))
    wanted = tuple(text_name(feature) for feature in features)
    if named != wanted:
        first = next(
            (i for i, pair in enumerate(zip(named, wanted, strict=False)) if pair[0] != pair[1]),
            min(len(named), len(wanted)),
        )
        raise FeatureMismatchError(
            f"The model's text and its card disagree on feature {first + 1}: "
            f"{_at(named, first)} against {_at(wanted, first)}.",
            "Export the model again; card and text must come from one model.",
        )


def _at(names: tuple[str, ...], position: int) -> str:
    return repr(names[position]) if position < len(names) else "nothing"


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _parts(text: str) -> tuple[dict[str, str], list[str]]:
    if _TREES_END not in text or _PARAMETERS_END not in text:
        raise ModelFormatError("The model's text is cut off before its end.", _HINT)
    head, _, rest = text.partition("\n\n")
    header = _fields(head)
    trees = rest.split(_TREES_END[1:])[0]
    blocks, start = [], 0
    for size in (int(size) for size in header["tree_sizes"].split()):
        blocks.append(trees[start : start + size])
        start += size
    if start > len(trees) or trees[start:].strip():
        raise ModelFormatError("The model's trees are longer or shorter than stated.", _HINT)
    return header, blocks


def _check_header(header: dict[str, str]) -> int:
    n_features = int(header["max_feature_idx"]) + 1
    binary = header["objective"].split(" ")[0] == "binary"
    single = header["num_class"] == header["num_tree_per_iteration"] == "1"
    if not (binary and single) or len(header["feature_names"].split(" ")) != n_features:
        raise ModelFormatError(
            f"The model's text has objective {header['objective']!r} and {n_features} features "
            f"under {len(header['feature_names'].split(' '))} names.",
            "Only two-class LightGBM models can be used.",
        )
    return n_features


def _check_tree(block: str, number: int, n_features: int) -> None:
    tree = _fields(block)
    if tree.get("is_linear", "0") != "0":
        raise ModelFormatError(
            f"Tree {number} of the model's text has linear leaves, which cannot be explained.",
            "Train with linear_tree=false.",
        )
    n_leaves = int(tree["num_leaves"])
    values = np.array(tree["leaf_value"].split(), dtype=float)
    sound = tree["Tree"] == str(number) and len(values) == n_leaves >= 1
    if sound and n_leaves > 1:
        sound = _is_tree(tree, n_leaves, n_features) and _has_its_categories(tree)
    elif sound:
        sound = tree["num_cat"] == "0"
    if not sound or not np.isfinite(values).all():
        raise ModelFormatError(f"Tree {number} of the model's text is damaged.", _HINT)


def _is_tree(tree: dict[str, str], n_leaves: int, n_features: int) -> bool:
    """Say whether every node is reached once, from a node before it."""
    n_nodes = n_leaves - 1
    split = np.array(tree["split_feature"].split(), dtype=int)
    left, right = (np.array(tree[f"{s}_child"].split(), dtype=int) for s in ("left", "right"))
    lengths = {len(tree[k].split()) for k in ("threshold", "decision_type")}
    if lengths | {len(split), len(left), len(right)} != {n_nodes}:
        return False
    children = np.concatenate([left, right])
    once = np.array_equal(
        np.sort(children), np.concatenate([np.arange(-n_leaves, 0), np.arange(1, n_nodes)])
    )
    forward = ((children < 0) | (children > np.tile(np.arange(n_nodes), 2))).all()
    return bool(once and forward and (split >= 0).all() and (split < n_features).all())


def _has_its_categories(tree: dict[str, str]) -> bool:
    """Say whether each categorical split owns one set of categories, and no number is too many.

    A split is categorical when the lowest bit of its decision type is set; its threshold is then
    the place of its set, whose bits are the words between two boundaries.
    """
    kinds = np.array(tree["decision_type"].split(), dtype=int)
    thresholds = np.array(tree["threshold"].split(), dtype=float)
    n_sets = int(tree["num_cat"])
    is_set = kinds % 2 == 1
    sound = bool(((kinds >= 0) & (kinds < _DECISIONS)).all()) and not np.isnan(thresholds).any()
    if not sound or not np.array_equal(np.sort(thresholds[is_set]), np.arange(n_sets)):
        return False
    if not n_sets:
        return True
    edges = np.array(tree["cat_boundaries"].split(), dtype=int)
    words = np.array(tree["cat_threshold"].split(), dtype=int)
    whole = len(edges) == n_sets + 1 and edges[0] == 0 and edges[-1] == len(words)
    return bool(whole and (np.diff(edges) > 0).all() and ((words >= 0) & (words < _WORDS)).all())
