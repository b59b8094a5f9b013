"""The same charts as small drawings in text: for a page that is printed, without any script."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hitl.charts.rows import (
    AVERAGE,
    CASE,
    LOWERS,
    RAISES,
    SMALLEST,
    STANDS,
    log_odds,
    names,
    probability_axis,
    probability_ticks,
    signed,
)
from hitl.explain.text import number

WIDTH = 720
LEFT, RIGHT = 230, 690
"""Between these lies the plot; names stand left of it."""
TOP, ROW, BAR = 46, 24, 14
HEAD = 22
"""What the words for the colours take above a chart of bars."""
CURVE_HEIGHT = 220
INK, GREY, ORANGE, BLUE, PURPLE = "#101418", "#4b5563", "#9a4a00", "#0b57d0", "#6b2fa0"
"""Dark enough for white paper (contrast of at least 6), told apart by colour-blind eyes."""
PALE = "#d5dae1"
COLOURS = {RAISES: ORANGE, LOWERS: BLUE, STANDS: GREY}
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif"
NAME_LENGTH, MOST_ROWS, MOST_POINTS = 36, 16, 120
LETTER = 6.3
"""Pixels of one letter of a number, roughly: only to choose the side it stands on."""
NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Axis:
    """A straight line from a quantity to pixels.

    Examples
    --------
    >>> Axis(-2.0, 2.0, 230, 690).at(1.0)
    575.0
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of a value, kept inside the axis."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


def escape(words: object) -> str:
    """Write any text so that XML and HTML read it as text.

    Examples
    --------
    >>> escape('<script>"&"')
    '&lt;script&gt;&quot;&amp;&quot;'
    """
    text = NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(words))
    for character, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, written)
    return text.replace('"', "&quot;").replace("'", "&#x27;")


def waterfall(bars: pd.DataFrame, *, threshold: float | None = None, key: str = "waterfall") -> str:
    """Draw `hitl.charts.rows.steps` as a waterfall.

    Parameters
    ----------
    bars
        The rows of `steps`.
    threshold
        Probability in ``[0, 1]`` from which a case is flagged; a dashed line, if given.
    key
        What tells this drawing from others on the page: small letters, digits and hyphens.

    Returns
    -------
    str
        One ``<svg>`` element of at most 15 kB; the same rows give the same bytes.

    Examples
    --------
    >>> from hitl.charts.rows import steps
    >>> table = [{"feature": "V14", "contribution": 3.0}]
    >>> waterfall(steps({"base_value": -6.0, "score": -3.0, "table": table}))[:26]
    '<svg xmlns="http://www.w3.'
    """
    limit = [] if threshold is None else [log_odds(threshold)]
    axis = _wide([*bars["start"], *bars["end"], *limit])
    top, bottom = TOP + HEAD, TOP + HEAD + ROW * len(bars)
    parts = [
        *_effects(),
        *_grid(axis, top, bottom),
        _axis_name("score in log-odds (0 is even odds, +1 is 2.7 times the odds)", bottom + 34),
        *_upper(axis, top),
    ]
    if threshold is not None:
        parts += _limit_down(axis.at(limit[0]), top, bottom, f"limit {number(threshold)}")
    columns = ("label", "start", "end", "effect", "written")
    for place, (label, start, end, effect, written) in enumerate(_each(bars, columns)):
        middle = top + ROW * place + ROW / 2
        left, right = sorted((axis.at(start), axis.at(end)))
        thick = max(right - left, 3.0)
        parts += [
            _name(label, middle),
            _rectangle(left, middle - BAR / 2, thick, BAR, COLOURS[effect]),
            _number_beside(left, left + thick, middle, written),
        ]
    told = "; ".join(f"{short(label)} {text}" for label, text in _each(bars, ("label", "written")))
    described = f"From the starting point to the score, in log-odds: {told}."
    if threshold is not None:
        described += f" Flagged from a probability of {number(threshold)}."
    return _drawing(key, "What moved the score", described, bottom + 46, parts)


