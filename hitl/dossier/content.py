"""What goes into a case's file: plain values, no truth of a waiting case, nothing too long."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from hitl.explain.keys import plain
from hitl.workspaces import Workspace

Parts = Mapping[str, Any]

MOST_ROWS = 24
"""Rows of the longest table; points of a curve are thinned where they are drawn."""
MOST_KEYS = 96

TELLTALE = ("weight", "source_row", "arrived_ms")
"""What gives a waiting case's truth away: its weight, its place in the file, its outcome."""


def content(case: Parts, evidence: Parts, space: Workspace, made_ms: int | None) -> dict[str, Any]:
    """Gather what the file says, as plain values; the truth of a waiting case stays out."""
    shown = dict(case)
    if waits(case):
        shown = {name: value for name, value in case.items() if name not in TELLTALE}
        if case.get("outcome") is not None:
            shown |= {"outcome": None, "outcome_hidden": True}
    whole = {
        "case": shown,
        "evidence": dict(evidence),
        "workspace": space.name,
        "made_ms": made_ms,
    }
    return dict(plain(whole))


def waits(case: Parts) -> bool:
    """Say whether a case may still be decided; when that is not known, it may."""
    if "status" in case:
        return case["status"] in ("open", "claimed")
    return not case.get("verdict")


def shortened(value: Any, length: int) -> Any:
    """Cut every text to a length, and say how much was cut."""
    if isinstance(value, dict):
        kept = list(value.items())[:MOST_KEYS]
        return {shortened(name, length): shortened(inner, length) for name, inner in kept}
    if isinstance(value, list):
        return [shortened(inner, length) for inner in value]
    if isinstance(value, str) and len(value) > length:
        return f"{value[:length]}… ({len(value) - length:,} more characters)"
    return value


def part(found: Parts, name: str) -> Parts:
    """Read a part that has parts of its own; none if it is missing."""
    value = found.get(name)
    return value if isinstance(value, Mapping) else {}


def records(found: Parts, name: str, most: int | None = MOST_ROWS) -> list[Parts]:
    """Read a part that is rows; none if it is missing."""
    value = found.get(name)
    kept = value if isinstance(value, list) else []
    return [row for row in kept if isinstance(row, Mapping)][:most]


def sentences(found: Parts, name: str) -> list[str]:
    """Read a part that is sentences; none if it is missing."""
    value = found.get(name)
    return [str(text) for text in value if text][:MOST_ROWS] if isinstance(value, list) else []


def has(found: Parts, name: str) -> bool:
    """Say whether a part is there and not empty."""
    return found.get(name) not in (None, "")


def is_number(value: Any) -> TypeGuard[float]:
    """Say whether a value is a number one can draw."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def finite(value: Any) -> float | None:
    """Read a number, or nothing."""
    return float(value) if is_number(value) else None
