"""The frame of every page: configuration, navigation, workspace, person and loop strip."""

import streamlit as st

from hitl.ui import frame

st.set_page_config(page_title="Second Look", page_icon=frame.ICON, layout="wide")
pages = frame.pages()
page = st.navigation(list(pages.values()), position="top")
frame.draw(pages)
page.run()