def surrogate_bars(rows: pd.DataFrame, *, unit: str = "probability", key: str = "lime") -> str:
    """Draw `hitl.charts.rows.surrogate_rows` as bars with their range over the seeds.

    Parameters
    ----------
    rows
        The rows of `surrogate_rows`.
    unit
        What the weights are in: ``"probability"`` or ``"log-odds"``.
    key
        What tells this drawing from others on the page.
    """
    rows = rows.head(MOST_ROWS)
    ranges = [v for v in (*rows["low"], *rows["high"]) if math.isfinite(v)]
    axis = _wide([0.0, *rows["weight"], *ranges])
    top, bottom = HEAD + 4, HEAD + 4 + ROW * len(rows)
    parts = [
        *_effects(),
        *_grid(axis, top, bottom),
        _line(axis.at(0), top, axis.at(0), bottom, GREY),
        _axis_name(f"weight in {unit}; the thin line is its range over the seeds", bottom + 34),
    ]
    if not ranges:
        parts[-1] = _axis_name(f"weight in {unit}", bottom + 34)
    told = []
    columns = ("condition", "weight", "low", "high", "effect")
    for place, (name, weight, low, high, effect) in enumerate(_each(rows, columns)):
        middle = top + ROW * place + ROW / 2
        left, right = sorted((axis.at(0), axis.at(weight)))
        bar = _rectangle(left, middle - BAR / 2, max(right - left, 1.0), BAR, COLOURS[effect])
        parts += [_name(name, middle), bar]
        words = f"{short(name)} {signed(weight)}"
        if math.isfinite(low) and math.isfinite(high):
            parts += _whisker(axis.at(low), axis.at(high), middle)
            left, right = min(left, axis.at(low)), max(right, axis.at(high))
            words += f" ({number(low)} to {number(high)} over the seeds)"
        parts.append(_number_beside(left, right, middle, signed(weight)))
        told.append(words)
    described = f"LIME's weights in {unit}, heaviest first: {'; '.join(told) or 'none'}."
    return _drawing(key, "A second opinion: LIME's weights", described, bottom + 46, parts)


def curve(
    points: pd.DataFrame,
    *,
    feature: str,
    value: float | str | None,
    probability: float,
    threshold: float | None = None,
    key: str = "curve",
) -> str:
    """Draw the probability along one feature, for this case and on average.

    Parameters
    ----------
    points
        ``value`` (a number or a category), ``kind`` (``"this case"`` or ``"average"``) and
        ``probability`` in ``[0, 1]``.
    feature
        Name of the feature with its unit.
    value, probability
        Where the case itself stands; no value, no dot.
    threshold
        Probability from which a case is flagged; a dashed line, if given.
    key
        What tells this drawing from others on the page.
    """
    limit = [] if threshold is None else [threshold]
    scale = _Probabilities([*points["probability"], probability, *limit])
    if pd.api.types.is_numeric_dtype(points["value"]):
        height, parts = _lines(points, scale, feature, value, probability, threshold)
    else:
        height, parts = _dots(points, scale, threshold)
    where = "" if value is None else f" The case is at {short(_said(value))}."
    ends = points["probability"]
    described = (
        f"Probability along {short(feature)}, from {number(float(ends.min()))} to "
        f"{number(float(ends.max()))}.{where} The case has {number(probability)}"
        + (f"; the limit is {number(threshold)}." if threshold is not None else ".")
    )
    title = f"How the probability follows {short(feature)}"
    return _drawing(key, title, described, height, parts)


