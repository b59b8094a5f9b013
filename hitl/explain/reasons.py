"""Reasons in plain words: at most four that raise a score and one that lowers it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

import numpy as np
import numpy.typing as npt

from hitl.dictionaries import BARE, BEYOND, LEANING, USUAL, Dictionary, Reason
from hitl.explain.attributions import _percentile
from hitl.explain.keys import plain
from hitl.explain.text import HARDLY, money, number, plural

MOST_RAISING = 4
MOST_LOWERING = 1
LEAST_SHARE = 0.05
"""A group of facts below this share of the total push is not worth a reason."""

SHARED_VALUE = 10.0
"""From this percentage of rows with one value, it is said how many share it."""

TELLING = 0.5
"""A striking fact speaks for its group from this share of the heaviest fact's contribution."""

STRIKING = (("beyond", "unseen"), ("high", "low", "rare", "missing"))
"""Sides of a fact that say why it counts, the most telling first."""

RARE = 0.05
"""A category fewer rows than this share have is rare."""

ONE_SIDE = 75.0
"""From this percentage of rows below, or above, a usual value lies to one side."""

ONCE, TEN_TIMES = 0.95, 9.95
"""Between these a factor keeps its decimal: "1.0 times"."""

Quantiles = Mapping[str, Mapping[str, Any]]
Grid = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """One reason: what is so, how unusual that is, and how far its group pushes the score."""

    sentence: str
    group: str
    feature: str
    features: tuple[str, ...]
    contribution: float
    share: float
    direction: str
    percentile: float | None
    value: float | str | None


@dataclass(frozen=True)
class Reasons:
    """The reasons worth telling, heaviest first, and what they leave out."""

    raising: tuple[Told, ...]
    lowering: tuple[Told, ...]
    sentence: str
    version: str


@dataclass(frozen=True)
class Fact:
    """What one feature of a row is, and how usual that is among legitimate training rows.

    `side` is ``"high"``, ``"low"`` or ``"usual"`` against the typical range, ``"beyond"`` outside
    all training rows, ``"rare"`` for a category that fewer than 5 % had and ``"unseen"`` for a new
    one, ``"missing"``, or ``"open"`` where the model's card says nothing. `place` is empty where it
    is not a matter of more or less.
    """

    feature: str
    text: str
    side: str
    written: str
    place: str
    percentile: float | None
    value: float | str | None


def reasons(
    contributions: Mapping[str, float],
    values: Mapping[str, Any],
    quantiles: Quantiles,
    words: Dictionary,
) -> Reasons:
    """Tell the few facts that moved a score most, in words.

    Parameters
    ----------
    contributions
        Log-odds by feature.
    values
        The row: a number, a category or nothing by feature.
    quantiles
        What is usual, from the model's card: by feature ``p05``, ``p95`` and ``grid`` (evenly
        spaced percentiles from 0 to 100), or ``shares`` by category.
    words
        The workspace's dictionary.

    Returns
    -------
    Reasons
        At most four reasons in `raising` and one in `lowering`, heaviest first, equal ones in the
        order of `contributions`. `share` is in ``(0, 1]``, `percentile` in ``[0, 100]``.

    Raises
    ------
    ValueError
        If a contribution is missing or infinite.

    Notes
    -----
    The contributions of a group are added; its push is the size of that sum, and a share is a
    push among the pushes of all groups. Told are groups from 5 % on whose push changes the odds
    by at least half a percent. The sentence names the group's heaviest feature in the direction
    of the sum. Where the group raises the score, one at least half as heavy goes before it that
    says more by itself: what no legitimate row had before what is unusual before what is usual. It
    counts as other facts those with at least 5 % of the group's push, either way. A usual value
    that raises the score alone is said to do so together with the rest of the row. Raising and
    lowering are about the score, whatever the verdict.

    Source: at most four reasons is the number that the commentary on Regulation B (12 CFR 1002.9)
    calls likely to help.

    Examples
    --------
    >>> from hitl.dictionaries import dictionary
    >>> grid = [x / 10 for x in range(-50, 51)]
    >>> usual = {"V14": {"p05": -4.5, "p95": 4.5, "grid": grid}}
    >>> told = reasons({"V14": 1.8}, {"V14": -4.95}, usual, dictionary("cards", ("V14",)))
    >>> told.raising[0].sentence.split(" (typ")[0]
    'V14 (an anonymous component) is −4.95, lower than 99 % of legitimate payments'
    >>> told.sentence
    'Nothing lowers the score noticeably. This reason is all that moves the score.'
    """
    if not all(math.isfinite(part) for part in contributions.values()):
        raise ValueError("A contribution is missing or infinite.")
    sums = _sums(contributions, words)
    total = sum(abs(push) for push in sums.values())
    heavy = [group for group in sums if _is_worth_telling(sums[group], total)]
    heavy.sort(key=lambda group: -abs(sums[group]))
    told = [
        _told(group, sums[group], total, contributions, values, quantiles, words) for group in heavy
    ]
    raising = tuple(one for one in told if one.contribution > 0)[:MOST_RAISING]
    lowering = tuple(one for one in told if one.contribution < 0)[:MOST_LOWERING]
    return Reasons(raising, lowering, _summary(raising, lowering, total), words.version)


