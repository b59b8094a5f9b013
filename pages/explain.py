"""Why was this one flagged, and can that answer be trusted?"""

import streamlit as st

from hitl.ui import frame, reasons, resources

frame.require()
frame.heading("Explain", "Why was this one flagged, and can that answer be trusted?")
space = frame.workspace()

# Read
case_id, found = st.query_params.get("case", ""), None
with frame.errors_shown(go_on=True):
    found = reasons.gather(space, case_id) if case_id else None

# Render
if found is None:
    reasons.pick(space)
    st.caption(space.notice)
    st.stop()

case, evidence = found
reasons.header(case, evidence, space)
reasons.standing(case, space)
reasons.links(case, space)
reasons.warning(evidence, space)

left, right = st.columns([1, 1], gap="large")
with left:
    st.header("Similar past cases", anchor=False)
    reasons.similar(resources.store(), resources.materials(space.name), case_id)
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
reasons.surrogate(evidence)
st.caption(reasons.which_model(evidence, space))
st.caption(space.notice)
