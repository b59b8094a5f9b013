"""What a workspace works with: rows to train on, a locked test set, and the stream to replay."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hitl import datasets, simulator
from hitl.workspaces import Workspace

SHARES = (1 / 2, 1 / 6, 1 / 3)
"""Training, locked test and stream, consecutive in time."""

FIRST_DAY_MS = 1_377_993_600_000
"""1 September 2013, 00:00 UTC, stands for the data's unnamed first day."""

SAMPLE = "ulb_sample.csv.gz"


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

    @property
    def known_positives(self) -> pd.DataFrame:
        """Known frauds, from training and the locked test set."""
        known = pd.concat([self.training, self.test], ignore_index=True)
        return known[known[self.workspace.label_column] == 1].reset_index(drop=True)


def materials(workspace: Workspace, data_dir: Path, *, seed: int = 0) -> Materials:
    """Read a workspace's rows and part them by time.

    Parameters
    ----------
    workspace
        Which workspace.
    data_dir
        Folder of ``ulb_sample.csv.gz`` and, if somebody put it there, the full card file.
    seed
        Seed of the story's tape.

    Returns
    -------
    Materials
        Consecutive in time: training (first half of the rows), locked test (next sixth), stream
        (last third).

    Raises
    ------
    DataError
        If the card file cannot be used.
    """
    if workspace.name == "story":
        return _story(workspace, data_dir, seed)
    found = datasets.card_source(data_dir)
    training, test, stream = _parts(found.rows, workspace)
    stream = stream.assign(origin="real", known=True)
    return Materials(
        workspace, training, test, stream, stream.iloc[:0], found.path.name, found.is_full
    )


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