def fact(
    feature: str,
    values: Mapping[str, Any],
    quantiles: Quantiles,
    words: Dictionary,
    *,
    raises: bool = False,
) -> Fact:
    """Say what one feature of a row is and how usual that is, without a full stop.

    Parameters
    ----------
    feature
        Which feature.
    values
        The row; some sentences name a second feature of it.
    quantiles
        What is usual, as for `reasons`.
    words
        The workspace's dictionary.
    raises
        Whether it is told because it raises a score: a usual value that lies to one side is then
        told by its place first.

    Returns
    -------
    Fact
        "Higher than 99 % of legitimate payments" is never more than the card's percentiles can
        prove.
    """
    reason, value = words.reason(feature), _cell(values.get(feature))
    usual = quantiles.get(feature) or {}
    if value is None:
        text = reason.missing.format(name=reason.name)
        return Fact(feature, text, "missing", "missing", "", None, None)
    if "shares" in usual:
        return _category(reason, value, usual["shares"], words)
    if isinstance(value, str) or "grid" not in usual:
        said = written(value, reason, words.currency)
        slots = {"name": reason.name, "value": said}
        text = _filled(reason.bare, reason, slots, values, words)
        return Fact(feature, text, "open", said, "", None, value)
    return _measured(reason, value, usual, values, words, raises)


def written(value: float | str, reason: Reason, currency: str) -> str:
    """Write a value with its unit, as its kind asks.

    Examples
    --------
    >>> reason = Reason("n", "The count", "n", kind="count", unit="payment")
    >>> written(1.0, reason, "€"), written(14.0, reason, "€")
    ('1 payment', '14 payments')
    """
    text = _bare(value, reason, currency)
    if isinstance(value, str) or not reason.unit:
        return text
    many = reason.kind == "count" and text != "1"
    text = "no" if many and text == "0" else text
    return f"{text} {plural(reason.unit) if many else reason.unit}"


# Which reasons


def _sums(contributions: Mapping[str, float], words: Dictionary) -> dict[str, float]:
    sums: dict[str, float] = {}
    for feature, part in contributions.items():
        group = words.reason(feature).group
        sums[group] = sums.get(group, 0.0) + float(part)
    return sums


def _is_worth_telling(push: float, total: float) -> bool:
    return abs(push) >= HARDLY and abs(push) >= LEAST_SHARE * total


