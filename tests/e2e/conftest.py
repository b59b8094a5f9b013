"""A database with a little history, made once, copied for each test that opens the app on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hitl import workflow
from hitl.store import Store
from hitl.workflow import Person
from hitl.workspaces import CARDS, PAYMENTS, REASONS, STORY
from tests import servers

ADA = Person("ada", "supervisor")
NOW = 1_790_000_000_000
HEADINGS = {
    "": "Monitor",
    "explain": "Explain",
    "review": "Review",
    "fairness": "Group differences",
    "retrain": "Retrain",
    "settings": "Settings",
}
"""Heading of each page, by its path."""


@pytest.fixture(scope="session")
def played_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cards played and decided, with a challenger compared; payments opened; the story told."""
    path = tmp_path_factory.mktemp("played") / "played.duckdb"
    data = servers.ROOT / "data"
    with Store(str(path)) as store:
        cards = workflow.materials(CARDS, data)
        workflow.seed(store, cards, seed=0, novelty_rate=0.001, now_ms=NOW)
        workflow.ingest(store, cards, 600, now_ms=NOW + 1)
        decide(store, cards, 5)
        challenger = workflow.retrain(store, cards, seed=0, person=ADA, now_ms=NOW + 2)
        workflow.compare(store, cards, challenger, seed=0, now_ms=NOW + 3)
        payments = workflow.materials(PAYMENTS, data)
        workflow.seed(store, payments, seed=0, novelty_rate=0.001, now_ms=NOW)
        story = workflow.materials(STORY, data)
        workflow.play_story(store, story, seed_number=0, now_ms=NOW, novelty_rate=0.001)
    return path


@pytest.fixture(scope="session")
def seeded_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both workspaces with their first model and nothing decided."""
    path = tmp_path_factory.mktemp("seeded") / "seeded.duckdb"
    with Store(str(path)) as store:
        for space in (CARDS, STORY):
            rows = workflow.materials(space, servers.ROOT / "data")
            workflow.seed(store, rows, seed=0, novelty_rate=0.001, now_ms=NOW)
    return path


@pytest.fixture
def played_app(played_database: Path, tmp_path: Path) -> Iterator[servers.App]:
    """The app on a copy of the played database."""
    with servers.streamlit_server(on(shutil.copy(played_database, tmp_path / "p.duckdb"))) as app:
        yield app


@pytest.fixture
def seeded_app(seeded_database: Path, tmp_path: Path) -> Iterator[servers.App]:
    """The app on a copy of the seeded database."""
    with servers.streamlit_server(on(shutil.copy(seeded_database, tmp_path / "s.duckdb"))) as app:
        yield app


def on(path: Path | str) -> dict[str, str]:
    """Environment of an app that uses this database."""
    return {"HITL_DATABASE_URL": str(path)}


def decide(store: Store, cards: workflow.Materials, count: int) -> None:
    for number in range(count):
        claimed = workflow.claim(store, CARDS, Person("ada"), now_ms=NOW)
        assert claimed is not None
        step = int(claimed.instance_id.rsplit("-", 1)[1])
        verdict = "fraud" if cards.stream["Class"].iloc[step] == 1 else "legitimate"
        workflow.decide(
            store,
            CARDS,
            claimed,
            verdict=verdict,
            reason=REASONS[verdict][0],
            key=f"key-{number}",
            now_ms=NOW,
        )
