"""What else is done with a case in hand: drafts, another look, later, handed up, its history."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import streamlit as st

from hitl import workflow
from hitl.errors import HitlError
from hitl.explain import escape_markdown
from hitl.ui import resources
from hitl.workflow import Claim, times
from hitl.workspaces import Workspace

MS_PER_HOUR = 3_600_000
LATER_HOURS = 1
"""How long "later" puts a case off."""

SAID = ("decided", "second opinion")
"""What two people have said when a third one is asked."""


def verdict_key(claimed: Claim) -> str:
    """Name where the chosen verdict of a case is kept until its reason is chosen."""
    return f"verdict-of-{claimed.instance_id}"


def note_key(claimed: Claim) -> str:
    """Name the note of a case."""
    return f"note-of-{claimed.instance_id}"


def second_key(claimed: Claim) -> str:
    """Name where it is kept that another person shall look too."""
    return f"second-of-{claimed.instance_id}"


def forget(claimed: Claim) -> None:
    """Forget what was typed about a case that has gone on."""
    names = (verdict_key(claimed), note_key(claimed), second_key(claimed))
    for name in (*names, f"opened-{claimed.instance_id}", f"drafted-{claimed.instance_id}"):
        st.session_state.pop(name, None)


@contextmanager
def trouble_kept() -> Iterator[None]:
    """Keep what went wrong until the page is drawn again; the rest of the block is left out."""
    try:
        yield
    except HitlError as error:
        st.session_state["review_trouble"] = str(error)


# Drafts


def open_draft(space: Workspace, claimed: Claim) -> None:
    """Fill the form with what was kept of it, once for a case and a session."""
    place = f"drafted-{claimed.instance_id}"
    if place in st.session_state:
        return
    st.session_state[place] = True
    kept = workflow.draft(resources.store(), space, claimed.person, claimed.instance_id) or {}
    for key, name in ((note_key(claimed), "note"), (verdict_key(claimed), "verdict")):
        if kept.get(name):
            st.session_state.setdefault(key, kept[name])


def keep_draft(space: Workspace, claimed: Claim) -> None:
    """Keep verdict and note in the database, so that a reload or a crash loses nothing."""
    body = {
        "note": st.session_state.get(note_key(claimed)) or "",
        "verdict": st.session_state.get(verdict_key(claimed)) or "",
    }
    with trouble_kept():
        workflow.keep_draft(
            resources.store(),
            space,
            claimed.person,
            claimed.instance_id,
            body,
            now_ms=resources.now_ms(),
        )


# Other ways on


def ways_on(space: Workspace, claimed: Claim) -> None:
    """Offer what can be done besides a verdict, each with its key."""
    is_asked = bool(st.session_state.get(second_key(claimed)))
    with st.container(horizontal=True, vertical_alignment="center", key="ways_on"):
        if claimed.stage == "first":
            st.button(
                "Second opinion asked" if is_asked else "Second opinion",
                key="second",
                shortcut="S",
                icon=":material/group:" if is_asked else ":material/group_add:",
                type="secondary" if is_asked else "tertiary",
                on_click=_ask_second,
                args=(claimed,),
                help="Another person decides too and does not see your verdict; if you two "
                "disagree, a third one settles it.",
            )
        st.button(
            "Later",
            key="later",
            shortcut="D",
            icon=":material/schedule:",
            type="tertiary",
            on_click=_put_off,
            args=(space, claimed),
            help=f"The case comes back by itself after {LATER_HOURS} hour.",
        )
        st.button(
            "Hand up",
            key="hand_up",
            shortcut="E",
            icon=":material/move_up:",
            type="tertiary",
            on_click=_hand_up,
            args=(space, claimed),
            help="Another person settles it. Say why in the note.",
        )
        st.button(
            "Put back",
            key="release",
            shortcut="B",
            type="tertiary",
            icon=":material/undo:",
            on_click=put_back,
            args=(space, claimed),
            help="Give the case back to the queue undecided.",
        )
        st.caption(f"Yours until {times.wall_time(claimed.lease_until_ms)[11:16]} UTC")


def put_back(space: Workspace, claimed: Claim) -> None:
    """Give the case back undecided."""
    with trouble_kept():
        workflow.release(resources.store(), space, claimed, now_ms=resources.now_ms())


def _ask_second(claimed: Claim) -> None:
    st.session_state[second_key(claimed)] = not st.session_state.get(second_key(claimed))


def _put_off(space: Workspace, claimed: Claim) -> None:
    now = resources.now_ms()
    with trouble_kept():
        workflow.defer(
            resources.store(),
            space,
            claimed,
            until_ms=now + LATER_HOURS * MS_PER_HOUR,
            note=st.session_state.get(note_key(claimed), ""),
            key=f"{claimed.instance_id}-{claimed.fence}-deferred",
            now_ms=now,
        )
        forget(claimed)


def _hand_up(space: Workspace, claimed: Claim) -> None:
    with trouble_kept():
        workflow.escalate(
            resources.store(),
            space,
            claimed,
            note=st.session_state.get(note_key(claimed), ""),
            key=f"{claimed.instance_id}-{claimed.fence}-escalated",
            now_ms=resources.now_ms(),
        )
        forget(claimed)


# What happened so far


def standing(space: Workspace, claimed: Claim) -> None:
    """Say whose opinion is asked for, where the case is not a first one."""
    if claimed.stage == "second":
        st.info(
            "**Second opinion.** Somebody has decided this case. You decide without knowing what "
            "they said; if you two disagree, a third person settles it.",
            icon=":material/group:",
        )
    elif claimed.stage == "adjudication":
        st.info(f"**Yours settles it.** {_said(space, claimed)}", icon=":material/balance:")


def _said(space: Workspace, claimed: Claim) -> str:
    rows = _history(space, claimed)
    told = [
        f"{row['reviewer']} said {row['verdict']} ({row['reason']})"
        for row in rows[rows["kind"].isin(SAID)].to_dict("records")
    ]
    up = [
        f"{row['reviewer']} handed it up: {row['note']}"
        for row in rows[rows["kind"] == "escalated"].to_dict("records")
    ]
    return escape_markdown("; ".join([*told, *up]) + ".")


def history(space: Workspace, claimed: Claim) -> None:
    """List what happened to the case so far, without what would sway this person."""
    rows = _history(space, claimed)
    with st.expander(f"History of this case ({len(rows)})", icon=":material/history:"):
        st.dataframe(
            history_rows(rows),
            key="history",
            hide_index=True,
            height="content",
            alt="What happened to this case, oldest first",
        )


def history_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Write events for people."""
    return pd.DataFrame(
        {
            "When": rows["happened_ms"].map(times.wall_time),
            "What": rows["kind"],
            "Who": rows["reviewer"],
            "Verdict": rows["verdict"],
            "Reason": rows["reason"],
            "Note": rows["note"],
        }
    )


def _history(space: Workspace, claimed: Claim) -> pd.DataFrame:
    return _kept_history(
        space.name, claimed.instance_id, claimed.reviewer, claimed.fence, space, claimed
    )


@st.cache_resource(show_spinner=False, max_entries=32)
def _kept_history(
    name: str, instance_id: str, reviewer: str, fence: int, _space: Workspace, _claimed: Any
) -> pd.DataFrame:
    del name, reviewer, fence
    return workflow.history(resources.store(), _space, _claimed.person, instance_id)