def _told(
    group: str,
    push: float,
    total: float,
    contributions: Mapping[str, float],
    values: Mapping[str, Any],
    quantiles: Quantiles,
    words: Dictionary,
) -> Told:
    way = 1 if push > 0 else -1
    parts = {f: float(c) for f, c in contributions.items() if words.reason(f).group == group}
    features = sorted(parts, key=lambda feature: -way * parts[feature])
    features = [f for f in features if abs(parts[f]) >= LEAST_SHARE * abs(push)]
    heavy = [f for f in features if parts[f] >= TELLING * parts[features[0]]] if way > 0 else []
    facts = [fact(f, values, quantiles, words, raises=push > 0) for f in heavy or features[:1]]
    found = _most_telling(facts)
    share, direction = abs(push) / total, "raises" if push > 0 else "lowers"
    return Told(
        sentence=(
            f"{found.text}; {_together(len(features) - 1, words.title(group))}"
            f"{_with_the_rest(found, push, len(features) - 1, words)}this {direction} the score "
            f"({_percent(share)} of all that moves it)."
        ),
        group=group,
        feature=found.feature,
        features=tuple(features),
        contribution=push,
        share=share,
        direction=direction,
        percentile=found.percentile,
        value=found.value,
    )


def _most_telling(facts: list[Fact]) -> Fact:
    """Choose the fact that says most by itself why it counts; the heaviest come first."""
    for sides in STRIKING:
        for one in facts:
            if one.side in sides:
                return one
    return facts[0]


def _together(others: int, title: str) -> str:
    if not others:
        return ""
    facts = "1 other fact" if others == 1 else f"{others} other facts"
    return f"together with {facts} about {title}, "


def _with_the_rest(found: Fact, push: float, others: int, words: Dictionary) -> str:
    """Add what makes a usual value count, where nothing else of its group does."""
    alone = not others and push > 0 and found.side == "usual"
    return f"together with the rest of this {words.noun}, " if alone else ""


def _percent(share: float) -> str:
    percent = round(100 * share)
    return f"{min(percent, 99) if share < 1 else percent} %"


def _summary(raising: tuple[Told, ...], lowering: tuple[Told, ...], total: float) -> str:
    told = [*raising, *lowering]
    if total < HARDLY:
        return "Nothing in this row moves the score from where the model starts."
    if not told:
        return (
            "No fact stands out: many small ones move the score, none of them "
            f"{_percent(LEAST_SHARE)} of the total."
        )
    missing = "" if raising else "Nothing raises the score noticeably. "
    missing += "" if lowering else "Nothing lowers the score noticeably. "
    share = sum(one.share for one in told)
    what = "This reason is" if len(told) == 1 else f"These {len(told)} reasons are"
    return (
        f"{missing}{what} {'all' if share > 0.995 else f'about {_percent(share)} of all'} {_MOVES}."
    )


_MOVES = "that moves the score"


# How one fact is said


def _cell(value: Any) -> float | str | None:
    """Turn a cell into a number, a text or nothing."""
    found: bool | float | str | None = plain(value)
    return found if found is None or isinstance(found, str) else float(found)


def _measured(
    reason: Reason,
    value: float,
    usual: Mapping[str, Any],
    values: Mapping[str, Any],
    words: Dictionary,
    raises: bool,
) -> Fact:
    grid = np.asarray(usual["grid"], dtype=np.float64)
    nouns = f"{words.negative} {plural(words.noun)}"
    below, alike, above = _provable(value, grid)
    side = _side(value, float(usual["p05"]), float(usual["p95"]), grid)
    is_high = value > usual["p95"] or (reason.kind == "flag" and value >= 0.5)
    place = _place(reason, side, is_high, (below, alike, above), nouns)
    said = written(value, reason, words.currency)
    slots = {
        "name": reason.name,
        "value": said,
        "range": _range(float(usual["p05"]), float(usual["p95"]), reason, words.currency),
        "place": place,
        "alike": _alike(alike, value, grid, nouns, words),
    }
    is_usual = side == "usual" and reason.kind != "flag"
    leans = raises and alike < SHARED_VALUE and max(below, above) >= ONE_SIDE
    usually = reason.leaning if leans else reason.usual
    template = usually if is_usual else reason.high if is_high else reason.low
    text = _filled(template, reason, slots, values, words)
    spoken = "" if reason.kind == "flag" else place
    return Fact(reason.feature, text, side, said, spoken, round(_percentile(value, grid), 1), value)


