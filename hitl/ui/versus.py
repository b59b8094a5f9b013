"""The same case under two models: did the verdict flip, and which reasons changed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from hitl import workflow
from hitl.charts import reasons as charts
from hitl.explain import Difference, differences, escape_markdown
from hitl.ui import grounds, resources, wording
from hitl.workflow import times
from hitl.workspaces import Workspace

SHOWN = 12
METHODS = {"fit": "trained from scratch", "continue": "continued with reviewed cases"}


def draw(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    """Draw what another stored model makes of the same case."""
    rows = others(str(evidence["model_id"]), space)
    if rows.empty:
        st.info(
            "There is one model only, the one that scored this case. Train another one to compare.",
            icon=":material/model_training:",
        )
        st.page_link(
            "pages/retrain.py",
            label="Train one on Retrain",
            icon=":material/model_training:",
            query_params={"workspace": space.name},
        )
        return
    options = rows["model_id"].tolist()
    said = {row["model_id"]: model_words(row) for row in rows.to_dict("records")}
    other = st.selectbox(
        "Compare with",
        options,
        index=options.index(default_of(rows)),
        format_func=lambda model_id: said[model_id],
        key=f"versus_{evidence['key']}",
        width=520,
    )
    with st.spinner("Asking the other model …", show_time=False):
        found = workflow.explain(
            resources.store(), space, case["instance_id"], now_ms=resources.now_ms(), model_id=other
        )
    compared(*in_order(evidence, found, space), space)


def others(model_id: str, space: Workspace) -> pd.DataFrame:
    """List the workspace's other models, the newest first, each once."""
    found = resources.store().view(
        "model_history", workspace=space.name, order=("-trained_ms", "-number")
    )
    found = found[found["model_id"] != model_id]
    is_champion = found.groupby("model_id")["is_champion"].transform("max")
    return found.assign(is_champion=is_champion).drop_duplicates("model_id").reset_index(drop=True)


def default_of(rows: pd.DataFrame) -> str:
    """Choose whom to compare with: the model in use, else the newest."""
    in_use = rows[rows["is_champion"].eq(True)]
    return str((in_use if len(in_use) else rows)["model_id"].iloc[0])


def model_words(row: Mapping[Any, Any]) -> str:
    """Say which model this is."""
    standing = "in use" if row["is_champion"] is True or row["is_champion"] == 1 else "not in use"
    if standing == "not in use" and row["number"] == row["number"]:
        standing = "in use earlier"
    how = METHODS.get(str(row["method"]), str(row["method"]))
    return f"{row['model_id']} · {standing} · {how} {times.wall_time(row['trained_ms'])}"


def in_order(
    one: Mapping[str, Any], other: Mapping[str, Any], space: Workspace
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Put the evidence of the model that was trained first before the other's."""
    rows = resources.store().view("model_history", workspace=space.name, order=("trained_ms",))
    place = rows["model_id"].drop_duplicates().tolist()
    if place.index(one["model_id"]) <= place.index(other["model_id"]):
        return one, other
    return other, one


def compared(old: Mapping[str, Any], new: Mapping[str, Any], space: Workspace) -> None:
    """Draw what differs between two models' evidence of one case."""
    features = tuple(dict.fromkeys((*old["contributions"], *new["contributions"])))
    named = grounds.names(space, features)
    found = differences(old, new, names=named)
    badge = (
        ":orange-badge[:material/swap_horiz: the verdict flips]"
        if found.flipped
        else ":gray-badge[:material/check: the same verdict]"
    )
    st.markdown(f"{badge} {escape_markdown(found.sentence)}")
    st.caption(f"Old: {old['model_id']}, trained first. New: {new['model_id']}.")
    rows = difference_rows(found, named)
    chart, table = st.columns([1, 1], gap="large")
    with chart:
        grounds.draw(
            _drawing(str(old["key"]), str(new["key"]), rows.head(SHOWN)),
            key="old_and_new",
            words="Each feature's contribution under the old and the new model.",
        )
    with table:
        st.dataframe(
            rows[["label", "old", "new", "change", "rank", "status"]],
            hide_index=True,
            key="difference",
            alt="Each feature's contribution under both models, largest change first.",
            column_config={
                "label": st.column_config.TextColumn("feature"),
                **{
                    name: st.column_config.NumberColumn(format="%+.3f", help="In log-odds.")
                    for name in ("old", "new", "change")
                },
                "rank": st.column_config.TextColumn(
                    help="Place among the contributions, old → new; 1 is the heaviest."
                ),
                "status": st.column_config.TextColumn("what changed"),
            },
        )
    st.caption(receipt(found))


@st.cache_data(show_spinner=False, max_entries=16)
def _drawing(old_key: str, new_key: str, _rows: pd.DataFrame) -> dict[str, Any]:
    del old_key, new_key
    return grounds.spec_of(charts.old_and_new(_rows))


def difference_rows(found: Difference, named: Mapping[str, str]) -> pd.DataFrame:
    """Write a difference as a table, largest change first."""
    return pd.DataFrame(
        [
            {
                "feature": one.feature,
                "label": named[one.feature],
                "old": one.old,
                "new": one.new,
                "change": one.change,
                "rank": f"{one.rank_old or '–'} → {one.rank_new or '–'}",
                "status": one.status,
            }
            for one in found.table
        ]
    )


def receipt(found: Difference) -> str:
    """Say that the changes add up."""
    return (
        f"Score {wording.number(found.score_change)} = starting point "
        f"{wording.number(found.base_change)} + contributions "
        f"{wording.number(found.contributions_change)} in log-odds; residual {found.residual:.0e}."
    )
