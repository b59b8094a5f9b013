"""Keep a person's name in their own browser, so that a reload does not turn them into a guest."""

import streamlit as st

KEEP_NAME = """
export default function ({ data, setStateValue }) {
  const place = "second-look-name";
  const kept = window.localStorage.getItem(place) || "";
  if (data.name) {
    window.localStorage.setItem(place, data.name);
  } else if (kept) {
    setStateValue("name", kept);
  }
}
"""

_browser = st.components.v2.component("second_look_name", js=KEEP_NAME)


def name(typed: str) -> str:
    """Give the browser the name that was typed, or ask it for the one it keeps."""
    found = _browser(
        key="remembered_name",
        data={"name": typed},
        default={"name": ""},
        width="content",
        on_name_change=lambda: None,
    )
    return str(found.get("name") or "")
