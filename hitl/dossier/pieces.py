"""Pieces of a page: sections, tables, lists and values, none of which can be anything but text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hitl.charts.svg import escape
from hitl.dossier.content import Parts, is_number
from hitl.explain.text import MINUS, number
from hitl.workflow.times import END_OF_TIME_MS

NOTHING = "–"

Column = tuple[str, Callable[[Parts], Any], bool]
"""Heading, what a row says there, and whether it is a figure."""


def section(heading: str, *parts: str) -> str:
    """Put parts under a heading; nothing if all of them are empty."""
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(heading)}</h2>\n{body}\n</section>" if body else ""


def table(caption: str, columns: Sequence[Column], rows: Sequence[Parts]) -> str:
    """Write rows as a table whose first column names the row; nothing if there are none."""
    if not rows:
        return ""
    head = "".join(
        f'<th scope="col"{_align(is_figure)}>{escape(name)}</th>' for name, _, is_figure in columns
    )
    body = "".join(f"<tr>{_cells(columns, row)}</tr>\n" for row in rows)
    return (
        f"<table><caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}</tbody></table>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Write names and values (HTML already); empty values are left out."""
    kept = [f"<dt>{escape(name)}</dt><dd>{html}</dd>" for name, html in pairs if html]
    return f"<dl>{''.join(kept)}</dl>" if kept else ""


def bullets(items: Sequence[str], *, ordered: bool = False) -> str:
    """Write sentences as a list; nothing if there are none."""
    tag = "ol" if ordered else "ul"
    lines = "".join(f"<li>{said(item)}</li>" for item in items)
    return f"<{tag}>{lines}</{tag}>" if lines else ""


def paragraph(words: Any) -> str:
    """Write one paragraph; nothing if it is empty."""
    return f"<p>{said(words)}</p>" if words else ""


def code(words: Any) -> str:
    """Write what is copied letter by letter."""
    if isinstance(words, list):
        words = ", ".join(str(word) for word in words)
    return f"<code>{escape(words)}</code>" if words not in (None, "") else ""


def said(value: Any) -> str:
    """Write any value as HTML that cannot be anything but text.

    Examples
    --------
    >>> said(-1.5), said("<b>"), said({"k": [1, True]})
    ('−1.5', '<bdi>&lt;b&gt;</bdi>', '<bdi>k</bdi> 1, yes')
    """
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{said(str(name))} {said(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(said(inner) for inner in value)
    return f"<bdi>{escape(value)}</bdi>"


def named(name: str) -> Callable[[Parts], Any]:
    """Read one column of a row."""
    return lambda row: row.get(name)


def identified(name: str) -> Callable[[Parts], Any]:
    """Read one column of a row that is a name even if it is made of digits."""
    return lambda row: "" if row.get(name) is None else str(row[name])


def feature(row: Parts) -> str:
    """Name a feature for people: its label if it has one."""
    return str(row.get("label") or row.get("feature") or "")


def usual_range(row: Parts) -> str:
    """Write between which values a feature usually lies."""
    low, high = row.get("typical_low"), row.get("typical_high")
    return f"{number(low)} to {number(high)}" if is_number(low) and is_number(high) else ""


def moment(write: Callable[[float], str], ms: Any) -> str:
    """Write a moment with `event_time` or `wall_time`; nothing where no calendar has it."""
    return write(ms) if is_number(ms) and 0 <= ms < END_OF_TIME_MS else ""


def _cells(columns: Sequence[Column], row: Parts) -> str:
    cells = []
    for place, (_, say, is_figure) in enumerate(columns):
        tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
        cells.append(f"<{tag}{scope}{_align(is_figure)}>{said(say(row)) or NOTHING}</{tag}>")
    return "".join(cells)


def _align(is_figure: bool) -> str:
    return ' class="figure"' if is_figure else ""
