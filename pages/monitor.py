"""Is the model behaving, right now?"""

import streamlit as st

from hitl.ui import frame, monitoring

frame.require()
frame.heading("Monitor", "Is the model behaving, right now?")

# Read
space = frame.workspace()

# Render
with frame.errors_shown():
    playing = monitoring.player_bar(space)
    monitoring.live(space, was_live=playing or frame.is_live())
st.caption(space.notice)
