"""Real rows in small workspaces, seeded once for the whole run; every test gets its own copy."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hitl import store as storage
from hitl import workflow
from hitl.store import Store
from hitl.workflow import Materials, Person
from hitl.workspaces import CARDS, STORY

MINA = Person("mina", "supervisor")
DATA = Path(__file__).parents[2] / "data"
NOW = 1_790_000_000_000
TWO_FEATURES = replace(CARDS, features=("V4", "V14"), opening_rows=40)
"""The card workspace on two features: the same rows and words, but a model in a second."""


@pytest.fixture(scope="session")
def cards() -> Materials:
    return workflow.materials(TWO_FEATURES, DATA)


@pytest.fixture(scope="session")
def story() -> Materials:
    return workflow.materials(STORY, DATA)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory, cards: Materials, story: Materials) -> Path:
    """A closed database file in which both workspaces are seeded."""
    path = tmp_path_factory.mktemp("seeded") / "seeded.duckdb"
    with Store(str(path)) as store:
        for rows in (cards, story):
            workflow.seed(store, rows, seed=0, novelty_rate=0.001, now_ms=NOW)
    return path


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory, seeded: Path, story: Materials) -> Path:
    """The story after its first pass: reviewed, a challenger trained and compared."""
    path = tmp_path_factory.mktemp("learned") / "learned.duckdb"
    shutil.copyfile(seeded, path)
    with Store(str(path)) as store:
        workflow.ingest(store, story, 15, now_ms=NOW)
        while claimed := workflow.claim(store, STORY, Person("mina"), now_ms=NOW):
            is_fraud = claimed.instance_id == "story-1-3"
            workflow.decide(
                store,
                STORY,
                claimed,
                verdict="fraud" if is_fraud else "legitimate",
                reason="customer confirmed fraud" if is_fraud else "customer confirmed it",
                key=claimed.instance_id,
                now_ms=NOW,
            )
        challenger = workflow.retrain(store, story, seed=0, person=MINA, now_ms=NOW + 1)
        workflow.compare(store, story, challenger, seed=0, now_ms=NOW + 2)
    return path


@pytest.fixture
def store(tmp_path: Path, seeded: Path) -> Iterator[Store]:
    path = tmp_path / "copy.duckdb"
    shutil.copyfile(seeded, path)
    with Store(str(path)) as opened:
        yield opened


@pytest.fixture
def learned_store(tmp_path: Path, learned: Path) -> Iterator[Store]:
    path = tmp_path / "copy.duckdb"
    shutil.copyfile(learned, path)
    with Store(str(path)) as opened:
        yield opened


@pytest.fixture
def postgres_copy(fresh_postgres_url: str, seeded: Path) -> str:
    """Address of a PostgreSQL database in which both workspaces are seeded."""
    storage.restore(fresh_postgres_url, seeded)
    return fresh_postgres_url
