"""Why one case was scored as it was: who it is, warning, verdict, reasons, contributions."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from hitl import workflow
from hitl.charts import reasons as charts
from hitl.charts.streams import HIDDEN, NOT_KNOWN
from hitl.explain import RESIDUAL_LIMIT, escape_markdown, money
from hitl.ui import drawing, resources, wording
from hitl.ui.picking import is_waiting, shown_truth
from hitl.workflow import times
from hitl.workspaces import Workspace

NAME_PIXELS = 380
KEPT_SECONDS = 600
"""How long evidence is kept in memory; a case that is open longer is read again."""


def gather(
    space: Workspace, case_id: str, state: resources.State
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a case and its evidence, which is made the first time and read back afterwards.

    Both are kept in memory as long as nothing is added to the workspace.
    """
    case = _case(space.name, case_id, state[:4], space)
    evidence = _evidence(space.name, case_id, case["model_id"], space)
    resources.settle("explanations")
    return case, evidence


@st.cache_data(show_spinner=False, max_entries=128)
def _case(name: str, case_id: str, state: tuple[int, ...], _space: Workspace) -> dict[str, Any]:
    del name, state
    return workflow.case(resources.store(), _space, case_id)


@st.cache_data(show_spinner="Gathering the evidence …", max_entries=128, ttl=KEPT_SECONDS)
def _evidence(name: str, case_id: str, model_id: str, _space: Workspace) -> dict[str, Any]:
    del name
    return workflow.explain(
        resources.store(), _space, case_id, now_ms=resources.now_ms(), model_id=model_id
    )


# Who it is


