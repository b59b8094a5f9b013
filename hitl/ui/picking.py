"""Pick a case: tables of scored cases, what of their truth may be shown, and the way to Explain."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from hitl.charts.streams import HIDDEN, NOT_KNOWN
from hitl.ui import resources, wording
from hitl.workflow import times
from hitl.workspaces import Workspace

LATEST_ROWS = 50
EXPLAINED_ROWS = 500
"""Newest explanations that are read for the list."""

NOT_EXPLAINED = "–"


def pick(space: Workspace, state: resources.State) -> None:
    """Offer the latest flagged or novel cases, or say that there are none."""
    rows = latest_unusual(space, state)
    if rows.empty:
        st.info(
            f"Nothing flagged or novel among the {space.noun}s scored so far. Play the stream, "
            "then come back.",
            icon=":material/help_center:",
        )
        st.page_link(
            "pages/monitor.py",
            label="Play the stream on Monitor",
            icon=":material/monitor_heart:",
            query_params={"workspace": space.name},
        )
        return
    st.markdown("Choose a case: a click opens it.")
    st.session_state["picked_ids"] = rows["case"].tolist()
    st.dataframe(
        rows,
        hide_index=True,
        key="picker",
        alt=f"The {len(rows)} latest flagged or novel cases, newest first.",
        on_select=_open_picked,
        selection_mode=["single-row", "single-cell"],
        column_config={**case_columns(space), "LIME": _lime_column()},
    )
    follow("_picked_case")


def latest_unusual(space: Workspace, state: resources.State) -> pd.DataFrame:
    """Read the latest flagged or novel cases, newest first."""
    store, order = resources.store(), ("-scored_ms", "-run", "-step")
    parts = [
        store.view(
            "scored_instances", workspace=space.name, order=order, limit=LATEST_ROWS, **{flag: True}
        )
        for flag in ("is_flagged", "is_novel")
    ]
    rows = pd.concat(parts, ignore_index=True).drop_duplicates("instance_id")
    by = ["scored_ms", "run", "step"]
    rows = rows.sort_values(by, ascending=False).head(LATEST_ROWS)
    known = _lime_verdicts(space.name, state.explanations)
    pairs = zip(rows["instance_id"], rows["model_id"], strict=True)
    table = case_table(rows, space)
    table.insert(
        list(table.columns).index("truth"),
        "LIME",
        [known.get(pair, NOT_EXPLAINED) for pair in pairs],
    )
    return table


@st.cache_data(show_spinner=False, max_entries=4)
def _lime_verdicts(name: str, explanations: int) -> dict[tuple[str, str], str]:
    """Read how far LIME's local variant is to be trusted, of the newest explained cases."""
    del explanations
    found = resources.store().view(
        "explanations", workspace=name, order=("-explained_ms",), limit=EXPLAINED_ROWS
    )
    bodies = [json.loads(body).get("lime_local") or {} for body in found["body"]]
    pairs = zip(found["instance_id"], found["model_id"], strict=True)
    return {
        pair: body["verdict"] for pair, body in zip(pairs, bodies, strict=True) if "verdict" in body
    }


def _lime_column() -> Any:
    return st.column_config.TextColumn(
        help="How far the second opinion is to be trusted: good, weak or do not use. Waiting cases "
        f"are explained ahead; “{NOT_EXPLAINED}” has not been explained yet.",
    )


def case_table(rows: pd.DataFrame, space: Workspace) -> pd.DataFrame:
    """Write scored cases as a table for people."""
    features = [json.loads(text) for text in rows["features"]]
    table = pd.DataFrame(
        {
            "case": rows["instance_id"],
            "time": [times.event_time(ms) for ms in rows["occurred_ms"]],
            "state": [[state] for state in rows["state"]],
            "probability": rows["probability"],
            "novelty": rows["novelty"] / rows["novelty_limit"],
            "truth": shown_truths(rows, space),
            "decision": rows["verdict"].fillna("–"),
            "model": rows["model_id"],
        }
    )
    if space.amount_column:
        table.insert(3, "amount", [row[space.amount_column] for row in features])
    if (rows["origin"] == "constructed").any():
        table["origin"] = rows["origin"].replace("real", "recorded")
    return table.reset_index(drop=True)


def case_columns(space: Workspace) -> dict[str, Any]:
    """Say how the columns of `case_table` are written."""
    return {
        "state": st.column_config.MultiselectColumn(
            options=list(wording.STATES), color=[colour for _, colour in wording.STATES.values()]
        ),
        "amount": st.column_config.NumberColumn(f"amount, {space.currency}", format="%.2f"),
        "probability": st.column_config.NumberColumn(
            format="%.4f", help=f"The model's probability of {space.positive}, from 0 to 1."
        ),
        "novelty": st.column_config.NumberColumn(
            "novelty, × limit",
            format="%.2f",
            help="Novelty in multiples of its limit: above 1 is unlike anything in training.",
        ),
        "truth": st.column_config.TextColumn(
            help="What came true. It arrives later, and is hidden until a waiting case is decided."
        ),
        "model": st.column_config.TextColumn(help="The model that gave the score."),
    }


def is_waiting(row: Mapping[str, Any]) -> bool:
    """Say whether a case waits for a decision, claimed or not."""
    return row["status"] in ("open", "claimed")


def shown_truth(row: Mapping[str, Any], space: Workspace) -> str:
    """Write what may be shown of a case's truth: nothing that would decide a waiting case."""
    word = truth_word(row["outcome"], space)
    return HIDDEN if is_waiting(row) and word != NOT_KNOWN else word


def shown_truths(rows: pd.DataFrame, space: Workspace) -> list[str]:
    """Write what may be shown of the truth of many cases."""
    pairs = zip(rows["status"], rows["outcome"], strict=True)
    return [shown_truth({"status": status, "outcome": o}, space) for status, o in pairs]


def truth_word(value: Any, space: Workspace) -> str:
    """Write a truth in the workspace's words."""
    if value is None or value != value:
        return NOT_KNOWN
    return space.positive if value else space.negative


def clicked(key: str, ids: list[str]) -> str:
    """Give the id of the row clicked in a table, by the ids it was drawn with."""
    selection = st.session_state[key]["selection"]
    places = [*selection["rows"], *(row for row, _ in selection.get("cells", []))]
    return ids[places[0]] if places and places[0] < len(ids) else ""


def _open_picked() -> None:
    st.session_state["_picked_case"] = clicked("picker", st.session_state["picked_ids"])


def follow(place: str) -> None:
    """Open Explain on the case a click has left in a place of the session, if any.

    The workspace stays in the address by itself; its widget owns it.
    """
    chosen = st.session_state.pop(place, "")
    if chosen:
        st.switch_page("pages/explain.py", query_params={"case": chosen})
