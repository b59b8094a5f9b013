"""Monitor: player, stacked charts, alerts at a threshold, drift, leanings and table."""

import copy
import json
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hitl import drift, evaluation, explain, models, workflow
from hitl.charts import streams
from hitl.ui import clock, frame, picking, resources, wording
from hitl.ui.player import SPEEDS, Player
from hitl.workflow import times
from hitl.workspaces import Workspace

WINDOW_ROWS = 200
COUNTED_ROWS = 5_000
ALL_ROWS = 5_000
TOP_FEATURES = 8
CHANCE = 0.01
"""A gap that chance alone makes less often than this is called more than chance."""


# Player


def player_bar(space: Workspace) -> bool:
    """Draw the buttons that play the stream, and its speed; say whether they show it playing."""
    player, ended = resources.player(space.name), has_ended(space)
    playing = player.is_playing
    with st.container(horizontal=True, vertical_alignment="bottom", key="player"):
        st.button(
            "Pause" if playing else "Play again" if ended else "Play",
            key="pause" if playing else "play",
            icon=":material/pause:" if playing else ":material/play_arrow:",
            type="primary",
            shortcut="P",
            on_click=player.pause if playing else lambda: player.play(again=ended),
        )
        st.button(
            "Step",
            key="step",
            icon=":material/skip_next:",
            disabled=playing,
            help="Play one row.",
            on_click=lambda: player.step(again=ended),
        )
        st.select_slider(
            "Speed",
            options=SPEEDS,
            value=player.speed,
            format_func=speed_words,
            key="speed",
            on_change=_set_speed,
            args=(player,),
            width=320,
        )
    if player.trouble:
        st.error(f"The stream stopped: {player.trouble}", icon=":material/error:")
    return playing


def speed_words(speed: int) -> str:
    """Write a speed."""
    return "1 row a second" if speed == 1 else f"{speed} rows a second"


def has_ended(space: Workspace) -> bool:
    """Say whether the newest run of the stream has been played to its end."""
    head = _head(space)
    return head is not None and int(head["step"]) + 1 >= len(resources.materials(space.name).stream)


def live(space: Workspace, *, was_live: bool) -> None:
    """Draw everything that follows the stream, by itself while it plays."""
    cold = is_cold()
    every = resources.settings()["tick_seconds"] if was_live or cold else None
    st.fragment(_live, run_every=every)(space, was_live, cold)


def is_cold() -> bool:
    """Say whether this process has yet to load what scores; its first page is drawn without."""
    return "lightgbm" not in sys.modules and not st.session_state.get("drawn_cold")


def _live(space: Workspace, was_live: bool, was_cold: bool) -> None:
    rows = window(space)
    clock.draw(rows, space)
    if space.name == "story":
        clock.lights(space)
    if rows.empty:
        _nothing_yet(space)
    else:
        _charts(rows, space)
    table(rows, space)
    cold, st.session_state["drawn_cold"] = is_cold(), True
    if (was_cold and not cold) or (was_live and not frame.is_live()):
        st.rerun()


def _charts(rows: pd.DataFrame, space: Workspace) -> None:
    left, right = st.columns([2, 1], gap="large")
    with left:
        stream(rows, space)
    with right:
        alerts(space)
    left, right = st.columns([1, 1], gap="large")
    with left:
        against_training(rows, space)
    with right:
        leanings(rows, space)


def _nothing_yet(space: Workspace) -> None:
    st.info(
        f"No {space.noun} has been played yet. Press Play above: the first row appears at once.",
        icon=":material/play_arrow:",
    )


# What is read


def window(space: Workspace) -> pd.DataFrame:
    """Read the newest rows of the newest run, oldest first, features as columns."""
    head = _head(space)
    if head is None:
        return pd.DataFrame()
    rows = resources.store().view(
        "scored_instances",
        workspace=space.name,
        run=int(head["run"]),
        order=("-step",),
        limit=WINDOW_ROWS,
    )
    rows = rows[rows["step"] >= 0].iloc[::-1].reset_index(drop=True)
    features = pd.DataFrame([json.loads(text) for text in rows["features"]], index=rows.index)
    return pd.concat([rows, features.add_prefix(FEATURE)], axis=1)


