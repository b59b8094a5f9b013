"""Whether the model takes a shortcut: scan it when asked, and see a planted leak being found."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from hitl import explain
from hitl.explain import escape_markdown
from hitl.explain.shortcuts import (
    DOMINANCE,
    DOMINANT_SHARE,
    DOMINANT_TIMES,
    LEAK,
    LEAK_AUC,
    STRONG_AUC,
    TELLS_TIME,
    TIME_AUC,
    TRAINING_ONLY,
    WEAK_AUC,
)
from hitl.explain.text import plural
from hitl.ui import grounds, resources, wording
from hitl.workspaces import Workspace

PLANTED = "settlement_code"
KINDS = {
    LEAK: "Almost gives the outcome away",
    TRAINING_ONLY: "Works on training rows only",
    DOMINANCE: "Outweighs all others",
    TELLS_TIME: "Tells when a row was recorded",
}
"""What each kind of warning is called here; its own name stays in the terminal."""


def draw(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    """Draw the scan of the model that is explained, and the demonstration beside it."""
    del case
    st.markdown(
        "A model takes a *shortcut* when one column makes learning too easy: it is filled in after "
        "the outcome, holds on training rows only, or outweighs everything else. Such a model "
        "looks excellent and fails in use."
    )
    scan, demonstration = st.columns([1, 1], gap="large")
    with scan:
        scanned(str(evidence["model_id"]), space)
    with demonstration:
        demonstrated(space)


def scanned(model_id: str, space: Workspace) -> None:
    """Scan the model when asked, and list what was found."""
    st.subheader(f"Scan of model {model_id}", anchor=False)
    if not _asked(f"scan_{model_id}", "Scan this model", ":material/search_check:"):
        st.caption("Reads all training and test rows; takes a few seconds.")
        return
    found = _scan(space.name, model_id)
    features = grounds.ground(model_id).face.features
    if found:
        warnings = f"{len(found)} warning{'s' if len(found) > 1 else ''}"
        st.warning(
            f"**{warnings}.** Look at each before trusting the model.", icon=":material/warning:"
        )
        _listed(found, space, features, key="shortcuts")
    else:
        st.success(
            f"**No shortcut found** among {_features(len(features))}.",
            icon=":material/check_circle:",
        )
    st.caption(checked(space))


def demonstrated(space: Workspace) -> None:
    """Plant a leak when asked, and say whether the scan names it."""
    st.subheader("A planted leak", anchor=False)
    st.markdown(
        f"To see that the scan works: add a column `{PLANTED}` that all but copies the outcome, as "
        "one filled in afterwards would; train a model on it; scan that model. Nothing is stored."
    )
    if not _asked(f"leak_{space.name}", "Plant a leak and scan", ":material/science:"):
        return
    found = _demonstration(space.name, resources.settings()["seed"])
    st.markdown(demonstration_sentence(found))
    if found:
        _listed(found, space, (*space.features, PLANTED), key="planted")


def demonstration_sentence(found: list[dict[str, Any]]) -> str:
    """Say whether the planted column came first."""
    if found and found[0]["feature"] == PLANTED:
        return f":material/check_circle: **Found.** The scan names `{PLANTED}` first."
    return f":material/error: **Missed.** The scan does not name `{PLANTED}` first."


def checked(space: Workspace) -> str:
    """Say what a scan looks at, with its limits."""
    share = wording.share(DOMINANT_SHARE)
    rows = resources.materials(space.name)
    return (
        "Looked at, for each feature alone, on "
        f"{len(rows.training):,} training and {len(rows.test):,} test {plural(space.noun)}: does "
        "it rank the outcome almost perfectly (area under the curve above "
        f"{LEAK_AUC}); does it rank training rows well (above {STRONG_AUC}) and test "
        f"rows hardly (below {WEAK_AUC}); does it tell training from test rows (above "
        f"{TIME_AUC}); does it make up more than {share} of all contributions and "
        f"{DOMINANT_TIMES} times its equal share. Two columns that leak together are not "
        "found this way."
    )


@st.cache_data(show_spinner="Scanning …", max_entries=8)
def _scan(name: str, model_id: str) -> list[dict[str, Any]]:
    rows, face = resources.materials(name), grounds.ground(model_id).face
    found = explain.shortcuts(
        face, rows.training, label=rows.workspace.label_column, test=rows.test
    )
    return [asdict(one) for one in found]


@st.cache_data(show_spinner="Planting a leak, training, scanning …", max_entries=4)
def _demonstration(name: str, seed: int) -> list[dict[str, Any]]:
    rows = resources.materials(name)
    space = rows.workspace
    found = explain.leak_demonstration(
        rows.training,
        features=space.features,
        label=space.label_column,
        weight=space.weight_column,
        seed=seed,
        name=PLANTED,
    )
    return [asdict(one) for one in found]


def shortcut_rows(
    found: list[dict[str, Any]], space: Workspace, features: tuple[str, ...]
) -> pd.DataFrame:
    """Write warnings as a table, most serious first."""
    named = grounds.names(space, features)
    return pd.DataFrame(
        {
            "feature": [named.get(one["feature"], one["feature"]) for one in found],
            "warning": [KINDS[one["kind"]] for one in found],
            "figure": [one["figure"] for one in found],
        }
    )


def _listed(
    found: list[dict[str, Any]], space: Workspace, features: tuple[str, ...], *, key: str
) -> None:
    st.dataframe(
        shortcut_rows(found, space, features),
        hide_index=True,
        key=key,
        alt=f"{len(found)} warnings, most serious first.",
        column_config={
            "figure": st.column_config.NumberColumn(
                format="%.4f",
                help="Area under the curve, or the share of all contributions; 1 is the most.",
            )
        },
    )
    st.markdown("\n".join(f"- {escape_markdown(one['sentence'])}" for one in found))


def _asked(place: str, label: str, icon: str) -> bool:
    """Draw a button until it is pressed; say whether it was, now or before in this session."""
    if not st.session_state.get(place):
        st.button(label, key=f"{place}_button", icon=icon, on_click=_ask, args=(place,))
    return bool(st.session_state.get(place))


def _ask(place: str) -> None:
    st.session_state[place] = True


def _features(count: int) -> str:
    return f"{count} features" if count > 1 else "1 feature"
