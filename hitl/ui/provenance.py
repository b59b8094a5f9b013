"""The record of an explanation: its key, replay, the file to keep, and what reviewers saw."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from hitl import dossier, workflow
from hitl.explain import escape_markdown, neighbour_sentence
from hitl.store import Store
from hitl.ui import resources
from hitl.workflow import times
from hitl.workspaces import Workspace

DECIDED = ("decided", "imported")
COLUMNS = ("id", "distance", "decision", "truth", "known_from")
MOST_NAMED = 3
METHODS = {
    "lime": "LIME, as published",
    "lime-local": "LIME, local",
    "counterfactual": "changes searched",
    "neighbours": "nearest rows",
}
PARTS = {
    "sentence": "Verdict",
    "cost": "Cost",
    "warnings": "Warnings",
    "reasons": "Reasons",
    "summary": "Summary",
    "similar": "Similar cases",
    "alike": "Cases scored for the same reasons",
}
"""What parts of a shown screen are called; any other part goes by its own name."""


def draw(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    """Draw the key and what it stands for, replay, downloads, and the decisions of this case."""
    decisions = decisions_of(str(case["instance_id"]), space)
    again, keep = st.columns([1, 1], gap="large")
    with again:
        st.subheader("Make it again", anchor=False)
        replaying(str(evidence["key"]))
    with keep:
        st.subheader("Keep it", anchor=False)
        downloads(case, evidence, decisions, space)
    st.subheader("Where this explanation comes from", anchor=False)
    st.dataframe(
        record_rows(evidence),
        hide_index=True,
        key="record",
        height="content",
        alt="Everything the explanation follows from.",
        column_config={"what": st.column_config.TextColumn(width=150)},
    )
    st.subheader("What the reviewer saw", anchor=False)
    seen(decisions, space)


# Where it comes from


def record_rows(evidence: Mapping[str, Any]) -> pd.DataFrame:
    """List everything an explanation follows from."""
    recipe = evidence["recipe"]
    model = recipe["model"]
    methods = {
        METHODS.get(name, name): _settings(how) for name, how in recipe["parameters"].items()
    }
    found = {
        "explanation key": evidence["key"],
        "model": model["id"],
        "model, SHA-256": model["sha256"],
        "row, SHA-256": recipe["row_sha256"],
        "known rows, SHA-256": recipe["background_sha256"],
        "limit": f"{model['threshold']:.6g}",
        "seed": str(recipe["seed"]),
        **methods,
        "reason dictionary": recipe["words"].get("dictionary", ""),
        "versions": _settings(recipe["versions"]),
    }
    return pd.DataFrame({"what": list(found), "value": [str(value) for value in found.values()]})


def _settings(how: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {_setting(value)}"
        for name, value in how.items()
        if value not in ([], "")
    )


def _setting(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return ", ".join(map(str, value)) if len(value) <= MOST_NAMED else f"{len(value)} features"


# Made again


def replaying(key: str) -> None:
    """Show the key and the command, and make the explanation again when asked."""
    st.caption("The same key gives the same bytes again, here and in the terminal.")
    st.code(key, language=None, wrap_lines=True)
    st.code(f"python -m hitl replay {key}", language=None, wrap_lines=True)
    st.button("Replay", key="replay", icon=":material/replay:", on_click=_ask, args=(key,))
    if st.session_state.pop("replay_asked", "") == key:
        with st.spinner("Making it again …", show_time=False):
            found = workflow.replay_stored(resources.store(), key)
        st.session_state["replayed"] = (key, found.is_same, found.sentence)
    of, is_same, sentence = st.session_state.get("replayed", ("", False, ""))
    if of != key:
        return
    if is_same:
        st.success(escape_markdown(sentence), icon=":material/check_circle:")
    else:
        st.error(escape_markdown(sentence), icon=":material/error:")


def _ask(key: str) -> None:
    st.session_state["replay_asked"] = key


# Kept as a file


def downloads(
    case: Mapping[str, Any],
    evidence: Mapping[str, Any],
    decisions: list[dict[str, Any]],
    space: Workspace,
) -> None:
    """Offer the case as one file to print and one to read by machine; each is made when asked."""
    store, rows = resources.store(), resources.materials(space.name)
    page, plain = files(case, evidence, decisions, store, rows, now_ms=resources.now_ms())
    name = f"case-{case['instance_id']}"
    st.caption(
        "One file that needs nothing else: it prints to PDF and says how to make the explanation "
        "again."
    )
    with st.container(horizontal=True, key="dossier"):
        st.download_button(
            "Case file (HTML)",
            page,
            file_name=f"{name}.html",
            mime="text/html",
            key="dossier_html",
            icon=":material/description:",
            on_click="ignore",
        )
        st.download_button(
            "Case file (JSON)",
            plain,
            file_name=f"{name}.json",
            mime="application/json",
            key="dossier_json",
            icon=":material/data_object:",
            on_click="ignore",
        )


def files(
    case: Mapping[str, Any],
    evidence: Mapping[str, Any],
    decisions: list[dict[str, Any]],
    store: Store,
    rows: workflow.Materials,
    *,
    now_ms: int,
) -> tuple[Callable[[], str], Callable[[], str]]:
    """Give what makes the two files: HTML and JSON."""
    whole, space = {**case, "decisions": decisions}, rows.workspace

    def similar() -> list[dict[str, Any]]:
        near = workflow.similar_cases(store, rows, str(case["instance_id"]))
        return [{str(name): row[name] for name in row} for row in near.to_dict("records")]

    def page() -> str:
        told = dossier_evidence(evidence, similar(), space)
        return dossier.dossier_html(whole, told, space, made_ms=now_ms)

    def plain() -> str:
        beside = {**whole, "similar": similar()}
        return dossier.dossier_json(beside, evidence, space, made_ms=now_ms)

    return page, plain


def dossier_evidence(
    evidence: Mapping[str, Any], similar: list[dict[str, Any]], space: Workspace
) -> dict[str, Any]:
    """Add to the evidence what a printed case shows beside it: decided neighbours."""
    known = [row["truth"] or row["decision"] or None for row in similar]
    return {
        **evidence,
        "neighbours": similar,
        "neighbours_sentence": neighbour_sentence(
            pd.DataFrame({"verdict": known}), space.positive, word="known"
        ),
    }


# What reviewers saw


def decisions_of(instance_id: str, space: Workspace) -> list[dict[str, Any]]:
    """List the decisions of a case, oldest first."""
    found = resources.store().view(
        "decision_log", workspace=space.name, instance_id=instance_id, order=("fence",)
    )
    kept = found[found["kind"].isin(DECIDED)]
    return [{str(name): row[name] for name in row} for row in kept.to_dict("records")]


def seen(decisions: list[dict[str, Any]], space: Workspace) -> None:
    """Show, for each decision of the case, what was on the screen when it was made."""
    if not decisions:
        st.caption(f"Nobody has decided this {space.noun} yet. What is on the screen then is kept.")
        return
    for decision in decisions:
        with st.container(border=True):
            st.markdown(decision_sentence(decision))
            shown = workflow.seen(resources.store(), str(decision["event_id"]))
            if shown is None:
                st.caption("What was on the screen was not kept with this decision.")
                continue
            for name, part in sorted(shown.items(), key=_place):
                if name != "explanation_key" and part not in (None, "", [], {}):
                    _part(name, part, key=f"seen_{decision['event_id']}_{name}")


def decision_sentence(decision: Mapping[str, Any]) -> str:
    """Say who decided what, when, and on which explanation."""
    who, verdict, reason = (
        escape_markdown(str(decision[name])) for name in ("reviewer", "verdict", "reason")
    )
    key = decision.get("explanation_key")
    sight = f" · explanation `{key}`" if isinstance(key, str) and key else ""
    note = escape_markdown(str(decision.get("note") or ""))
    standing = "" if decision.get("is_current") else " · :gray-badge[taken back or replaced]"
    return (
        f"**{verdict}** by {who}, {times.wall_time(decision['happened_ms'])} · {reason}"
        f"{f' · “{note}”' if note else ''}{sight}{standing}"
    )


def _place(part: tuple[str, Any]) -> int:
    order = list(PARTS)
    return order.index(part[0]) if part[0] in order else len(order)


def _part(name: str, part: Any, *, key: str) -> None:
    title = PARTS.get(name, name.replace("_", " ").capitalize())
    if isinstance(part, list) and all(isinstance(row, Mapping) for row in part):
        table = pd.DataFrame(part).map(_cell)
        first = [column for column in COLUMNS if column in table]
        st.markdown(escape_markdown(title))
        st.dataframe(
            table[[*first, *(column for column in table if column not in first)]],
            hide_index=True,
            key=key,
            alt=f"{title}, as shown then.",
        )
        return
    if not isinstance(part, list):
        st.markdown(f"{escape_markdown(title)}: {escape_markdown(str(_cell(part)))}")
        return
    said = "\n".join(f"- {escape_markdown(str(line))}" for line in part)
    st.markdown(f"{escape_markdown(title)}\n\n{said}")


def _cell(value: Any) -> Any:
    """Write parts of parts as text, so that a column holds one type."""
    return str(value) if isinstance(value, (list, dict)) else value
