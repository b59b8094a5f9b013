"""What every page shows: navigation, the loop strip, workspace and person, errors."""

import base64
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from hitl.errors import HitlError
from hitl.ui import remembered, resources, wording
from hitl.workflow import Person
from hitl.workspaces import WORKSPACES, Workspace

ICON = "data:image/png;base64," + base64.b64encode(
    Path(__file__).with_name("icon.png").read_bytes()
).decode("ascii")
"""Kept beside the code: a Material icon would be fetched from a foreign host."""

PAGES = (
    ("pages/monitor.py", "Monitor", "Is the model behaving now?"),
    ("pages/explain.py", "Explain", "Why was this one flagged?"),
    ("pages/review.py", "Review", "Decide the waiting cases."),
    ("pages/fairness.py", "Fairness", "Is any group treated differently?"),
    ("pages/retrain.py", "Retrain", "Is the new model better?"),
    ("pages/settings.py", "Settings", "Is it mine, and is it safe?"),
)


def pages() -> dict[str, StreamlitPage]:
    """Give the pages by their paths, in the order of the navigation."""
    return {
        path: st.Page(path, title=title, help=help_text, default=title == "Monitor")
        for path, title, help_text in PAGES
    }


def require() -> None:
    """Bring a page that was opened without its frame back into it."""
    if not st.session_state.pop("_framed", False):
        st.navigation(list(pages().values()), position="top")
        st.rerun()


def draw(known: Mapping[str, StreamlitPage]) -> None:
    """Draw what stands above every page, with links to the known ones."""
    with st.container(horizontal=True, vertical_alignment="center", key="frame"):
        with st.container(width="stretch"):
            strip_place = st.empty()
        st.selectbox(
            "Workspace",
            list(WORKSPACES),
            key="workspace",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
            help="Which data set the pages show.",
            width=130,
        )
        _person()
    with errors_shown():
        resources.materials(workspace().name)
        every = resources.settings()["tick_seconds"] * 2 if is_live() else None
        is_lasting = resources.is_lasting()
        log = resources.checked(workspace().name)
    with strip_place.container():
        st.fragment(_strip, run_every=every)(known)
    if not log.valid:
        st.error(log.sentence, icon=":material/error:")
    if not is_lasting:
        st.warning(
            "This disk does not last: decisions are lost when the machine restarts. Download a "
            "backup under Settings, or set a PostgreSQL URL.",
            icon=":material/hard_drive:",
        )
    st.session_state["_framed"] = True


def is_live() -> bool:
    """Say whether a stream or a training runs, so that pages look for news by themselves."""
    name = workspace().name
    job = resources.jobs().get(name)
    return resources.player(name).is_playing or (job is not None and job.is_running)


def workspace() -> Workspace:
    """Give the chosen workspace."""
    return WORKSPACES[st.session_state.get("workspace") or "cards"]


def state() -> resources.State:
    """Give the counts of the workspace's facts, as the strip of this run has read them."""
    found: resources.State = st.session_state["_state"]
    return found


def reviewer() -> str:
    """Give the name of the person at the screen."""
    return str(st.session_state.get("reviewer") or "").strip() or _guest()


def person() -> Person:
    """Give the person at the screen; without a sign-in everybody may do everything."""
    return Person(reviewer(), "admin")


def heading(title: str, sentence: str) -> None:
    """Draw a page's title and the sentence that says what it is for."""
    st.title(title, anchor=False)
    st.caption(sentence)


@contextmanager
def errors_shown(*, go_on: bool = False) -> Iterator[None]:
    """Show an error a user can put right, and end the page there, or go on after it."""
    try:
        yield
    except HitlError as error:
        st.error(f"**{error.message}** {error.hint}", icon=":material/error:")
        if not go_on:
            st.stop()


def _person() -> None:
    kept = remembered.name(st.session_state.get("named", ""))
    if kept and "named" not in st.session_state:
        st.session_state["named"] = st.session_state["reviewer"] = kept
    st.session_state.setdefault("reviewer", _guest())
    st.text_input(
        "Your name",
        key="reviewer",
        persist_state="session",
        label_visibility="collapsed",
        icon=":material/person:",
        help="Written beside each of your decisions, and kept in this browser.",
        on_change=_named,
        width=150,
    )


def _named() -> None:
    st.session_state["named"] = reviewer()


def _guest() -> str:
    """Give each visitor a name of their own until they write theirs; two never share a claim."""
    return str(st.session_state.setdefault("guest", f"Guest {uuid.uuid4().hex[:4]}"))


def _strip(known: Mapping[str, StreamlitPage]) -> None:
    space = workspace()
    found = st.session_state["_state"] = resources.state(space.name)
    counts = _loop_counts(space.name, found)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="strip"):
        for i, (page, label, help_text) in enumerate(wording.loop_links(counts)):
            st.page_link(
                known[page],
                label=label,
                icon=":material/arrow_forward:" if i else None,
                help=help_text,
                query_params={"workspace": space.name},
            )


@st.cache_data(show_spinner=False, max_entries=16)
def _loop_counts(name: str, state: resources.State) -> dict[str, Any]:
    del state
    return wording.loop_counts(resources.store(), name)
