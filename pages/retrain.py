"""Retrain: is the new model really better, and for whom is it worse?"""

import streamlit as st

from hitl import workflow
from hitl.ui import frame, promotion, relearning, resources

frame.require()

# Read
space = frame.workspace()
with frame.errors_shown():
    champion_id = workflow.champion(resources.store(), space.name).model_id
    counts = relearning.news(space)
    found = relearning.newest(space, champion_id)
    models = promotion.history(space)

# Render
frame.heading("Retrain", "Is the new model really better, and for whom is it worse?")
relearning.news_shown(space, champion_id, counts)
relearning.training(space, counts, is_first=not relearning.is_recommended(found))
if found is None:
    relearning.nothing_compared(champion_id)
else:
    relearning.headline(found)
    left, right = st.columns([3, 2], gap="large")
    with left:
        relearning.old_and_new(space, found)
    with right:
        relearning.gate_list(found)
        relearning.changes(space, found)
    relearning.flipped(space, found)
promotion.history_shown(models)

# Act
if found is None:
    with frame.errors_shown(go_on=True):
        promotion.rolling_back(space, models)
else:
    left, right = st.columns(2, gap="large")
    with left, frame.errors_shown(go_on=True):
        promotion.promoting(space, found)
    with right, frame.errors_shown(go_on=True):
        promotion.rolling_back(space, models)