FEATURE = "feature:"
"""Keeps a feature's name apart from the columns of the view."""


def _head(space: Workspace) -> pd.Series | None:
    runs = resources.store().view("stream_heads", workspace=space.name, order=("-run",), limit=1)
    return None if runs.empty else runs.iloc[0]


@st.cache_resource(show_spinner=False, max_entries=4)
def _champion(name: str, model_id: str) -> workflow.Stored:
    found = workflow.stored(resources.store(), model_id)
    del name
    return found


def _champion_of(space: Workspace) -> workflow.Stored:
    model_id = resources.store().view("champions", workspace=space.name)["model_id"].iloc[0]
    return _champion(space.name, str(model_id))


# Charts


def stream(rows: pd.DataFrame, space: Workspace) -> None:
    """Draw two features, score, novelty and truth over one time axis."""
    n = len(rows)
    st.header(f"The last {n} {space.noun}s" if n > 1 else f"The first {space.noun}", anchor=False)
    options = list(space.features)
    with st.container(horizontal=True, key="stream_features"):
        upper, lower = (
            st.selectbox(
                label,
                options,
                index=options.index(shown),
                key=key,
                bind="query-params",
                width=160,
            )
            for label, shown, key in (
                ("First feature", space.shown[0], "first"),
                ("Second feature", space.shown[1], "second"),
            )
        )
    spec = streams.panels(upper, lower, positive=space.positive, negative=space.negative)
    _draw(
        spec,
        stream_rows(rows, upper, lower, space),
        key="stream",
        alt=f"{upper}, {lower}, model score, novelty and truth of the last {len(rows)} rows.",
    )


def stream_rows(rows: pd.DataFrame, upper: str, lower: str, space: Workspace) -> pd.DataFrame:
    """Lay out the window as the stacked chart wants it."""
    return pd.DataFrame(
        {
            "occurred_ms": rows["occurred_ms"].astype(float),
            "upper": rows[FEATURE + upper].astype(float),
            "lower": rows[FEATURE + lower].astype(float),
            "probability": rows["probability"],
            "threshold": rows["threshold"],
            "novelty_times": rows["novelty"] / rows["novelty_limit"],
            "truth": picking.shown_truths(rows, space),
            "state": rows["state"],
            "case": rows["instance_id"],
            "clock": [times.event_time(ms) for ms in rows["occurred_ms"]],
            "decision": rows["verdict"].fillna("–"),
            "origin": rows["origin"].replace("real", "recorded"),
        }
    )


def against_training(rows: pd.DataFrame, space: Workspace) -> None:
    """Draw how far a feature's values in this window lie from the training rows'."""
    feature = st.session_state.get("compared") or space.shown[0]
    heading = st.empty()
    st.selectbox(
        "Feature",
        space.features,
        index=space.features.index(space.shown[0]),
        key="compared",
        bind="query-params",
        width=160,
    )
    feature = st.session_state["compared"]
    training = resources.materials(space.name).training
    gap = drift.ks(training[feature], rows[FEATURE + feature].astype(float))
    heading.header(
        f"{feature}: this window against training, KS distance {gap.statistic:.2f}",
        anchor=False,
        help="KS (Kolmogorov-Smirnov) distance: the largest gap between the two cumulative "
        "curves. 0 is the same distribution, 1 is no overlap. Rows count alike in it; "
        "the bars below give each row its weight.",
    )
    st.markdown(drift_sentence(gap, feature))
    _draw(
        streams.distribution(feature),
        distribution_rows(training, rows, feature, space),
        key="distribution",
        alt=f"Distribution of {feature} in training and in this window.",
    )


def drift_sentence(gap: drift.KS, feature: str) -> str:
    """Say how far the window has moved, whether chance would do it, and from how many rows."""
    chance = (
        "more than chance would explain"
        if gap.p_value < CHANCE
        else "no more than chance would explain"
    )
    word = "far" if gap.statistic >= 0.3 else "somewhat" if gap.statistic >= 0.1 else "hardly"
    return (
        f"{feature} has {word} moved: {gap.statistic:.2f} on a scale from 0 to 1, {chance} "
        f"({gap.n_window:,} rows now, {gap.n_reference:,} in training)."
    )


