"""Past cases like one: by their values or by the reasons of their scores, with what became of them.

Who asks for many cases pays once: what is known of the past is gathered for each state of the
database, and the answer for a case is kept as long as that state lasts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from hitl import workflow
from hitl.charts.streams import NOT_KNOWN
from hitl.explain import escape_markdown, neighbour_sentence
from hitl.ui import resources
from hitl.ui.picking import clicked, follow
from hitl.workflow.similar import NEIGHBOURS
from hitl.workspaces import Workspace

COMPACT_ROWS = 5
WAYS = ("values", "reasons")
MEASURES = {
    "values": "Distance in standard deviations of the training rows; 0 is an identical case.",
    "reasons": "Distance in log-odds between what moved the two scores; 0 is the same score for "
    "the same reasons. Compared are alerts and known positives.",
}


@dataclass(frozen=True, eq=False)
class Near:
    """The nearest past cases: one sentence about them, the table, and what makes them near."""

    sentence: str
    table: pd.DataFrame
    by: str

    @cached_property
    def arrow(self) -> pa.Table:
        """The table as it is sent to the browser."""
        return pa.Table.from_pandas(self.table, preserve_index=False)


def near(
    case_id: str,
    evidence: Mapping[str, Any],
    space: Workspace,
    state: resources.State,
    *,
    by: str = "values",
    k: int = NEIGHBOURS,
) -> Near:
    """Find the nearest past cases, by their values or by their reasons."""
    known = (state.outcomes, state.settled)
    if by == "values":
        return _similar(space.name, case_id, k, known)
    explained = (*known, state.explanations)
    return _alike(space.name, case_id, evidence["key"], k, explained, space, evidence)


@st.cache_resource(show_spinner=False, max_entries=4)
def _past(name: str, counts: tuple[int, ...]) -> workflow.Past:
    del counts
    return workflow.past(resources.store(), resources.materials(name))


@st.cache_resource(show_spinner=False, max_entries=256)
def _similar(name: str, case_id: str, k: int, counts: tuple[int, ...]) -> Near:
    rows = resources.materials(name)
    found = workflow.similar_cases(resources.store(), rows, case_id, k=k, known=_past(name, counts))
    return told(found, rows.workspace, "values")


@st.cache_resource(show_spinner=False, max_entries=256)
def _alike(
    name: str,
    case_id: str,
    key: str,
    k: int,
    counts: tuple[int, ...],
    _space: Workspace,
    _evidence: Mapping[str, Any],
) -> Near:
    del name, key, counts
    found = workflow.alike_cases(resources.store(), _space, case_id, _evidence, k=k)
    return told(found, _space, "reasons")


def told(found: pd.DataFrame, space: Workspace, by: str) -> Near:
    """Write the nearest past cases for people."""
    return Near(similar_sentence(found, space, by), similar_table(found, space), by)


def similar_sentence(found: pd.DataFrame, space: Workspace, by: str = "values") -> str:
    """Count how many of them were positive; a training row is known, not decided."""
    known = found["truth"].where(found["truth"] != "", found["decision"])
    verdicts = pd.DataFrame({"verdict": known.where(known != "")})
    noun = {"values": space.noun, "reasons": "alert"}[by]
    by_what = {"values": "features", "reasons": "reasons"}[by]
    return neighbour_sentence(verdicts, space.positive, word="known", noun=noun, by=by_what)


def similar_table(found: pd.DataFrame, space: Workspace) -> pd.DataFrame:
    """Keep of the nearest past cases what a person reads."""
    amount = [space.amount_column] if space.amount_column in found else []
    table = found[["id", "distance", "decision", "truth", *amount, "known_from"]].rename(
        columns={"id": "case", space.amount_column: "amount"}
    )
    return table.assign(
        decision=table["decision"].replace("", "–"),
        truth=table["truth"].replace("", NOT_KNOWN),
        known_from=table["known_from"].replace({"training": "training rows"}),
    )


def draw(
    case_id: str, evidence: Mapping[str, Any], space: Workspace, state: resources.State
) -> None:
    """Draw the nearest past cases with what was decided and what came true; a click opens one."""
    by = st.radio(
        "Similar by",
        WAYS,
        key="similar_by",
        horizontal=True,
        bind="query-params",
        format_func=lambda way: f"by {way}",
        label_visibility="collapsed",
    )
    found = near(case_id, evidence, space, state, by=str(by))
    st.markdown(f"**{escape_markdown(found.sentence)}**")
    st.session_state["similar_ids"] = found.table["case"].tolist()
    st.dataframe(
        found.arrow,
        hide_index=True,
        key="similar",
        alt=f"The {len(found.table)} nearest past cases, nearest first.",
        column_config=columns(space, found.by),
        on_select=_open,
        selection_mode=["single-row", "single-cell"],
    )
    st.caption(
        f"{MEASURES[found.by]} A click opens a case of the stream; training rows have no page."
    )
    follow("_similar_case")


def compact(found: Near, space: Workspace) -> None:
    """Draw them without links, so that nothing leads away from a decision being made."""
    st.markdown(f"**{escape_markdown(found.sentence)}**")
    st.dataframe(
        found.arrow,
        hide_index=True,
        key="similar_compact",
        alt=f"The {len(found.table)} nearest past cases, nearest first.",
        column_config=columns(space, found.by),
    )
    st.caption(MEASURES[found.by])


def columns(space: Workspace, by: str) -> dict[str, Any]:
    """Say how the columns of the table are written."""
    return {
        "distance": st.column_config.NumberColumn(format="%.2f", help=MEASURES[by]),
        "known_from": st.column_config.TextColumn("known from"),
        "amount": st.column_config.NumberColumn(f"amount, {space.currency}", format="%.2f"),
    }


def _open() -> None:
    chosen = clicked("similar", st.session_state["similar_ids"])
    st.session_state["_similar_case"] = "" if chosen.startswith("row ") else chosen
