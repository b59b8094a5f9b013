"""The verb that works on the log of events: verify, export, import."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from hitl.errors import InputError
from hitl.terminal import environment, output
from hitl.workflow import logs, people
from hitl.workspaces import WORKSPACES, workspace


def log(given: argparse.Namespace) -> dict[str, Any]:
    """Check the log of events and its chain, write it to a file, or take one over."""
    if (given.file is None) != (given.direction == "verify"):
        wanted = "no file" if given.direction == "verify" else "a file"
        raise InputError(
            f"log {given.direction} takes {wanted}.", "Write: log export FILE, or: log verify"
        )
    names = [workspace(given.workspace).name] if given.workspace else list(WORKSPACES)
    if given.direction == "import":
        people.check(given.person, "log_import")
        rows = logs.read_log(Path(given.file).read_bytes())
        with environment.store(given.db, may_be_new=True) as store:
            return _checked(logs.log_import(store, rows, person=given.person))
    path = output.table_path(given.file) if given.file else None
    with environment.store(given.db) as store:
        found = _checked(tuple(logs.verify(store, name) for name in names))
        if path is not None:
            parts = list(logs.log_export(store, names))
            whole = pd.concat(parts) if parts else pd.DataFrame(columns=list(logs.COLUMNS))
            output.write_table(whole, path)
            found["said"] += f" Written to {path}."
    return found


def _checked(found: tuple[logs.Verified, ...]) -> dict[str, Any]:
    """Put the checks of several workspaces together: the first that fails says where."""
    bad = next((each for each in found if not each.valid), None)
    events = sum(each.events for each in found)
    said = f"All {events:,} events are as they were written, and the queues follow from them."
    return {
        "events": events,
        "valid": bad is None,
        "first_bad": bad.first_bad if bad else None,
        "workspaces": {each.workspace: each.events for each in found if each.events},
        "said": bad.sentence if bad else said,
        "failed": bad is not None,
    }
