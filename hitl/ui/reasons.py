"""Why one case was scored as it was: header, warning, similar cases, reasons, charts, LIME."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from hitl import workflow
from hitl.charts import reasons as charts
from hitl.charts.streams import HIDDEN, NOT_KNOWN
from hitl.explain import RESIDUAL_LIMIT, Surrogate, neighbour_sentence, surrogate_sentence
from hitl.store import Store
from hitl.ui import resources, wording
from hitl.workspaces import Workspace

COMPACT_ROWS = 5
LATEST_ROWS = 50
TRUST: dict[str, tuple[str, str]] = {
    "good": (":material/check_circle:", "green"),
    "weak": (":material/error:", "orange"),
    "do not use": (":material/block:", "red"),
}


def gather(space: Workspace, case_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a case and its evidence, which is made the first time and read back afterwards."""
    store, materials = resources.store(), resources.materials(space.name)
    case = workflow.case(store, space, case_id)
    with st.spinner("Gathering the evidence …", show_time=False):
        evidence = workflow.explain(store, materials, case_id, now_ms=resources.now_ms())
    resources.settle("explanations")
    return case, evidence


def header(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    """Draw who the case is, its state, and the verdict in one sentence."""
    with st.container(horizontal=True, vertical_alignment="center", key="case_header"):
        st.markdown(f"**Case** `{case['instance_id']}`", width="content")
        amount = case["features"].get("Amount")
        if amount is not None:
            st.markdown(f"**{money(amount, space)}**", width="content")
        st.markdown(wording.event_time(case["occurred_ms"]), width="content")
        st.markdown(wording.state_badge(evidence["state"]), width="content")
        if case["origin"] == "constructed":
            st.markdown(":gray-badge[:material/science: constructed]", width="content")
    st.markdown(f"**{evidence['sentence']}**")


def standing(case: Mapping[str, Any], space: Workspace) -> None:
    """Say what a person decided and what came true, as far as that is known."""
    decided = f"decided **{case['verdict']}** by {case['reviewer']}" if case["verdict"] else ""
    waiting = "waiting for a decision" if is_waiting(case) else ""
    parts = [part for part in (decided or waiting, _truth(case, space)) if part]
    text = " · ".join(parts)
    st.markdown(text[0].upper() + text[1:])


def _truth(case: Mapping[str, Any], space: Workspace) -> str:
    word = shown_truth(case, space)
    return f"truth {word}" if word in (NOT_KNOWN, HIDDEN) else f"truth: **{word}**"


def links(case: Mapping[str, Any], space: Workspace) -> None:
    """Draw the ways on from a case."""
    address = {"workspace": space.name}
    with st.container(horizontal=True, vertical_alignment="center", key="case_links"):
        if is_waiting(case):
            st.page_link(
                "pages/review.py",
                label="Review this case",
                icon=":material/gavel:",
                query_params={**address, "case": case["instance_id"]},
            )
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


def warning(evidence: Mapping[str, Any], space: Workspace) -> None:
    """Warn before any reason is read when the case is unlike all the model has learned from."""
    if "novel" not in evidence["state"]:
        return
    nearest = evidence["nearest"]
    word = truth_word(nearest["label"], space)
    st.warning(
        f"**Unlike anything in training.** Its novelty, how far it lies from known {space.noun}s, "
        f"is {wording.number(evidence['novelty'])}; the limit is "
        f"{wording.number(evidence['novelty_limit'])}. The nearest known row is row "
        f"{nearest['id']} ({word}). The model guesses here: read its reasons as a guess, too.",
        icon=":material/explore:",
    )


def similar(
    store: Store, materials: workflow.Materials, case_id: str, *, compact: bool = False
) -> None:
    """Draw the nearest past cases with what was decided and what came true.

    Compact leaves the links out, so that nothing leads away from a decision being made.
    """
    space = materials.workspace
    k = COMPACT_ROWS if compact else 10
    found = workflow.similar_cases(store, materials, case_id, k=k)
    st.markdown(f"**{_similar_sentence(found, space)}**")
    shown = similar_table(found, space)
    options: dict[str, Any] = {}
    if not compact:
        st.session_state["similar_ids"] = shown["case"].tolist()
        options = {
            "on_select": _open_similar,
            "selection_mode": ["single-row", "single-cell"],
        }
    st.dataframe(
        shown,
        hide_index=True,
        key="similar_compact" if compact else "similar",
        alt=f"The {len(shown)} nearest past cases, nearest first.",
        column_config=_similar_columns(space),
        **options,
    )
    measure = "Distance in standard deviations of the training rows; 0 is an identical case."
    if compact:
        st.caption(measure)
        return
    st.caption(f"{measure} A click opens a case of the stream; training rows have no page.")
    follow("_similar_case")


def similar_table(found: pd.DataFrame, space: Workspace) -> pd.DataFrame:
    """Keep of the nearest past cases what a person reads."""
    columns = ["id", "distance", "decision", "truth", "known_from"]
    amount = [name for name in ("Amount",) if name in found and name in space.companions]
    table = found[[*columns, *amount]].rename(columns={"id": "case", "Amount": "amount"})
    return table.assign(
        decision=table["decision"].replace("", "–"),
        truth=table["truth"].replace("", NOT_KNOWN),
        known_from=table["known_from"].replace({"training": "training rows"}),
    )


def sentences(evidence: Mapping[str, Any]) -> None:
    """List the reasons in plain sentences, heaviest first."""
    if not evidence["reasons"]:
        st.markdown("The model gives no reason: no feature moved this score.")
        return
    st.markdown("\n".join(f"{i}. {text}" for i, text in enumerate(evidence["reasons"], 1)))


def contributions(evidence: Mapping[str, Any]) -> None:
    """Draw what moved the score, beside the values, with the receipt that it adds up."""
    chart, table = st.columns([1, 1], gap="medium")
    with chart:
        st.altair_chart(
            charts.waterfall(charts.steps(evidence)),
            key="waterfall",
            alt="Waterfall from the start of every score to this score, heaviest feature first.",
        )
    with table:
        st.dataframe(
            contribution_rows(evidence),
            hide_index=True,
            key="contributions",
            placeholder="",
            alt="Each feature's value, its typical range and its contribution.",
            column_config={
                "value": st.column_config.NumberColumn(format="%.3g"),
                "log-odds": st.column_config.NumberColumn(
                    format="%+.3f", help="How far the feature moves the score, in log-odds."
                ),
                "typical": st.column_config.TextColumn(
                    help="Where 90 % of legitimate training rows lie."
                ),
                "percentile": st.column_config.NumberColumn(
                    format="%.0f", help="Share of legitimate training rows below the value, in %."
                ),
            },
        )
    st.markdown(receipt(evidence))


def contribution_rows(evidence: Mapping[str, Any]) -> pd.DataFrame:
    """Write the contributions as a table for people."""
    rows = pd.DataFrame(evidence["table"]).astype({"contribution": float, "percentile": float})
    typical = [
        f"{wording.number(low)} to {wording.number(high)}" if low is not None and low == low else ""
        for low, high in zip(rows["typical_low"], rows["typical_high"], strict=True)
    ]
    return pd.DataFrame(
        {
            "feature": rows["feature"],
            "value": rows["value"].astype(float),
            "typical": typical,
            "percentile": rows["percentile"],
            "log-odds": rows["contribution"],
        }
    )


def receipt(evidence: Mapping[str, Any]) -> str:
    """Say whether start and contributions add up to the score."""
    residual, base = float(evidence["residual"]), wording.number(evidence["base_value"])
    moved = wording.number(sum(evidence["contributions"].values()))
    score, probability = wording.number(evidence["score"]), evidence["probability"]
    sentence = (
        f"Start {base} + contributions {moved} = score {score}, a probability of "
        f"{wording.number(probability)}; residual {residual:.0e}"
    )
    if residual <= RESIDUAL_LIMIT:
        return f":material/check_circle: {sentence} ✓"
    return f":material/error: **It does not add up.** {sentence}. Do not rely on these parts."


def surrogate(evidence: Mapping[str, Any]) -> None:
    """Draw LIME's second opinion under a strip that says how far to trust it."""
    found = Surrogate(**evidence["lime"])
    icon, colour = TRUST[found.verdict]
    st.markdown(f":{colour}-badge[{icon} {found.verdict}] {surrogate_sentence(found)}")
    with st.container(horizontal=True, key="lime_strip"):
        st.metric(
            "Local R²",
            wording.number(round(found.r2, 3)),
            help="Share of the model's answers around this case that LIME's straight line "
            "reproduces: 1 is all, 0 is none. Good from 0.7, do not use below 0.3.",
        )
        st.metric(
            "LIME's own prediction",
            wording.number(found.local_prediction),
            help="A straight line may leave the range from 0 to 1.",
        )
        st.metric("The model's prediction", wording.number(found.model_prediction))
    rows = charts.surrogate_rows(evidence["lime"])
    if len(rows):
        st.altair_chart(
            charts.surrogate_bars(rows), key="lime", alt="LIME's weights, heaviest first."
        )
    st.caption(f"Seed {found.seed} · {found.samples:,} samples: the same seed, the same answer.")


def which_model(evidence: Mapping[str, Any], space: Workspace) -> str:
    """Say which model is explained, and whether it is the one in use."""
    model_id = evidence["model_id"]
    champion_id = resources.store().view("champions", workspace=space.name)["model_id"].iloc[0]
    if model_id == champion_id:
        return f"Explained: model {model_id}, which scored this case and is in use."
    return (
        f"Explained: model {model_id}, which scored this case when it came in. "
        f"In use now is {champion_id}."
    )


def pick(space: Workspace) -> None:
    """Offer the latest flagged or novel cases, or say that there are none."""
    rows = latest_unusual(space)
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
        column_config=case_columns(space),
    )
    follow("_picked_case")


