"""The Review page's parts: the case in hand, its two-key decision, and the log."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from hitl import workflow
from hitl.ui import casework, frame, reasons, resources, similar
from hitl.workflow import Claim, Decided, Person, newest, times
from hitl.workflow.decision_files import EXPORTED, guarded
from hitl.workspaces import REASONS, Workspace

SECONDS_PER_CASE = 60
"""A first-line reviewer's budget for one case."""

KEYS = {"fraud": "F", "legitimate": "L", "unsure": "U"}
MS_PER_MINUTE = 60_000
NEWS = {
    "second opinion": "Case {} now waits for a second person, who does not see your verdict.",
    "escalated": "You two disagree on case {}: a third person settles it.",
}
"""What a verdict leads to where it does not settle the case."""

UNDO_MINUTES = 30
"""How long a decision stands beside its undo."""


@st.cache_resource(show_spinner=False, max_entries=4)
def read(name: str, state: resources.State) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read what waits and the decision log, once for each state of the workspace."""
    del state
    store, order = resources.store(), ("-happened_ms", "instance_id")
    turns = ("place", "-priority", "queued_ms", "instance_id")
    queue = store.view("review_queue", workspace=name, order=turns)
    return in_turn(queue, resources.now_ms()), store.view(
        "decision_log", workspace=name, order=order
    )


def in_turn(queue: pd.DataFrame, now_ms: int) -> pd.DataFrame:
    """Put what is overdue first, then what waits for another person, as cases are given out."""
    is_overdue = (queue["due_ms"] > 0) & (queue["due_ms"] < now_ms)
    is_other = (queue["stage"] != "first") | (queue["status"] == "assigned")
    urgency = (2 - is_other.astype(int)).mask(is_overdue, 0)
    return queue.iloc[urgency.argsort(kind="stable")].reset_index(drop=True)


def backlog(queue: pd.DataFrame) -> str:
    """Say how much waits, for how long, and how much work that is."""
    if queue.empty:
        return "Nothing waits."
    oldest = (resources.now_ms() - queue["queued_ms"].min()) / MS_PER_MINUTE
    work = len(queue) * SECONDS_PER_CASE / 60
    return (
        f"**{len(queue):,} waiting** · oldest {_minutes(oldest)} · "
        f"about {_minutes(work)} of work at one minute a case"
    )


def start(space: Workspace, queue: pd.DataFrame, wanted: str | None) -> None:
    """Offer the next case, or the one the link names."""
    named = wanted if wanted in set(queue["instance_id"]) else None
    label = f"Take case {named}" if named else "Start reviewing"
    st.button(
        label,
        key="start",
        type="primary",
        icon=":material/play_arrow:",
        shortcut="S",
        on_click=take,
        args=(space, named),
        disabled=queue.empty,
    )
    if not queue.empty:
        st.caption("Keys work once you have left the name box: press Tab.")
    if wanted and not named:
        st.info(f"Case {wanted} does not wait for a decision; it may be decided or never queued.")


def in_hand(space: Workspace, claimed: Claim, state: resources.State) -> None:
    """Show the claimed case, similar ones and what the model says, beside the decision."""
    with frame.errors_shown():
        found, evidence = reasons.gather(space, claimed.instance_id, state)
    near = similar.near(claimed.instance_id, evidence, space, state, k=similar.COMPACT_ROWS)
    st.session_state.setdefault(f"opened-{claimed.instance_id}", resources.now_ms())
    casework.open_draft(space, claimed)
    with st.container(border=True, key="case"):
        reasons.header(found, evidence, space)
        casework.standing(space, claimed)
        left, right = st.columns([5, 4], gap="medium")
        with left:
            similar.compact(near, space)
        with right:
            reasons.warning(evidence)
            reasons.verdict(evidence)
            reasons.sentences(evidence)
        _decision(space, claimed, shown(evidence, near))
    casework.history(space, claimed)


def shown(evidence: Mapping[str, Any], near: similar.Near) -> dict[str, Any]:
    """Write down what a person sees of a case in hand, in the order of the screen.

    Parameters
    ----------
    evidence
        The fields of `workflow.explain`.
    near
        The similar cases beside it.

    Returns
    -------
    dict
        Plain values: ``explanation_key``, ``model_id``, ``score_shown``, ``order`` (the parts, as
        they stand on the screen) and by part ``similar_sentence`` with ``similar`` (``id``,
        ``distance``, ``decision``, ``truth``), ``warnings``, ``sentence`` with ``cost``, and
        ``reasons`` with ``against`` and ``summary``.
    """
    raising, lowering = reasons.sides(evidence)
    rows = near.table.rename(columns={"case": "id"})[["id", "distance", "decision", "truth"]]
    return {
        "explanation_key": evidence["key"],
        "model_id": evidence["model_id"],
        "score_shown": True,
        "order": ["similar", *(["warnings"] if evidence["warnings"] else []), "verdict", "reasons"],
        "similar_sentence": near.sentence,
        "similar": rows.to_dict("records"),
        "warnings": evidence["warnings"],
        "sentence": evidence["sentence"],
        "cost": evidence["cost"],
        "reasons": raising,
        "against": lowering,
        "summary": evidence["summary"],
    }


def _decision(space: Workspace, claimed: Claim, seen: Mapping[str, Any]) -> None:
    chosen = st.session_state.get(casework.verdict_key(claimed))
    left, right = st.columns([5, 4], gap="medium")
    with left:
        _verdicts(space, claimed, chosen)
        _reasons(space, claimed, chosen, seen)
        casework.ways_on(space, claimed)
    with right:
        st.text_area(
            "Note (optional)",
            key=casework.note_key(claimed),
            persist_state="session",
            height=80,
            max_chars=2_000,
            placeholder="What the next reader should know",
            on_change=casework.keep_draft,
            args=(space, claimed),
        )


def _verdicts(space: Workspace, claimed: Claim, chosen: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="verdicts"):
        for verdict in space.verdicts:
            st.button(
                verdict.capitalize(),
                key=f"verdict-{verdict}",
                shortcut=KEYS[verdict],
                type="primary" if verdict == chosen else "secondary",
                on_click=choose,
                args=(space, claimed, verdict),
            )


def _reasons(space: Workspace, claimed: Claim, chosen: str | None, seen: Mapping[str, Any]) -> None:
    """Draw the reasons, before a verdict too: their keys must not be lost on a fast typist."""
    if chosen:
        st.markdown(f"**{chosen.capitalize()}**, because:")
    else:
        st.markdown("Press F, L or U, then the number of a reason: two keys decide.")
    with st.container(horizontal=True, key="reasons"):
        for number, reason in enumerate(REASONS[chosen or space.positive], 1):
            st.button(
                reason.capitalize() if chosen else f"Reason {number}",
                key=f"reason-{number}",
                shortcut=str(number),
                on_click=record,
                args=(space, claimed, number, seen),
            )


def take(space: Workspace, wanted: str | None = None) -> None:
    """Claim the next case, or the named one."""
    with casework.trouble_kept():
        workflow.claim(
            resources.store(),
            space,
            frame.person(),
            now_ms=resources.now_ms(),
            lease_minutes=resources.settings()["lease_minutes"],
            instance_id=wanted,
        )


def choose(space: Workspace, claimed: Claim, verdict: str) -> None:
    """Keep the verdict until its reason is chosen."""
    st.session_state[casework.verdict_key(claimed)] = verdict
    casework.keep_draft(space, claimed)


def record(space: Workspace, claimed: Claim, number: int, seen: Mapping[str, Any]) -> None:
    """Record the decision with the reason of this number and what was seen; go on to the next."""
    verdict = _chosen(space, claimed)
    if verdict is None:
        st.session_state["review_trouble"] = "Choose F, L or U first, then the reason."
        return
    now = resources.now_ms()
    opened = st.session_state.get(f"opened-{claimed.instance_id}", now)
    with casework.trouble_kept():
        status = workflow.decide(
            resources.store(),
            space,
            claimed,
            verdict=verdict,
            reason=REASONS[verdict][number - 1],
            note=st.session_state.get(casework.note_key(claimed), ""),
            key=f"{claimed.instance_id}-{claimed.fence}-decided-{verdict}",
            model_id=seen["model_id"],
            seconds=(now - opened) / 1_000,
            shown=seen,
            second=bool(st.session_state.get(casework.second_key(claimed))),
            now_ms=now,
        )
        if status != "decided":
            st.session_state["review_news"] = NEWS[status].format(claimed.instance_id)
        casework.forget(claimed)
        take(space)


def take_back(space: Workspace, decided: Decided) -> None:
    """Undo this decision and open its case again, with its verdict and note filled in."""
    with casework.trouble_kept():
        reopened = workflow.undo(
            resources.store(),
            space,
            frame.person(),
            now_ms=resources.now_ms(),
            lease_minutes=resources.settings()["lease_minutes"],
            instance_id=decided.instance_id,
        )
        if reopened is None:
            st.session_state["review_trouble"] = (
                f"Nothing was undone: {decided.instance_id} is not your newest decision any more."
            )
            return
        st.session_state[casework.verdict_key(reopened)] = decided.verdict
        st.session_state[casework.note_key(reopened)] = decided.note


def trouble() -> None:
    """Show what went wrong with the last action, or what it led to; what was typed is there."""
    message = st.session_state.pop("review_trouble", "")
    if message:
        st.error(message, icon=":material/error:")
    news = st.session_state.pop("review_news", "")
    if news:
        st.info(news, icon=":material/group:")


def last_decision(space: Workspace) -> None:
    """Say what this person decided last in this workspace, with its undo.

    It comes from the database, so a reload keeps it and an undo shows the decision before. An
    hour-old decision is no slip of the finger: after `UNDO_MINUTES` the line goes.
    """
    decided = _newest(space.name, frame.reviewer(), frame.state(), space)
    if decided is None:
        return
    if resources.now_ms() - decided.happened_ms > UNDO_MINUTES * MS_PER_MINUTE:
        return
    st.markdown(
        f":material/check: Decided {decided.instance_id}: {decided.verdict}, {decided.reason}.",
        width="content",
    )
    st.button(
        "Undo",
        key="undo",
        shortcut="Z",
        icon=":material/undo:",
        type="tertiary",
        on_click=take_back,
        args=(space, decided),
    )


@st.cache_resource(show_spinner=False, max_entries=64)
def _newest(name: str, reviewer: str, state: resources.State, _space: Workspace) -> Decided | None:
    del name, state
    return newest(resources.store(), _space, Person(reviewer))


def waiting(space: Workspace, queue: pd.DataFrame) -> None:
    """List the cases that wait, in the order they will be given out."""
    if queue.empty:
        st.info("No case waits. Play the stream on Monitor; flagged and novel cases come here.")
        st.page_link("pages/monitor.py", label="Go to Monitor", icon=":material/arrow_forward:")
        return
    table = pd.DataFrame(
        {
            "Case": queue["instance_id"],
            "Time": queue["occurred_ms"].map(times.event_time),
            "Probability": queue["probability"],
            "Queued for": queue["queued_for"],
            "Waits for": [
                waits_for(*row) for row in zip(queue["status"], queue["stage"], strict=True)
            ],
            "Held by": queue["holder"].where(queue["status"] == "claimed", ""),
        }
    )
    st.dataframe(
        table,
        key="waiting",
        hide_index=True,
        height="auto" if len(table) < 8 else 300,
        alt=f"Cases of {space.title} that wait for a decision, most urgent first",
        column_config={"Probability": st.column_config.NumberColumn(format="%.3f")},
    )


def waits_for(status: str, stage: str) -> str:
    """Say whose turn it is."""
    if status == "deferred":
        return "later"
    return {"first": "anybody", "second": "a second person", "adjudication": "a third person"}[
        stage
    ]


def log(space: Workspace, rows: pd.DataFrame) -> None:
    """Show the decision log with its filters and its download."""
    if rows.empty:
        st.info("No decision yet. The first one will stand here.")
        return
    kept = _filtered(space, rows)
    table = pd.DataFrame(
        {
            "When": kept["happened_ms"].map(times.wall_time),
            "Case": kept["instance_id"],
            "What": kept["kind"],
            "Verdict": kept["verdict"],
            "Reason": kept["reason"],
            "Note": kept["note"],
            "Who": kept["reviewer"],
            "Seconds": kept["seconds"],
            "Standing": kept["is_current"],
            "Outcome": kept["outcome"].map(lambda value: outcome(value, space)),
        }
    )
    st.dataframe(
        table,
        key="log",
        hide_index=True,
        height="auto" if len(table) < 8 else 300,
        alt="Decision log, newest first",
        column_config={"Seconds": st.column_config.NumberColumn(format="%.0f")},
    )
    st.download_button(
        "Download these rows (CSV)",
        log_csv(kept, space),
        file_name=f"decision-log-{space.name}.csv",
        mime="text/csv",
        key="log_download",
        icon=":material/download:",
        on_click="ignore",
    )


def log_csv(rows: pd.DataFrame, space: Workspace) -> str:
    """Write rows of the log as CSV: the columns of an exported decision first, then its fate."""
    columns = [*EXPORTED, "kind", "is_current", "outcome"]
    told = rows.assign(outcome=rows["outcome"].map(lambda value: outcome(value, space)))
    return guarded(told[columns]).to_csv(index=False)


def outcome(value: Any, space: Workspace) -> str:
    """Say what came true, or that it is not known yet."""
    if value is None or value != value:
        return "not known yet"
    return space.positive if value else space.negative


def _filtered(space: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    with st.container(horizontal=True, key="log_filters"):
        verdicts = st.multiselect(
            "Verdict", space.verdicts, key="verdicts_shown", bind="query-params"
        )
        people = st.multiselect(
            "Reviewer", sorted(set(rows["reviewer"])), key="people_shown", bind="query-params"
        )
    kept = rows[rows["verdict"].isin(verdicts)] if verdicts else rows
    return kept[kept["reviewer"].isin(people)] if people else kept


def _chosen(space: Workspace, claimed: Claim) -> str | None:
    """Give the chosen verdict; two keys at once may arrive together, the second one first."""
    for verdict in space.verdicts:
        if st.session_state.get(f"verdict-{verdict}"):
            return verdict
    kept = st.session_state.get(casework.verdict_key(claimed))
    return str(kept) if kept else None


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h"