def old_and_new(rows: pd.DataFrame, *, key: str = "versions") -> str:
    """Draw how each contribution changed from one model to another.

    Parameters
    ----------
    rows
        One row a feature: ``feature`` (or ``label``, a name for people), ``old`` and ``new``
        (log-odds, NaN where a model lacks the feature).
    key
        What tells this drawing from others on the page.
    """
    rows = rows.head(MOST_ROWS)
    old, new = rows["old"].astype(float), rows["new"].astype(float)
    axis = _wide([0.0, *(v for v in (*old, *new) if math.isfinite(v))])
    bottom = TOP + ROW * len(rows)
    parts = [
        *_grid(axis, TOP, bottom),
        _line(axis.at(0), TOP, axis.at(0), bottom, GREY),
        _axis_name("contribution in log-odds", bottom + 34),
        _ring(LEFT + 6, 24, GREY),
        _text(LEFT + 18, 28, "old model"),
        _diamond(LEFT + 106, 24, PURPLE),
        _text(LEFT + 118, 28, "new model"),
    ]
    told = []
    for place, (name, before, after) in enumerate(zip(names(rows), old, new, strict=True)):
        middle = TOP + ROW * place + ROW / 2
        parts.append(_name(name, middle))
        if math.isfinite(before) and math.isfinite(after):
            parts.append(_line(axis.at(before), middle, axis.at(after), middle, GREY, wide=2))
        if math.isfinite(before):
            parts.append(_ring(axis.at(before), middle, GREY))
        if math.isfinite(after):
            parts.append(_diamond(axis.at(after), middle, PURPLE))
        told.append(f"{short(name)} {_or_none(before)} to {_or_none(after)}")
    described = f"Contributions in log-odds, old to new: {'; '.join(told) or 'none'}."
    return _drawing(key, "Old model against new", described, bottom + 46, parts)


