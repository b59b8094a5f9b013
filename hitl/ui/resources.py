"""What one process keeps for all who use it: settings, store, rows, players, jobs, clock."""

import gc
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from hitl import settings as configuration
from hitl import workflow
from hitl.store import Store
from hitl.ui.ahead import Ahead
from hitl.ui.jobs import Job
from hitl.ui.player import Player
from hitl.workspaces import WORKSPACES

HOSTED_FOLDER = Path("/mount/src")
"""Where Streamlit Community Cloud keeps an app; its disk is lost on a restart."""


def now_ms() -> int:
    """Read the wall clock, in UTC epoch milliseconds."""
    return int(datetime.now(UTC).timestamp() * 1_000)


@st.cache_resource(show_spinner=False)
def settings() -> dict[str, Any]:
    """Read the settings once."""
    try:
        secrets = dict(st.secrets)
    except FileNotFoundError:
        secrets = {}
    return configuration.load(os.environ, secrets)


@st.cache_resource(show_spinner=False, on_release=lambda store: store.close())
def store() -> Store:
    """Open the database once for the whole process."""
    chosen = settings()
    return Store(
        chosen["database_url"], memory_limit=chosen["memory_limit"], threads=chosen["threads"]
    )


@st.cache_resource(show_spinner="Reading the data and training the first model …")
def materials(name: str) -> workflow.Materials:
    """Read a workspace's rows, and seed it when it is opened for the first time."""
    chosen = settings()
    found = workflow.materials(
        WORKSPACES[name],
        Path(chosen["data_dir"]),
        seed=chosen["seed"],
        disparity=chosen["payments_disparity"],
    )
    workflow.seed(
        store(), found, seed=chosen["seed"], novelty_rate=chosen["novelty_rate"], now_ms=now_ms()
    )
    settle("models")
    return found


@st.cache_resource(show_spinner=False)
def checked(name: str) -> workflow.Verified:
    """Check a workspace's log once, when it is first opened in this process."""
    return workflow.verify(store(), name, whole=False)


@st.cache_resource(show_spinner=False)
def player(name: str) -> Player:
    """Give the one player of a workspace's stream."""
    share = settings()["audit_share"]

    def ingest(count: int, again: bool) -> workflow.Ingested:
        found = workflow.ingest(
            store(), materials(name), count, now_ms=now_ms(), audit_share=share, again=again
        )
        if found.cases:
            ahead(name).wake()
        return found

    return Player(ingest)


@st.cache_resource(show_spinner=False, on_release=lambda ahead: ahead.stop())
def ahead(name: str) -> Ahead:
    """Give the one thread that explains a workspace's waiting cases before they are opened."""
    here, space = store(), WORKSPACES[name]
    return Ahead(lambda: workflow.explain_ahead(here, space, now_ms=now_ms(), most=1))


class State(NamedTuple):
    """How many facts of each kind a workspace has.

    Facts are only ever added, so equal counts mean that nothing has changed, and what was read
    before may be shown again. `settled` leaves out the events that only say who works on a case.
    """

    predictions: int
    outcomes: int
    events: int
    settled: int
    explanations: int
    promotions: int
    comparisons: int


def state(name: str) -> State:
    """Count the facts of a workspace, anew when something was written."""
    here = store()
    return _state(name, here.writes) if here.kind == "duckdb" else _counted(name)


@st.cache_data(show_spinner=False, max_entries=16)
def _state(name: str, writes: int) -> State:
    del writes
    return _counted(name)


def _counted(name: str) -> State:
    return State(*store().rows("workspace_state", name)[0])


@st.cache_resource(show_spinner=False, max_entries=16)
def look_ahead(name: str, events: int, explanations: int) -> None:
    """Explain what waits, once for each state of the queue."""
    del events, explanations
    ahead(name).wake()


@st.cache_data(show_spinner=False, max_entries=8)
def champion_id(name: str, promotions: int) -> str:
    """Read which model is in use."""
    del promotions
    return str(store().rows("champion_id", name)[0][0])


@st.cache_resource(show_spinner=False)
def jobs() -> dict[str, Job]:
    """Give the running and ended jobs by workspace."""
    return {}


@st.cache_resource(show_spinner=False)
def settle(stage: str) -> None:
    """Take what is loaded by now out of the collector's sight; it is there to stay.

    Streamlit collects garbage after every run, and walking all loaded libraries each time is what
    that costs.
    """
    del stage
    gc.collect()
    gc.freeze()


def is_lasting() -> bool:
    """Say whether what is stored survives a restart of the machine."""
    here = store()
    return here.kind == "postgres" or (
        here.path is not None and not settings()["ephemeral"] and not HOSTED_FOLDER.exists()
    )
