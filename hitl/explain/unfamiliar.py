"""What makes a row unlike the training rows: how far it lies, and which features are new."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hitl.dictionaries import Dictionary
from hitl.explain.reasons import Fact, Quantiles, fact
from hitl.explain.text import number, plural
from hitl.explain.whatif import NEVER_SEEN

MOST_SAID = 3
EDGE = 1.0
"""A value among the outermost percent of legitimate rows, at either end, is at the edge."""


@dataclass(frozen=True)
class Outside:
    """One feature that lies outside, or at the edge of, what legitimate training rows showed.

    `kind` is ``"beyond"`` (outside all of them), ``"unseen"`` (a category none of them had),
    ``"never seen"`` (a category no training row had, of whatever class) or ``"edge"``.
    `low` and `high` are the smallest and largest value seen; `excess` is how far the value lies
    outside, in widths of the typical range, 0 at the edge and for categories.
    """

    feature: str
    kind: str
    value: float | str
    low: float | None
    high: float | None
    excess: float
    sentence: str


@dataclass(frozen=True)
class Unfamiliar:
    """How unlike the training rows a row is, and in what."""

    distance: float
    limit: float
    ratio: float
    is_novel: bool
    nearest_id: str
    nearest_label: int | None
    out_of_range: tuple[Outside, ...]
    at_the_edge: tuple[Outside, ...]


def unfamiliar(
    values: Mapping[str, Any],
    quantiles: Quantiles,
    words: Dictionary,
    *,
    features: Iterable[str],
    distance: float,
    limit: float,
    nearest_id: str = "",
    nearest_label: int | None = None,
    unseen: Mapping[str, str] | None = None,
) -> Unfamiliar:
    """Say how unlike the training rows a row is, and which of its features are.

    Parameters
    ----------
    values
        The row.
    quantiles
        What is usual, as for `reasons`.
    words
        The workspace's dictionary.
    features
        Features to look at: the model's.
    distance, limit
        The detector's distance of the row and the limit above which it is novel, both at least 0.
    nearest_id, nearest_label
        The nearest known row, and whether it was positive (1) or not (0).
    unseen
        Categories of the row that no training row had, by feature, as `Scorer.unseen` says.

    Returns
    -------
    Unfamiliar
        `out_of_range`: features outside the smallest and largest value of all legitimate
        training rows and categories none of them had, farthest first. `at_the_edge`: features
        inside, but among the outermost percent, in the order of `features`. Missing values and
        features whose card says nothing are in neither. `ratio` is distance by limit.

    Raises
    ------
    ValueError
        If distance or limit is negative or missing.

    Notes
    -----
    The range is that of *legitimate* rows. A feature may lie outside it because frauds do: read
    it beside `nearest_label`.

    Examples
    --------
    >>> from hitl.dictionaries import dictionary
    >>> usual = {"V4": {"p05": -4.5, "p95": 4.5, "grid": [x / 10 for x in range(-50, 51)]}}
    >>> words = dictionary("story", ("V4",))
    >>> found = unfamiliar(
    ...     {"V4": 14.0}, usual, words, features=["V4"], distance=14, limit=2
    ... )
    >>> found.ratio, found.out_of_range[0].kind, found.out_of_range[0].excess
    (7.0, 'beyond', 1.0)
    """
    if not (distance >= 0 and limit >= 0):
        raise ValueError(f"A distance of {distance} and a limit of {limit} are not both 0 or more.")
    found = [
        fact(name, values, quantiles, words)
        for name in features
        if not _is_typical(values.get(name), quantiles.get(name, {}))
    ]
    never = [_never_seen(feature, value, words) for feature, value in (unseen or {}).items()]
    outside = [
        _outside(one, quantiles)
        for one in found
        if one.side in ("beyond", "unseen") and one.feature not in (unseen or {})
    ]
    edge = [
        _outside(one, quantiles)
        for one in found
        if one.side in ("low", "high") and not EDGE < (one.percentile or 0.0) < 100 - EDGE
    ]
    return Unfamiliar(
        distance=float(distance),
        limit=float(limit),
        ratio=float(distance / limit) if limit else float("inf") if distance else 0.0,
        is_novel=bool(distance > limit),
        nearest_id=str(nearest_id),
        nearest_label=nearest_label,
        out_of_range=tuple(sorted([*outside, *never], key=lambda one: -one.excess)),
        at_the_edge=tuple(edge),
    )


def _is_typical(value: Any, usual: Mapping[str, Any]) -> bool:
    """Say at once of most features that they are neither out of range nor at the edge."""
    is_number = isinstance(value, (int, float)) and "p05" in usual
    return is_number and bool(usual["p05"] <= value <= usual["p95"])


def warning_sentences(found: Unfamiliar, words: Dictionary) -> list[str]:
    """Warn in a few sentences, before any reason is read.

    Parameters
    ----------
    found
        What `unfamiliar` said.
    words
        The workspace's dictionary.

    Returns
    -------
    list of str
        Of a novel row how far it lies, the nearest known row, at most three features that are out
        of range, and how to read what follows. Of any row each category that no training row had.

    Examples
    --------
    >>> import textwrap
    >>> from hitl.dictionaries import dictionary
    >>> far = Unfamiliar(14.0, 2.0, 7.0, True, "812", 1, (), ())
    >>> for sentence in warning_sentences(far, dictionary("story", ())):
    ...     print(textwrap.fill(sentence, 95))
    Unlike anything in training: its distance from known payments is 14, 7 times the limit of 2.
    The nearest known payment is row 812, which was fraud.
    No single feature is out of range: it is their combination that is new.
    The model has not learned from such payments: read its probability and its reasons as a guess,
    and decide from the payment itself.
    """
    never = [one for one in found.out_of_range if one.kind == NEVER_SEEN]
    if not found.is_novel:
        return [one.sentence for one in never]
    nouns = plural(words.noun)
    times = f"{number(found.ratio, 2)} times" if found.ratio >= 1.05 else "just over"
    said = [
        f"Unlike anything in training: its distance from known {nouns} is "
        f"{number(found.distance)}, {times} the limit of {number(found.limit)}."
    ]
    if found.nearest_id:
        said.append(_nearest(found, words))
    others = [one for one in found.out_of_range if one.kind != NEVER_SEEN]
    listed = [*never, *others[: max(0, MOST_SAID - len(never))]]
    said += [one.sentence for one in listed]
    more = len(found.out_of_range) - len(listed)
    if more > 0:
        said.append(f"{more} more feature{'s are' if more > 1 else ' is'} out of range.")
    if not found.out_of_range:
        said.append("No single feature is out of range: it is their combination that is new.")
    said.append(
        f"The model has not learned from such {nouns}: read its probability and its reasons as a "
        f"guess, and decide from the {words.noun} itself."
    )
    return said


def _never_seen(feature: str, value: str, words: Dictionary) -> Outside:
    sentence = (
        f"{words.reason(feature).name} is “{value}”, which no {words.noun} in training had: the "
        "model reads it as it reads a missing one."
    )
    return Outside(feature, NEVER_SEEN, value, None, None, 0.0, sentence)


def _nearest(found: Unfamiliar, words: Dictionary) -> str:
    truth = words.positive if found.nearest_label else words.negative
    what = "" if found.nearest_label is None else f", which was {truth}"
    return f"The nearest known {words.noun} is row {found.nearest_id}{what}."


def _outside(one: Fact, quantiles: Quantiles) -> Outside:
    sentence = f"{one.text}."
    if not isinstance(one.value, float):
        return Outside(one.feature, one.side, str(one.value), None, None, 0.0, sentence)
    usual = quantiles[one.feature]
    low, high = float(usual["grid"][0]), float(usual["grid"][-1])
    width = float(usual["p95"]) - float(usual["p05"]) or 1.0
    excess = max(low - one.value, one.value - high, 0.0) / width
    kind = "beyond" if one.side == "beyond" else "edge"
    return Outside(one.feature, kind, one.value, low, high, excess, sentence)
