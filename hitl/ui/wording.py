"""Figures and states in words: numbers for people, states with icon and colour, the loop strip."""

import json
from typing import Any

from hitl.explain import text
from hitl.store import Store
from hitl.workflow import times

STATES: dict[str, tuple[str, str]] = {
    "normal": (":material/check_circle:", "green"),
    "known anomaly": (":material/report:", "red"),
    "novel": (":material/explore:", "violet"),
    "novel and flagged": (":material/crisis_alert:", "orange"),
}
"""Icon and colour of each state; the word always stands beside them."""


def number(value: float | None, *, unit: str = "") -> str:
    """Write a count whole and any other number with three significant digits."""
    if value is None or value != value:
        return "–"
    whole = value == int(value) and abs(value) < 1e15
    written = f"{int(value):,}".replace("-", text.MINUS) if whole else text.number(float(value))
    return f"{written} {unit}".strip()


def share(value: float | None) -> str:
    """Write a share as a percentage with three significant digits."""
    return "–" if value is None or value != value else f"{number(100 * value)} %"


def state_badge(state: str) -> str:
    """Write a state as a badge: word, icon and colour."""
    icon, colour = STATES[state]
    return f":{colour}-badge[{icon} {state}]"


def escaped(words: str) -> str:
    """Keep what a person wrote from being read as markup."""
    return "".join(f"\\{c}" if c in "\\`*_[]:$<>#|~" else c for c in words)


def rolled_back(store: Store, workspace: str, model_id: str) -> str:
    """Say when, by whom and why a model was last rolled back; empty if it never was."""
    found = store.view(
        "promotions",
        workspace=workspace,
        kind="roll back",
        replaced_id=model_id,
        order=("-number",),
        limit=1,
    )
    if found.empty:
        return ""
    row = found.iloc[0]
    who, why = escaped(str(row["promoted_by"])), escaped(str(row["reason"]))
    return f"rolled back {times.wall_time(row['promoted_ms'])} by {who}: {why}"


def loop_counts(store: Store, workspace: str) -> dict[str, Any]:
    """Read the counts of the loop strip from the database."""
    found = store.view("loop_counts", workspace=workspace)
    counts = found.iloc[0].to_dict() if len(found) else {}
    newest = store.view("newest_comparisons", workspace=workspace, order=("-compared_ms",), limit=1)
    champion = store.rows("champion_id", workspace)
    champion_id = champion[0][0] if champion else ""
    comparison, note = _standing(store, workspace, newest, champion_id)
    news = store.view("news_since_training", workspace=workspace)
    return {
        **{name: int(counts.get(name, 0)) for name in ("scored", "flagged", "waiting", "decided")},
        "since_training": int(news["n"].sum()) if len(news) else 0,
        "champion_id": champion_id,
        "comparison": comparison,
        "note": note,
    }


def loop_links(counts: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Give the loop strip's links: page, label, explanation."""
    return [
        (
            "pages/monitor.py",
            f"**Monitor** {counts['scored']:,} scored · {counts['flagged']:,} flagged",
            "Payments scored so far, and how many the model flagged.",
        ),
        (
            "pages/review.py",
            f"**Review** {counts['waiting']:,} waiting · {counts['decided']:,} decided",
            "Cases that wait for a person, and cases decided.",
        ),
        (
            "pages/retrain.py",
            f"**Retrain** {counts['since_training']:,} new",
            "Decisions and outcomes the champion has not learned from.",
        ),
        (
            "pages/retrain.py",
            f"**Compare** {counts['comparison'] or 'champion ' + counts['champion_id']}",
            counts["note"] or "The model in use, and how its challenger stands.",
        ),
    ]


def _standing(store: Store, workspace: str, newest: Any, champion_id: str) -> tuple[str, str]:
    """Say how the newest challenger stands, and when, by whom and why it was rolled back."""
    if newest.empty or newest.iloc[0]["champion_id"] != champion_id:
        return "", ""
    body = json.loads(newest.iloc[0]["body"])
    challenger = body["challenger_id"]
    if note := rolled_back(store, workspace, challenger):
        return f"{challenger} rolled back", f"{challenger} was {note}"
    return f"{challenger} {'may be promoted' if body['is_passed'] else 'on hold'}", ""
