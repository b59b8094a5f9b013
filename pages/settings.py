"""Settings: is it mine, is it safe, and what does it know?"""

import streamlit as st

from hitl import workflow
from hitl.ui import frame, resources, upkeep

frame.require()

# Read
space = frame.workspace()
with frame.errors_shown():
    rows = resources.materials(space.name)
    current = workflow.champion(resources.store(), space.name)

# Render
frame.heading("Settings", "Is it mine, is it safe, and what does it know?")
left, right = st.columns(2, gap="large")
with left:
    upkeep.workspace_card(space, rows)
with right:
    upkeep.thresholds(current)
    upkeep.storage()
upkeep.downloads(space, current)
upkeep.every_setting()

# Act
with frame.errors_shown(go_on=True):
    upkeep.bring_decisions(space)
with frame.errors_shown(go_on=True):
    upkeep.trial()
upkeep.notice(space)
