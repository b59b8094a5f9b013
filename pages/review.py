"""Review: the next case, why it was flagged, and a decision in two keys."""

import streamlit as st

from hitl import workflow
from hitl.ui import frame, resources, reviewing

frame.require()
frame.heading("Review", "Decide the cases the model flagged or had never seen, most urgent first.")

# Read
space = frame.workspace()
state = frame.state()
resources.look_ahead(space.name, state.settled, state.explanations)
queue, log = reviewing.read(space.name, state)
claimed = workflow.held(resources.store(), space, frame.person())

# Render and act
with st.container(horizontal=True, vertical_alignment="center", key="backlog"):
    st.markdown(reviewing.backlog(queue), width="content")
    reviewing.last_decision(space)
reviewing.trouble()
if claimed is None:
    reviewing.start(space, queue, st.query_params.get("case"))
else:
    reviewing.in_hand(space, claimed, state)
st.header("Waiting", anchor=False)
reviewing.waiting(space, queue)
st.header("Decisions", anchor=False)
reviewing.log(space, log)
st.caption(space.notice)
