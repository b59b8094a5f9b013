"""Why was this one flagged, and can that answer be trusted?"""

import streamlit as st

from hitl.ui import frame, lower, picking, reasons, resources, second_opinion, similar

frame.require()
frame.heading("Explain", "Why was this one flagged, and can that answer be trusted?")
space = frame.workspace()

# Read
case_id, found = st.query_params.get("case", ""), None
state = frame.state()
resources.look_ahead(space.name, state.settled, state.explanations)
with frame.errors_shown(go_on=True):
    found = reasons.gather(space, case_id, state) if case_id else None

# Render
if found is None:
    picking.pick(space, state)
    st.caption(space.notice)
    st.stop()

case, evidence = found
reasons.header(case, evidence, space)
reasons.links(case, space)
reasons.warning(evidence)
reasons.verdict(evidence)

left, right = st.columns([1, 1], gap="large")
with left:
    st.header("Similar past cases", anchor=False)
    similar.draw(case_id, evidence, space, state)
with right:
    st.header("Reasons", anchor=False)
    reasons.sentences(evidence)

st.header("What moved the score", anchor=False)
reasons.contributions(evidence)

st.header(
    "A second opinion: LIME",
    anchor=False,
    help="LIME draws a straight line through the model's answers around this case.",
)
second_opinion.draw(evidence)
lower.draw(case, evidence, space)
st.caption(reasons.which_model(evidence, space, state))
st.caption(space.notice)