def header(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    """Draw in one line who the case is, its state, and what stands beside it."""
    parts = [f"**Case** `{case['instance_id']}`"]
    amount = case["features"].get(space.amount_column)
    if amount is not None:
        parts.append(f"**{escape_markdown(money(float(amount), space.currency))}**")
    parts.append(times.event_time(case["occurred_ms"]))
    parts += companions(case["features"], space)
    parts.append(wording.state_badge(evidence["state"]))
    if case["origin"] == "constructed":
        parts.append(":gray-badge[:material/science: constructed]")
    with st.container(key="case_header"):
        st.markdown(" · ".join(parts))


def companions(features: Mapping[str, Any], space: Workspace) -> list[str]:
    """Write what stands beside a case, besides its amount and its time."""
    told = (space.amount_column, space.time_column)
    found = {name: features.get(name) for name in space.companions if name not in told}
    return [
        f"{escape_markdown(name)} {escape_markdown(plain(value))}"
        for name, value in found.items()
        if value is not None
    ]


def plain(value: Any) -> str:
    """Write a value as it is: whole numbers may be names, so they get no separators.

    Examples
    --------
    >>> plain(20481.0), plain(-6.5999), plain("web"), plain(None)
    ('20481', '−6.6', 'web', 'missing')
    """
    if value is None or value != value:
        return "missing"
    if isinstance(value, str | bool):
        return str(value)
    return str(int(value)) if value == int(value) >= 0 else wording.number(float(value))


def standing(case: Mapping[str, Any], space: Workspace) -> str:
    """Say what a person decided and what came true, as far as that is known."""
    who = escape_markdown(str(case["reviewer"]))
    decided = f"decided **{case['verdict']}** by {who}" if case["verdict"] else ""
    waiting = "waiting for a decision" if is_waiting(case) else ""
    text = " · ".join(part for part in (decided or waiting, _truth(case, space)) if part)
    return text[0].upper() + text[1:]


def _truth(case: Mapping[str, Any], space: Workspace) -> str:
    word = shown_truth(case, space)
    return f"truth {word}" if word in (NOT_KNOWN, HIDDEN) else f"truth: **{word}**"


def links(case: Mapping[str, Any], space: Workspace) -> None:
    """Draw how a case stands and the ways on from it."""
    address = {"workspace": space.name}
    with st.container(horizontal=True, vertical_alignment="center", key="case_links"):
        st.markdown(standing(case, space), width="content")
        if is_waiting(case) and st.button(
            "Review this case", key="review_case", icon=":material/gavel:", type="primary"
        ):
            st.switch_page("pages/review.py", query_params={"case": case["instance_id"]})
        st.page_link(
            "pages/monitor.py",
            label="Back to Monitor",
            icon=":material/monitor_heart:",
            query_params=address,
        )
        st.button(
            "Another case",
            key="another",
            icon=":material/list:",
            type="tertiary",
            on_click=_leave,
        )


def _leave() -> None:
    st.query_params.pop("case", None)


# What the model says


def warning(evidence: Mapping[str, Any]) -> None:
    """Warn before any reason is read when the case is unlike all the model has learned from."""
    if not evidence["warnings"]:
        return
    first, *rest = (escape_markdown(sentence) for sentence in evidence["warnings"])
    st.warning(f"**{first}** {' '.join(rest)}", icon=":material/explore:")


def verdict(evidence: Mapping[str, Any]) -> None:
    """Say the verdict in one sentence, and what it is worth to look."""
    sentence, cost = (escape_markdown(evidence[part]) for part in ("sentence", "cost"))
    st.markdown(f"**{sentence}** {cost}".strip())


def sentences(evidence: Mapping[str, Any]) -> None:
    """List the reasons in plain sentences: those that raise the score, then what lowers it."""
    raising, lowering = sides(evidence)
    if not raising and not lowering:
        st.markdown("The model gives no reason: no feature moved this score.")
        return
    lines = [f"{place}. {escape_markdown(text)}" for place, text in enumerate(raising, 1)]
    if not raising:
        lines = ["Nothing raises the score noticeably."]
    if lowering:
        lines += ["", f"**Against:** {' '.join(escape_markdown(text) for text in lowering)}"]
    st.markdown("\n".join(lines))
    st.caption(escape_markdown(evidence["summary"]))


def sides(evidence: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Part the reasons by what they do to the score, heaviest first: raising, lowering."""
    told = evidence["told"]
    raising = [one["sentence"] for one in told if one["direction"] == "raises"]
    return raising, [one["sentence"] for one in told if one["direction"] != "raises"]


# Contributions


def contributions(evidence: Mapping[str, Any]) -> None:
    """Draw what moved the score, beside the values, with the receipt that it adds up."""
    chart, table = st.columns([3, 2], gap="medium")
    with chart:
        drawing.kept_chart(
            lambda: charts.waterfall(
                charts.steps(evidence), threshold=evidence["threshold"], name_pixels=NAME_PIXELS
            ),
            stamp=(evidence["key"],),
            key="waterfall",
            name="Waterfall from the start of every score to this score, heaviest feature first.",
        )
    with table:
        st.dataframe(
            _contribution_rows(evidence["key"], evidence),
            hide_index=True,
            key="contributions",
            placeholder="",
            alt="The same features by their column names: value, typical range and contribution.",
            column_config={
                "column": st.column_config.TextColumn(width=140),
                "value": st.column_config.TextColumn(width=60),
                "log-odds": st.column_config.NumberColumn(
                    width=70,
                    format="%+.3f",
                    help="How far the feature moves the score, in log-odds.",
                ),
                "typical": st.column_config.TextColumn(
                    width=100, help="Where 90 % of legitimate training rows lie."
                ),
                "percentile": st.column_config.NumberColumn(
                    width=75,
                    format="%.0f",
                    help="Share of legitimate training rows below the value, in %.",
                ),
            },
        )
    st.markdown(receipt(evidence))


@st.cache_resource(show_spinner=False, max_entries=128)
def _contribution_rows(key: str, _evidence: Mapping[str, Any]) -> pa.Table:
    del key
    return pa.Table.from_pandas(contribution_rows(_evidence), preserve_index=False)


def contribution_rows(evidence: Mapping[str, Any]) -> pd.DataFrame:
    """Write the contributions as a table for people; values may be numbers or words."""
    rows = pd.DataFrame(evidence["table"]).astype({"contribution": float, "percentile": float})
    others = rows["feature"] == charts.OTHER
    typical = [
        f"{wording.number(low)} to {wording.number(high)}" if low is not None and low == low else ""
        for low, high in zip(rows["typical_low"], rows["typical_high"], strict=True)
    ]
    values = [
        "" if other else plain(value) for value, other in zip(rows["value"], others, strict=True)
    ]
    return pd.DataFrame(
        {
            "column": rows["feature"],
            "log-odds": rows["contribution"],
            "value": values,
            "typical": typical,
            "percentile": rows["percentile"],
        }
    )


def receipt(evidence: Mapping[str, Any]) -> str:
    """Say whether start and contributions add up to the score."""
    residual, base = float(evidence["residual"]), wording.number(evidence["base_value"])
    moved = wording.number(sum(evidence["contributions"].values()))
    score, probability = wording.number(evidence["score"]), evidence["probability"]
    sentence = (
        f"Start {base} + contributions {moved} = score {score}, probability "
        f"{wording.number(probability)}; residual {residual:.0e}"
    )
    if residual <= RESIDUAL_LIMIT:
        return f":material/check_circle: {sentence} ✓"
    return f":material/error: **It does not add up.** {sentence}. Do not rely on these parts."


def which_model(evidence: Mapping[str, Any], space: Workspace, state: resources.State) -> str:
    """Say which model is explained, and whether it is the one in use."""
    model_id = evidence["model_id"]
    champion_id = resources.champion_id(space.name, state.promotions)
    if model_id == champion_id:
        return f"Explained: model {model_id}, which scored this case and is in use."
    return (
        f"Explained: model {model_id}, which scored this case when it came in. "
        f"In use now is {champion_id}."
    )