def short(words: object, length: int = NAME_LENGTH) -> str:
    """Cut a name that would not fit.

    Examples
    --------
    >>> short("a" * 50, 5)
    'aaaa…'
    """
    text = " ".join(str(words).split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


class _Probabilities:
    """Probability on a linear or a log scale."""

    def __init__(self, values: Sequence[float]) -> None:
        self.kind, self.low, self.high = probability_axis(values)

    def share(self, value: float) -> float:
        """Return how far up the scale a probability lies, from 0 to 1."""
        inside = min(max(value, self.low, SMALLEST * (self.kind == "log")), self.high, 1.0)
        if self.kind == "linear":
            return inside / self.high
        low, high = math.log10(self.low), math.log10(self.high)
        return (math.log10(inside) - low) / (high - low)

    def ticks(self) -> list[float]:
        if self.kind == "linear":
            return _ticks(0.0, self.high)
        decades = round(math.log10(self.high / self.low))
        return [float(f"{self.low * 10**i:.0e}") for i in range(decades + 1)]

    @property
    def name(self) -> str:
        return "probability (log scale)" if self.kind == "log" else "probability"


def _lines(
    points: pd.DataFrame,
    scale: _Probabilities,
    feature: str,
    value: float | str | None,
    probability: float,
    threshold: float | None,
) -> tuple[float, list[str]]:
    left, top, bottom = 70, TOP, TOP + CURVE_HEIGHT
    values = points["value"].astype(float)
    here = float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    spread = [*values, *([] if here is None else [here])]
    low, high = min(spread), max(spread)
    axis = Axis(low, high if high > low else low + 1, left, RIGHT)

    def up(share: float) -> float:
        return bottom - scale.share(share) * (bottom - top)

    parts = [_text(left, 18, scale.name), *_legend(left + 180)]
    for tick in scale.ticks():
        parts.append(_line(left, up(tick), RIGHT, up(tick), PALE))
        parts.append(_text(left - 8, up(tick) + 4, _tick(tick), anchor="end"))
    parts += [
        _text(axis.at(tick), bottom + 18, _tick(tick), anchor="middle")
        for tick in _ticks(axis.low, axis.high)
    ]
    parts.append(_text((left + RIGHT) / 2, bottom + 38, short(feature, 80), anchor="middle"))
    for kind, colour, dash in ((AVERAGE, BLUE, "6 3"), (CASE, ORANGE, "")):
        line = points[points["kind"] == kind].sort_values("value")
        pairs = _thinned([*zip(line["value"], line["probability"], strict=True)])
        places = [(axis.at(float(x)), up(float(y))) for x, y in pairs]
        parts += _polyline(places, colour, dash)
    if threshold is not None:
        parts.append(_line(left, up(threshold), RIGHT, up(threshold), INK, dash="4 3"))
        parts.append(_text(RIGHT, up(threshold) - 5, f"limit {number(threshold)}", anchor="end"))
    if here is not None:
        x, y = axis.at(here), up(probability)
        left_side = x > RIGHT - 120
        parts.append(_diamond(x, y, ORANGE))
        word = f"this case: {number(probability)}"
        parts.append(
            _text(
                x - 10 if left_side else x + 10, y - 8, word, anchor="end" if left_side else "start"
            )
        )
    return bottom + 48, parts


def _polyline(places: Sequence[tuple[float, float]], colour: str, dash: str) -> list[str]:
    """Draw a line through places, full or dashed; none through no place."""
    if not places:
        return []
    written = " ".join(f"{_px(x)},{_px(y)}" for x, y in places)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return [
        f'<polyline points="{written}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
    ]


def _dots(
    points: pd.DataFrame, scale: _Probabilities, threshold: float | None
) -> tuple[float, list[str]]:
    categories = list(dict.fromkeys(str(value) for value in points["value"]))[:MOST_ROWS]
    top, bottom = TOP + HEAD, TOP + HEAD + ROW * len(categories)

    def along(share: float) -> float:
        return LEFT + scale.share(share) * (RIGHT - LEFT)

    parts = _legend(LEFT)
    for tick in scale.ticks():
        parts.append(_line(along(tick), top, along(tick), bottom, PALE))
        parts.append(_text(along(tick), bottom + 16, _tick(tick), anchor="middle"))
    parts.append(_axis_name(scale.name, bottom + 34))
    if threshold is not None:
        parts += _limit_down(along(threshold), top, bottom, f"limit {number(threshold)}")
    for place, name in enumerate(categories):
        middle = top + ROW * place + ROW / 2
        parts.append(_name(name, middle))
        rows = points[points["value"].astype(str) == name]
        for kind, shown in zip(rows["kind"], rows["probability"], strict=True):
            mark = _diamond if kind == CASE else _ring
            parts.append(mark(along(float(shown)), middle, ORANGE if kind == CASE else BLUE))
    return bottom + 46, parts


def _legend(left: float) -> list[str]:
    return [
        _diamond(left + 6, 14, ORANGE),
        _text(left + 18, 18, CASE),
        _line(left + 88, 14, left + 112, 14, BLUE, wide=2, dash="6 3"),
        _text(left + 118, 18, AVERAGE),
    ]


def _drawing(key: str, title: str, described: str, height: float, parts: Sequence[str]) -> str:
    name = re.sub("[^a-z0-9-]", "-", key.lower())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {_px(height)}" '
        f'width="{WIDTH}" height="{_px(height)}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" font-family="{FONT}" font-size="12" '
        f'fill="{INK}"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(described)}</desc>{"".join(parts)}</svg>'
    )


def _wide(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.5
    return Axis(low - room, high + room, LEFT, RIGHT)


def _ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Give round numbers between two ends: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) + 0.0 for place in range(first, last + 1)]


def _tick(value: float) -> str:
    small = 0 < abs(value) < 1e-4
    return f"{value:.7f}".rstrip("0").replace("-", "−") if small else number(value, 4)


def _grid(axis: Axis, top: float, bottom: float) -> list[str]:
    parts = []
    for tick in _ticks(axis.low, axis.high):
        x = axis.at(tick)
        parts.append(_line(x, top, x, bottom, PALE))
        parts.append(_text(x, bottom + 16, _tick(tick), anchor="middle"))
    return parts


