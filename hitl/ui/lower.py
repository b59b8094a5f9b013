"""The lower half of Explain: what would change it, curves, versions, shortcuts, the record."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from hitl.ui import bends, changing, frame, provenance, shortcut_lab, versus
from hitl.workspaces import Workspace

Part = Callable[[Mapping[str, Any], Mapping[str, Any], Workspace], None]

PARTS: dict[str, Part] = {
    "What would change it": changing.draw,
    "Curves": bends.draw,
    "Old and new": versus.draw,
    "Shortcuts": shortcut_lab.draw,
    "Record": provenance.draw,
}


def draw(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    """Draw the parts that a person opens one by one; a closed one costs nothing.

    Parameters
    ----------
    case
        What `workflow.case` gives.
    evidence
        What `workflow.explain` gives.
    space
        Whose words to use.
    """
    st.fragment(_draw)(case, evidence, space)


def _draw(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    tabs = st.tabs(list(PARTS), key="part", on_change="rerun", bind="query-params")
    for tab, part in zip(tabs, PARTS.values(), strict=True):
        if tab.open:
            with tab, frame.errors_shown(go_on=True):
                part(case, evidence, space)
