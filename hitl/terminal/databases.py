"""Verbs that work on a database: seed, demo, decisions, backup, restore."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from hitl import datasets, workflow
from hitl import store as storage
from hitl.terminal import environment, output
from hitl.workflow import people
from hitl.workspaces import WORKSPACES, workspace


def seed(given: argparse.Namespace) -> dict[str, Any]:
    """Give each workspace its first model, unless it has one."""
    people.check(given.person, "seed")
    chosen = environment.settings()
    spaces = [workspace(given.workspace)] if given.workspace else list(WORKSPACES.values())
    folder = Path(chosen["data_dir"])
    planted = chosen["payments_disparity"]
    found = [
        workflow.materials(space, folder, seed=chosen["seed"], disparity=planted)
        for space in spaces
    ]
    answer: dict[str, Any] = {}
    with environment.store(given.db, may_be_new=True) as store:
        for rows in found:
            output.say(f"Seeding {rows.workspace.name} from {rows.source} …")
            answer[rows.workspace.name] = workflow.seed(
                store,
                rows,
                seed=chosen["seed"],
                novelty_rate=chosen["novelty_rate"],
                now_ms=environment.now_ms(),
                reset=given.reset,
            )
    named = ", ".join(f"{name}: {model}" for name, model in answer.items())
    return {**answer, "said": f"Ready. Champions: {named}."}


def demo(given: argparse.Namespace) -> dict[str, Any]:
    """Play the story on a throwaway database."""
    del given
    chosen = environment.settings()
    rows = workflow.materials(workspace("story"), Path(chosen["data_dir"]), seed=chosen["seed"])
    with (
        tempfile.TemporaryDirectory() as folder,
        environment.store(str(Path(folder) / "story.duckdb"), may_be_new=True) as store,
    ):
        answer = workflow.play_story(
            store,
            rows,
            seed_number=chosen["seed"],
            now_ms=environment.now_ms(),
            novelty_rate=chosen["novelty_rate"],
        )
    said = (
        f"Alerts before: {answer['alerts_before']}. Unlike training: {answer['novel']}.\n"
        f"{answer['reviewed']} cases reviewed; alerts after: {answer['alerts_after']}.\n"
        f"{answer['known_frauds_kept']} of {answer['known_frauds']} known frauds kept "
        f"(churn alone loses {answer['churn_baseline_lost']:.1f}); "
        f"promoted {answer['promoted_model']}."
    )
    return {**answer, "said": said}


def decisions(given: argparse.Namespace) -> dict[str, Any]:
    """Write a workspace's decisions to a CSV file, or add those of one."""
    space = workspace(given.workspace)
    if given.direction == "export":
        path = output.table_path(given.file)
        with environment.store(given.db) as store:
            found = workflow.export_decisions(store, space)
        output.write_table(found, path)
        return {"exported": len(found), "said": f"{len(found)} decisions written to {path}."}
    people.check(given.person, "import_decisions")
    rows = datasets.read_table(Path(given.file), as_text=True)
    with environment.store(given.db) as store:
        added = workflow.import_decisions(
            store, space, rows, now_ms=environment.now_ms(), person=given.person
        )
    return {"imported": added, "said": f"{added} new decisions imported from {given.file}."}


def backup(given: argparse.Namespace) -> dict[str, Any]:
    """Write a consistent copy of everything to a file."""
    with environment.store(given.db) as store:
        path = store.backup(Path(given.file))
    return {"file": str(path), "said": f"Backed up to {path}."}


def restore(given: argparse.Namespace) -> dict[str, Any]:
    """Put a backup in place of the database."""
    people.check(given.person, "restore")
    counts = storage.restore(
        given.db or environment.settings()["database_url"], Path(given.file), replace=given.replace
    )
    return {**counts, "said": f"Restored {sum(counts.values()):,} rows from {given.file}."}