def _provable(value: float, grid: Grid) -> tuple[float, float, float]:
    """Give the percentages of rows surely below, at and above a value."""
    percents = np.linspace(0, 100, len(grid))
    left, right = np.searchsorted(grid, value, "left"), np.searchsorted(grid, value, "right")
    below = 100.0 if left == len(grid) else float(percents[left - 1]) if left else 0.0
    above = 100.0 if right == 0 else 100 - float(percents[right]) if right < len(grid) else 0.0
    alike = float(percents[right - 1] - percents[left]) if left < right else 0.0
    return below, alike, above


def _side(value: float, low: float, high: float, grid: Grid) -> str:
    if value < grid[0] or value > grid[-1]:
        return "beyond"
    return "low" if value < low else "high" if value > high else "usual"


def _share_of(percent: float, nouns: str) -> str:
    return f"all {nouns} in training" if percent == 100 else f"{math.floor(percent)} % of {nouns}"


def _place(
    reason: Reason, side: str, is_high: bool, parts: tuple[float, float, float], nouns: str
) -> str:
    below, alike, above = parts
    if side == "usual" and alike >= SHARED_VALUE:
        return f"like {_share_of(alike, nouns)}"
    is_more = is_high or (side == "usual" and below >= above)
    word, percent = (reason.more, below) if is_more else (reason.less, above)
    return f"{word} {_share_of(percent, nouns)}"


def _alike(percent: float, value: float, grid: Grid, nouns: str, words: Dictionary) -> str:
    if percent >= 1:
        return _share_of(percent, nouns)
    if (grid == value).any():
        return f"fewer than 1 % of {nouns}"
    return f"no {words.negative} {words.noun} in training"


def _category(
    reason: Reason, value: float | str, shares: Mapping[str, float], words: Dictionary
) -> Fact:
    said = value if isinstance(value, str) else f"{value:g}"
    share, nouns = float(shares.get(said, 0.0)), f"{words.negative} {plural(words.noun)}"
    if share > 0:
        alike = f"fewer than 1 % of {nouns}" if share < 0.01 else _share_of(100 * share, nouns)
    else:
        alike = f"no {words.negative} {words.noun} in training"
    slots = {"name": reason.name, "value": f"“{said}”", "alike": alike}
    text = (reason.known if share > 0 else reason.unseen).format(**slots)
    side = "usual" if share >= RARE else "rare" if share > 0 else "unseen"
    return Fact(reason.feature, text, side, f"“{said}”", "", None, said)


def _filled(
    template: str,
    reason: Reason,
    slots: Mapping[str, str],
    values: Mapping[str, Any],
    words: Dictionary,
) -> str:
    """Fill a template; one that names a second feature which the row lacks gives way."""
    slots = dict(slots)
    for name in {part[1] for part in Formatter().parse(template) if part[1]} - set(slots):
        other = _cell(values.get(name))
        if other is None:
            known = {reason.usual: USUAL, reason.leaning: LEANING}.get(template, BEYOND)
            return (known if "place" in slots else BARE).format(**slots)
        slots[name] = written(other, words.reason(name), words.currency)
    return template.format(**slots)


def _range(low: float, high: float, reason: Reason, currency: str) -> str:
    last = written(high, reason, currency)
    first = _bare(low, reason, currency)
    return last if written(low, reason, currency) == last else f"{first} to {last}"


def _bare(value: float | str, reason: Reason, currency: str) -> str:
    """Write a value without its unit."""
    if isinstance(value, str):
        return f"“{value}”"
    if reason.kind == "hour":
        minutes = round(60 * value) % 1_440
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    if reason.kind == "flag":
        return "yes" if value >= 0.5 else "no"
    if reason.kind == "money":
        return money(value, currency)
    if reason.kind == "share":
        return number(100 * value, 2)
    if reason.kind == "count" and float(value).is_integer():
        return f"{int(value):,}".replace("-", "−")
    if reason.unit != "times":
        return number(value)
    return f"{value:.1f}" if ONCE <= value < TEN_TIMES else number(value, 2)
