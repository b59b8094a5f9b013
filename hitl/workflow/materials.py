"""What a workspace works with: rows to train on, a locked test set, and the stream to replay."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from hitl import datasets, simulator
from hitl.workspaces import NOT_PLANTED, Workspace

SHARES = (1 / 2, 1 / 6, 1 / 3)
"""Training, locked test and stream, consecutive in time."""

FIRST_DAY_MS = 1_377_993_600_000
"""1 September 2013, 00:00 UTC, stands for the data's unnamed first day."""

SAMPLE = "ulb_sample.csv.gz"

WORLD = {"customers": 480, "terminals": 960, "days": 89, "burn_in": 37}
"""The simulated world; its first 37 days fill the windows, 30 days and a delay of 7 at most."""

TRAVEL_AFTER_DAYS = 2
"""Days of the stream before corporate travel begins."""


@dataclass(frozen=True)
class Materials:
    """Rows by what they may be used for; the stream's truth stays here until it is due."""

    workspace: Workspace
    training: pd.DataFrame
    test: pd.DataFrame
    stream: pd.DataFrame
    waiting: pd.DataFrame
    source: str
    is_full: bool
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known_positives(self) -> pd.DataFrame:
        """Known frauds, from training and the locked test set."""
        known = pd.concat([self.training, self.test], ignore_index=True)
        return known[known[self.workspace.label_column] == 1].reset_index(drop=True)


def materials(
    workspace: Workspace, data_dir: Path, *, seed: int = 0, disparity: bool = True
) -> Materials:
    """Read a workspace's rows and part them by time.

    Parameters
    ----------
    workspace
        Which workspace.
    data_dir
        Folder of ``ulb_sample.csv.gz`` and, if somebody put it there, the full card file.
    seed
        Seed of the story's tape and of the simulated payments.
    disparity
        Whether the simulated payments carry their planted disparity.

    Returns
    -------
    Materials
        Consecutive in time: training (first half of the rows), locked test (next sixth), stream
        (last third). Simulated payments bring what was planted in them as ``facts``.

    Raises
    ------
    DataError
        If the card file cannot be used.
    """
    if workspace.name == "story":
        return _story(workspace, data_dir, seed)
    if workspace.is_simulated:
        return simulated(workspace, seed=seed, disparity=disparity)
    found = datasets.card_source(data_dir)
    training, test, stream = _parts(found.rows, workspace)
    stream = stream.assign(origin="real", known=True)
    return Materials(
        workspace, training, test, stream, stream.iloc[:0], found.path.name, found.is_full
    )


def simulated(
    workspace: Workspace,
    *,
    seed: int = 0,
    disparity: bool = True,
    world: Mapping[str, int] = MappingProxyType(WORLD),
) -> Materials:
    """Simulate payments and part them by time, in a world of another size if wanted.

    Parameters
    ----------
    workspace
        A simulated workspace.
    seed, disparity
        As in `materials`.
    world
        ``customers, terminals, days, burn_in`` of `simulator.payments_world`.

    Returns
    -------
    Materials
        Corporate travel begins on the third day of the stream and is nowhere else; ``known`` is
        False for it. ``facts`` are those of the world.
    """
    days, burn_in = world["days"], world["burn_in"]
    stream_from = burn_in + round((days - burn_in) * sum(SHARES[:2])) + 1
    made = simulator.payments_world(
        **world, travel_from=stream_from + TRAVEL_AFTER_DAYS, disparity=disparity, seed=seed
    )
    training, test, stream = _parts(made.payments, workspace)
    stream = stream.assign(origin="simulated", known=stream["segment"] == simulator.SEGMENTS[0])
    space = workspace if disparity else replace(workspace, sensitive_note=NOT_PLANTED)
    source = f"our simulator, seed {seed}"
    empty = stream.iloc[:0]
    return Materials(space, training, test, stream, empty, source, False, made.facts)


def _story(workspace: Workspace, data_dir: Path, seed: int) -> Materials:
    rows = datasets.read_table(data_dir / SAMPLE)
    training, test, later = _parts(rows, workspace)
    tape = simulator.story_tape(later, seed=seed).assign(weight=1.0)
    waiting = simulator.story_waiting(seed=seed).assign(weight=1.0)
    return Materials(workspace, training, test, tape, waiting, SAMPLE, False)


def _parts(rows: pd.DataFrame, workspace: Workspace) -> list[pd.DataFrame]:
    datasets.check_rows(
        rows,
        features=(*workspace.features, workspace.time_column, workspace.weight_column),
        label=workspace.label_column,
        id_column=workspace.id_column,
    )
    parts = datasets.split_by_time(rows, time=workspace.time_column, shares=SHARES)
    return [part.reset_index(drop=True) for part in parts]
