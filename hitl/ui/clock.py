"""Where the stream stands: its clock, and the checks of the story."""

import pandas as pd
import streamlit as st

from hitl import workflow
from hitl.ui import resources
from hitl.workflow import times
from hitl.workspaces import Workspace

LIGHT_BADGES = {
    True: ":green-badge[:material/check_circle: holds]",
    False: ":red-badge[:material/cancel: fails]",
    None: ":gray-badge[:material/hourglass_empty: nothing yet]",
}


def draw(rows: pd.DataFrame, space: Workspace) -> None:
    """Draw the event clock and how long ago the newest row was scored."""
    with st.container(horizontal=True, vertical_alignment="center", key="clock"):
        if rows.empty:
            st.markdown("Event time **not started**", width="content")
            return
        newest, total = rows.iloc[-1], len(resources.materials(space.name).stream)
        age = max(0.0, (resources.now_ms() - newest["scored_ms"]) / 1_000)
        playing = resources.player(space.name).is_playing
        badge = (
            ":green-badge[:material/play_arrow: playing]"
            if playing
            else ":gray-badge[:material/pause: paused]"
        )
        st.markdown(f"Event time **{times.event_time(newest['occurred_ms'])}**", width="content")
        st.markdown(f"newest row scored {ago(age)} ago", width="content")
        st.markdown(f"row {int(newest['step']) + 1:,} of {total:,}", width="content")
        st.markdown(f"run {int(newest['run'])}", width="content")
        st.markdown(badge, width="content")


def ago(seconds: float) -> str:
    """Write how long ago something was, in the largest unit that fits."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def lights(space: Workspace) -> None:
    """Draw the story's three checks with their figures."""
    found = workflow.lights(resources.store(), resources.materials(space.name))
    for place, light in zip(st.columns(len(found)), found, strict=True):
        with place.container(border=True):
            st.markdown(f"{LIGHT_BADGES[light.holds]} **{light.title}**")
            st.caption(light.sentence)