def _effects() -> list[str]:
    parts = []
    for left, effect in ((LEFT, RAISES), (LEFT + 130, LOWERS)):
        parts.append(_rectangle(left, 4, 12, 12, COLOURS[effect]))
        parts.append(_text(left + 18, 14, effect))
    return parts


def _upper(axis: Axis, top: float) -> list[str]:
    parts = [_text(LEFT - 8, top - 8, "as a probability", anchor="end", colour=GREY)]
    last = -math.inf
    for place, label in probability_ticks(axis.low, axis.high):
        x = axis.at(place)
        parts.append(_line(x, top - 5, x, top, GREY))
        if x - last > LETTER * (len(label) + 1):
            parts.append(_text(x, top - 8, label, anchor="middle"))
            last = x
    return parts


def _limit_down(x: float, top: float, bottom: float, word: str) -> list[str]:
    anchor = "start" if x < LEFT + 70 else "end" if x > RIGHT - 70 else "middle"
    return [
        _line(x, top - 22, x, bottom, INK, dash="4 3"),
        _text(x, top - 27, word, anchor=anchor),
    ]


def _whisker(low: float, high: float, middle: float) -> list[str]:
    return [
        _line(low, middle, high, middle, INK, wide=1.5),
        _line(low, middle - 4, low, middle + 4, INK, wide=1.5),
        _line(high, middle - 4, high, middle + 4, INK, wide=1.5),
    ]


def _number_beside(left: float, right: float, middle: float, text: str) -> str:
    fits = right + 6 + LETTER * len(text) <= WIDTH - 4
    at, anchor = (right + 6, "start") if fits else (left - 6, "end")
    return _text(at, middle + 4, text, anchor=anchor, halo=True)


def _name(words: object, middle: float) -> str:
    return _text(LEFT - 8, middle + 4, short(words), anchor="end")


def _axis_name(words: str, y: float) -> str:
    return _text((LEFT + RIGHT) / 2, y, words, anchor="middle", colour=GREY)


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK, halo: bool = False
) -> str:
    ends = "" if anchor == "start" else f' text-anchor="{anchor}"'
    fill = "" if colour == INK else f' fill="{colour}"'
    rim = ' stroke="#fff" stroke-width="3" paint-order="stroke"' if halo else ""
    return f'<text x="{_px(x)}" y="{_px(y)}"{ends}{fill}{rim}>{escape(words)}</text>'


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, wide: float = 1, dash: str = ""
) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{_px(x1)}" y1="{_px(y1)}" x2="{_px(x2)}" y2="{_px(y2)}" stroke="{colour}" '
        f'stroke-width="{_px(wide)}"{dashes}/>'
    )


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{_px(x)}" y="{_px(y)}" width="{_px(width)}" height="{_px(height)}" '
        f'fill="{colour}"/>'
    )


def _ring(x: float, y: float, colour: str) -> str:
    return (
        f'<circle cx="{_px(x)}" cy="{_px(y)}" r="6" fill="#fff" stroke="{colour}" '
        'stroke-width="2"/>'
    )


def _diamond(x: float, y: float, colour: str) -> str:
    corners = ((x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y))
    places = " ".join(f"{_px(a)},{_px(b)}" for a, b in corners)
    return f'<polygon points="{places}" fill="{colour}" stroke="#fff"/>'


def _px(value: float) -> str:
    """Write pixels with one decimal, never as a negative zero."""
    return f"{round(float(value), 1) + 0.0:.1f}".removesuffix(".0")


def _thinned(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    every = math.ceil(len(pairs) / MOST_POINTS) or 1
    kept = pairs[::every]
    return kept if not pairs or kept[-1] == pairs[-1] else [*kept, pairs[-1]]


def _each(rows: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows[column] for column in columns), strict=True)


def _said(value: float | str) -> str:
    return number(float(value)) if isinstance(value, int | float) else str(value)


def _or_none(value: float) -> str:
    return number(value) if math.isfinite(value) else "none"
