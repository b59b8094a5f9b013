"""Fixtures that start real things, and the rule for tests that need a browser."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from hitl import models, workflow
from hitl.__main__ import main
from hitl.workflow import Materials, Stored
from hitl.workflow.streaming import fit_detector
from hitl.workspaces import PAYMENTS
from tests import browser as chromium
from tests import servers
from tests.terminal import SAMPLE, Ran, Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

NO_CHROMIUM = (
    "no Chromium was found (chromium, chromium-browser or google-chrome on the PATH, or the one "
    "HITL_CHROMIUM names). `make browser` installs Debian's."
)
NO_POSTGRES = (
    "No PostgreSQL was found: set HITL_TEST_POSTGRES_URL to a server on which databases may be "
    "created, or install Debian's package postgresql."
)


# Browser tests come last, or are left out and said so


def pytest_configure() -> None:
    if servers.required("BROWSER") and not chromium.chromium_path():
        raise pytest.UsageError(f"HITL_REQUIRE_BROWSER is 1, but {NO_CHROMIUM}")


def pytest_itemcollected(item: pytest.Item) -> None:
    if "browser" in getattr(item, "fixturenames", ()):
        item.add_marker("browser")
        if not chromium.chromium_path():
            item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Playwright keeps an event loop open in this thread, so nothing else runs after it.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.stats.get("skipped") and not chromium.chromium_path():
        terminalreporter.write_line(f"Browser tests were left out: {NO_CHROMIUM}", yellow=True)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """One Chromium for the whole run; it cannot reach anything but this machine."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=chromium.TIMEOUT_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium.chromium_path(), args=list(chromium.CHROMIUM_FLAGS)
        )
        yield started
        started.close()


@pytest.fixture
def context(browser: "Browser") -> Iterator["BrowserContext"]:
    """A window of 1440 × 900 with its own cookies, light, closed after the test."""
    window = chromium.new_context(browser)
    yield window
    window.close()


# Simulated payments


@pytest.fixture(scope="session")
def payments() -> Materials:
    """The payments workspace as it is by default: training, test and stream, with its facts."""
    return workflow.materials(PAYMENTS, Path(__file__).parents[1] / "data")


@pytest.fixture(scope="session")
def payments_champion(payments: Materials) -> Stored:
    """The first model of the payments workspace with its detector, trained once for the run."""
    space = payments.workspace
    model = models.fit(
        payments.training,
        features=space.features,
        label=space.label_column,
        weight=space.weight_column,
        budget=space.false_alarm_budget,
    )
    detector = fit_detector(payments, payments.training, seed=0, rate=0.001)
    return Stored(model.model_id, model, detector)


# Databases


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL server for the whole run: the given one, else one we start and stop."""
    given = os.environ.get("HITL_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    if not (servers.postgres_program("initdb") and servers.postgres_program("pg_ctl")):
        (pytest.fail if servers.required("POSTGRES") else pytest.skip)(NO_POSTGRES)
    with servers.postgres_server() as url:
        yield url


@pytest.fixture
def fresh_postgres_url(postgres_url: str) -> Iterator[str]:
    """URL of an empty database of its own, dropped after the test."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database; the test runs once on each engine."""
    if request.param == "duckdb":
        return str(tmp_path / "test.duckdb")
    return str(request.getfixturevalue("fresh_postgres_url"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Call `main` in this process, with the bundled data and a database of its own."""
    for name in [name for name in os.environ if name.startswith("HITL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HITL_DATA_DIR", str(SAMPLE.parent))
    monkeypatch.setenv("HITL_DATABASE_URL", str(tmp_path / "default" / "x.duckdb"))

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return call