def latest_unusual(space: Workspace) -> pd.DataFrame:
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
    return case_table(rows.sort_values(by, ascending=False).head(LATEST_ROWS), space)


def case_table(rows: pd.DataFrame, space: Workspace) -> pd.DataFrame:
    """Write scored cases as a table for people."""
    features = [json.loads(text) for text in rows["features"]]
    table = pd.DataFrame(
        {
            "case": rows["instance_id"],
            "time": [wording.event_time(ms) for ms in rows["occurred_ms"]],
            "state": [[state] for state in rows["state"]],
            "probability": rows["probability"],
            "novelty": rows["novelty"] / rows["novelty_limit"],
            "truth": shown_truths(rows, space),
            "decision": rows["verdict"].fillna("–"),
            "model": rows["model_id"],
        }
    )
    if "Amount" in space.companions:
        table.insert(3, "amount", [row["Amount"] for row in features])
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


def money(amount: float, space: Workspace) -> str:
    """Write an amount of money."""
    return f"{space.currency}{amount:,.2f}"


def clicked(key: str, ids: list[str]) -> str:
    """Give the id of the row clicked in a table, by the ids it was drawn with."""
    selection = st.session_state[key]["selection"]
    places = [*selection["rows"], *(row for row, _ in selection.get("cells", []))]
    return ids[places[0]] if places and places[0] < len(ids) else ""


def _leave() -> None:
    st.query_params.pop("case", None)


def _open_similar() -> None:
    chosen = clicked("similar", st.session_state["similar_ids"])
    st.session_state["_similar_case"] = "" if chosen.startswith("row ") else chosen


def _open_picked() -> None:
    st.session_state["_picked_case"] = clicked("picker", st.session_state["picked_ids"])


def follow(place: str) -> None:
    """Open Explain on the case a click has left in a place of the session, if any.

    The workspace stays in the address by itself; its widget owns it.
    """
    chosen = st.session_state.pop(place, "")
    if chosen:
        st.switch_page("pages/explain.py", query_params={"case": chosen})


def _similar_sentence(found: pd.DataFrame, space: Workspace) -> str:
    known = found["truth"].where(found["truth"] != "", found["decision"])
    verdicts = pd.DataFrame({"verdict": known.where(known != "")})
    return neighbour_sentence(verdicts, space.positive, word="known")


def _similar_columns(space: Workspace) -> dict[str, Any]:
    return {
        "distance": st.column_config.NumberColumn("distance, std. dev.", format="%.2f"),
        "known_from": st.column_config.TextColumn("known from"),
        "amount": st.column_config.NumberColumn(f"amount, {space.currency}", format="%.2f"),
    }
