"""Promote with a reason, roll back with a reason, and the history of models."""

from typing import Any

import pandas as pd
import streamlit as st

from hitl import workflow
from hitl.ui import frame, resources, wording
from hitl.ui.relearning import is_recommended, records
from hitl.workflow import times
from hitl.workspaces import Workspace

NEVER = "not promoted"
METHODS = {"fit": "trained from scratch", "continue": "continued with reviewed cases"}
KINDS = {"seed": "first model", "promote": "promoted", "roll back": "rolled back to"}


def promoting(space: Workspace, found: dict[str, Any]) -> None:
    """Let a person promote the challenger, with a reason."""
    st.header(f"Promote {found['challenger_id']}", anchor=False)
    with st.form("promotion", enter_to_submit=False):
        reason = st.text_input(
            "Why promote it?",
            key="promotion_reason",
            help="Kept in the history beside your name.",
        )
        pressed = st.form_submit_button(
            f"Promote {found['challenger_id']}",
            type="primary" if is_recommended(found) else "secondary",
            icon=":material/publish:",
            disabled=not found["is_passed"],
            key="promote",
        )
    if not found["is_passed"]:
        st.markdown(
            "It cannot be promoted while a gate is blocked. Decide more cases like the ones it "
            "gets wrong, then train again."
        )
    if pressed:
        workflow.promote(
            resources.store(), space.name, found["challenger_id"], person=frame.person(),
            reason=reason, now_ms=resources.now_ms(),
        )  # fmt: skip
        st.rerun()


def rolling_back(space: Workspace, rows: pd.DataFrame) -> None:
    """Let a person put the champion's predecessor back in use, with a reason."""
    champion = rows[rows["is_champion"].eq(True)].iloc[0]
    st.header("Roll back", anchor=False)
    if champion["kind"] == "seed":
        st.markdown(f"{champion['model_id']} is the first model, so there is none to go back to.")
        return
    with st.form("roll_back", enter_to_submit=False):
        reason = st.text_input(
            f"Why leave {champion['model_id']}?",
            key=f"roll_back_reason_{int(champion['number'])}",
            help="The model before it is put back in use. Nothing is deleted.",
        )
        pressed = st.form_submit_button(
            "Put its predecessor back", icon=":material/undo:", key="roll_back_now"
        )
    if pressed:
        workflow.roll_back(
            resources.store(), space.name, person=frame.person(), reason=reason,
            now_ms=resources.now_ms(),
        )  # fmt: skip
        st.rerun()


def history(space: Workspace) -> pd.DataFrame:
    """Read every model with its promotions, the newest first."""
    return resources.store().view(
        "model_history", workspace=space.name, order=("-trained_ms", "model_id", "-number")
    )


def history_shown(rows: pd.DataFrame) -> None:
    """List the models: who trained and promoted them, why and when."""
    st.header("History of models", anchor=False)
    st.table(
        history_table(rows),
        hide_index=True,
        alt="Every model with who trained and promoted it, why and when.",
    )


def history_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Write the history for people: latest event first, the champion marked."""
    newest_first = sorted(records(rows), key=_moment, reverse=True)
    return pd.DataFrame([_line(row) for row in newest_first])


def _moment(row: dict[str, Any]) -> float:
    promoted = row["promoted_ms"]
    return float(row["trained_ms"] if promoted != promoted or promoted is None else promoted)


def _line(row: dict[str, Any]) -> dict[str, str]:
    is_promoted = isinstance(row["kind"], str)
    standing = KINDS.get(row["kind"], row["kind"]) if is_promoted else NEVER
    if row["is_champion"] is True:
        standing = f"**:material/star: champion** ({standing})"
    return {
        "When": times.wall_time(_moment(row)),
        "Model": f"`{row['model_id']}`",
        "Standing": standing,
        "By": row["promoted_by"] if is_promoted else row["trained_by"],
        "Why": wording.escaped(row["reason"]) if is_promoted else "",
        "How it was made": METHODS.get(row["method"], row["method"])
        + (f", from {row['parent_id']}" if row["parent_id"] else ""),
    }