def distribution_rows(
    training: pd.DataFrame, rows: pd.DataFrame, feature: str, space: Workspace
) -> pd.DataFrame:
    """Count both sides in the same bins; the outermost bins hold what lies beyond."""
    before = training[feature].to_numpy(float)
    now = rows[FEATURE + feature].to_numpy(float)
    low = min(np.quantile(before, 0.005), np.quantile(now, 0.02))
    high = max(np.quantile(before, 0.995), np.quantile(now, 0.98))
    bins = drift.density(
        before.clip(low, high),
        now.clip(low, high),
        reference_weight=training[space.weight_column],
        window_weight=rows["weight"],
    )
    parts = dict(zip(drift.PARTS, streams.PARTS, strict=True))
    return bins.assign(part=bins["part"].map(parts))


def leanings(rows: pd.DataFrame, space: Workspace) -> None:
    """Draw what the model leans on in this window."""
    st.header(
        "What the model leans on now",
        anchor=False,
        help="Share of each feature in the absolute contributions (log-odds) over the window.",
    )
    if is_cold():
        st.markdown("This is worked out in a moment.")
        return
    current = _champion_of(space)
    shares = _shares(space.name, current.model_id, rows["instance_id"].iloc[-1], rows)
    st.markdown(
        f"**{shares['feature'].iloc[0]}** weighs most, {wording.share(shares['share'].iloc[0])} "
        f"of what moves the scores of model `{current.model_id}` "
        f"({len(rows):,} {space.noun}s)."
    )
    _draw(
        streams.leanings(),
        shares,
        key="leanings",
        alt="Share of each feature in all contributions, largest first.",
    )


@st.cache_data(show_spinner=False, max_entries=8)
def _shares(name: str, model_id: str, newest: str, _rows: pd.DataFrame) -> pd.DataFrame:
    del newest
    model = _champion(name, model_id).model
    features = _rows[[FEATURE + feature for feature in model.features]]
    found = explain.contribution_shares(
        model, features.rename(columns=lambda column: column.removeprefix(FEATURE))
    )
    return share_rows(found)


def share_rows(shares: pd.Series) -> pd.DataFrame:
    """Keep the largest shares and sum up the others."""
    top, rest = shares.iloc[:TOP_FEATURES], shares.iloc[TOP_FEATURES:]
    named = {str(feature): float(share) for feature, share in top.items()}
    if len(rest):
        named["other features"] = float(rest.sum())
    return pd.DataFrame(
        {"feature": list(named), "share": list(named.values()), "position": range(len(named))}
    )


# Alerts


def alerts(space: Workspace) -> None:
    """Count alerts at a threshold to be moved, and say what to expect of them."""
    st.header("Alerts at a threshold", anchor=False)
    current = _champion_of(space)
    own = current.model.threshold
    chosen = st.slider(
        "Threshold on the probability",
        0.0,
        1.0,
        value=round(own, 3),
        step=0.001,
        format="%.3f",
        key=f"threshold_{current.model_id}",
        help="Nothing is changed by moving it: it only counts.",
    )
    threshold = own if chosen == round(own, 3) else chosen
    scores = resources.store().view(
        "live_predictions", workspace=space.name, order=("-scored_ms",), limit=COUNTED_ROWS
    )
    n, flagged = len(scores), int((scores["probability"] >= threshold).sum())
    found = {} if is_cold() else expected(space, current, threshold)
    with st.container(horizontal=True, key="alert_figures"):
        st.metric("Flagged", f"{flagged:,} of {n:,}", help="Of the newest rows scored so far.")
        st.metric(
            "Alerts per 10,000",
            wording.number(found.get("alerts")),
            help=f"Expected at the natural share of {space.positive}, "
            f"{wording.share(space.prevalence)}.",
        )
        st.metric(
            "Expected precision",
            wording.share(found.get("precision")),
            help=f"Share of alerts that are {space.positive}, at its natural share.",
        )
    st.markdown(expected_sentence(found, space))
    st.markdown(threshold_sentence(current, space))


