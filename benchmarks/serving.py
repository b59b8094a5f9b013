"""A page in a real server with a real browser: what one more run costs the server's processor.

The whole process is counted: the script's thread, the web server, the collector. A browser asks by
pressing ``r`` and waits until the page rests, so nothing of the client is in the figure.
"""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.timing import Line
from hitl.workspaces import CARDS
from tests import browser as chromium
from tests.servers import ROOT, streamlit_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RUNS = 60
UNMEASURED = 8
ROWS = 600
EMPTY = "import streamlit as st\n\nst.title('Empty')\n"
PARTS = ("What would change it", "Record")
"""Parts of Explain's lower half that are open in turn; the first is the page's own."""


def lines() -> list[Line]:
    """Measure reruns of Explain and Review with a case open, beside those of an empty page."""
    with tempfile.TemporaryDirectory() as name, _browser() as browser:
        folder = Path(name)
        script = folder / "empty.py"
        script.write_text(EMPTY)
        with streamlit_server(script=script) as app:
            empty = _reruns(browser, app.url, app.process)
        database = folder / "serving.duckdb"
        case = _seed(database)
        found = {}
        with streamlit_server({"HITL_DATABASE_URL": str(database)}) as app:
            address = f"?workspace={CARDS.name}&case={case}"
            for part in PARTS:
                url = f"{app.url}/explain{address}&part={part.replace(' ', '+')}"
                found[f"Explain, {part!r} open"] = _reruns(browser, url, app.process)
            url = f"{app.url}/review{address}"
            found["Review, a case in hand"] = _reruns(browser, url, app.process, _claim)
    return [
        Line(f"one rerun of {what}, server CPU, {word}", "the page", at(costs), "empty", at(empty))
        for what, costs in found.items()
        for word, at in (("median", statistics.median), ("95 of 100", _slow))
    ]


def _reruns(
    browser: "Browser",
    url: str,
    process: "subprocess.Popen[bytes]",
    ready: Callable[["Page"], None] | None = None,
) -> list[float]:
    """Give the processor seconds of the server for each of `RUNS` reruns of one page."""
    window = chromium.new_context(browser)
    page = chromium.open_page(window, url)
    if ready is not None:
        ready(page)
    chromium.quiet(page)
    _wait_until_idle(process.pid)
    for _ in range(UNMEASURED):
        _rerun(page)
    costs = []
    for _ in range(RUNS):
        before = processor_seconds(process.pid)
        _rerun(page)
        costs.append(processor_seconds(process.pid) - before)
    window.close()
    return costs


def processor_seconds(pid: int) -> float:
    """Give the processor seconds of a process, threads that have ended included (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)


def _rerun(page: "Page") -> None:
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("r")
    chromium.settled(page)


def _claim(page: "Page") -> None:
    page.get_by_role("textbox", name="Your name").fill("Mina")
    page.keyboard.press("Enter")
    chromium.settled(page)
    page.locator(".st-key-start button").click()
    page.get_by_role("button", name="Put back").wait_for()


def _wait_until_idle(pid: int) -> None:
    """Wait until explaining ahead is done: a second with hardly any work."""
    while True:
        before = processor_seconds(pid)
        time.sleep(1.0)
        if processor_seconds(pid) - before < 0.05:
            return


def _slow(costs: list[float]) -> float:
    return statistics.quantiles(costs, n=100, method="inclusive")[94]


def _seed(database: Path) -> str:
    from hitl import workflow
    from hitl.store import Store

    rows = workflow.materials(CARDS, ROOT / "data")
    now = int(time.time() * 1_000)
    with Store(str(database)) as store:
        workflow.seed(store, rows, seed=0, novelty_rate=0.001, now_ms=now)
        workflow.ingest(store, rows, ROWS, now_ms=now)
        queue = store.view("review_queue", workspace=CARDS.name, order=("-priority",))
    return str(queue["instance_id"].iloc[0])


@contextmanager
def _browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=chromium.chromium_path(), args=list(chromium.CHROMIUM_FLAGS)
        )