def expected_sentence(found: dict[str, float], space: Workspace) -> str:
    """Say what a threshold finds and on which rows that was measured."""
    if not found:
        return "What to expect of this threshold is worked out in a moment."
    return (
        f"Recall {wording.share(found['recall'])} and false alarms "
        f"{wording.share(found['false_positive_rate'])}, measured on the locked test set "
        f"({found['rows']:,} rows, {found['positives']:,} {space.positive}, weighted to their "
        "natural numbers)."
    )


def threshold_sentence(current: workflow.Stored, space: Workspace) -> str:
    """Say where the champion flags, and by which budget that was set."""
    budget = float(current.model.card.get("budget", space.false_alarm_budget))
    return (
        f"Model `{current.model_id}` itself flags from **{wording.number(current.model.threshold)}"
        f"**: set so that at most {wording.share(budget)} of {space.negative} {space.noun}s are "
        "flagged, not at one half."
    )


def expected(space: Workspace, current: workflow.Stored, threshold: float) -> dict[str, float]:
    """Measure a threshold on the locked test set and translate it to natural prevalence."""
    test = resources.materials(space.name).test
    truth = test[space.label_column]
    found = evaluation.metrics(
        truth,
        _test_probabilities(space.name, current.model_id),
        threshold,
        weight=test[space.weight_column],
    )
    recall, false_alarms = found["recall"], found["false_positive_rate"]
    return {
        "recall": recall,
        "false_positive_rate": false_alarms,
        "rows": len(test),
        "positives": int(truth.sum()),
        "alerts": evaluation.alerts_per_10_000(recall, false_alarms, space.prevalence),
        "precision": evaluation.natural_precision(recall, false_alarms, space.prevalence),
    }


@st.cache_data(show_spinner=False, max_entries=4)
def _test_probabilities(name: str, model_id: str) -> npt.NDArray[np.float64]:
    return models.probabilities(_champion(name, model_id).model, resources.materials(name).test)


# Table


def table(rows: pd.DataFrame, space: Workspace) -> None:
    """List the scored rows; a click opens Explain on one."""
    st.header("Scored rows", anchor=False)
    which = st.radio(
        "Rows",
        ["Latest", "All"],
        horizontal=True,
        key="rows_shown",
        bind="query-params",
        label_visibility="collapsed",
    )
    listed = rows.iloc[::-1] if which == "Latest" else _all(space)
    if listed.empty:
        st.caption("Nothing scored in this run. Choose All for what was scored before.")
        return
    shown = picking.case_table(listed, space)
    st.session_state["table_ids"] = shown["case"].tolist()
    st.dataframe(
        shown,
        hide_index=True,
        height=380,
        key="scored_table",
        alt=f"{len(shown)} scored rows, newest first.",
        on_select=_open_row,
        selection_mode=["single-row", "single-cell"],
        column_config=picking.case_columns(space),
    )
    st.caption(f"{len(shown):,} rows, newest first. A click opens the row in Explain.")
    picking.follow("_monitor_case")


def _all(space: Workspace) -> pd.DataFrame:
    return resources.store().view(
        "scored_instances",
        workspace=space.name,
        order=("-scored_ms", "-run", "-step"),
        limit=ALL_ROWS,
    )


def _open_row() -> None:
    st.session_state["_monitor_case"] = picking.clicked(
        "scored_table", st.session_state["table_ids"]
    )


def _set_speed(player: Player) -> None:
    player.speed = st.session_state["speed"]


def _draw(spec: dict[str, Any], rows: pd.DataFrame, *, key: str, alt: str) -> None:
    """Draw a chart whose specification stays the same, so that new rows move and nothing jumps."""
    whole = copy.deepcopy(spec)
    whole["datasets"] = {streams.TABLE: rows}
    st.vega_lite_chart(spec=whole, key=key, alt=alt, width="stretch")
