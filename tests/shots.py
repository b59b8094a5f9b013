"""Take the pictures of the README: ``python -m tests.shots [--dark] [--out FOLDER]``.

A database of its own is filled by the same verbs a person uses: payments are played, cases decided
as they came true, a challenger trained and compared. Then every page is opened in Chromium.
"""

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hitl import workflow
from hitl.store import Store
from hitl.ui.frame import PAGES
from hitl.workflow import Person
from hitl.workspaces import CARDS, REASONS
from tests import browser as chromium
from tests.servers import ROOT, streamlit_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DATABASE = "data/pictures.duckdb"
"""Relative, because the Settings page shows it."""

WIDTH, HEIGHT = 1440, 900
FIRST_ROWS, LAST_ROWS = 1_500, 1_000
DECISIONS = 25
REVIEWERS = ("Mina", "Ada")
COLOURS = 192
QUIET_MS = 1_500


def main(arguments: list[str] | None = None) -> int:
    """Take one picture per page; 2 if there is no Chromium."""
    parser = argparse.ArgumentParser(prog="python -m tests.shots", description=__doc__)
    parser.add_argument("--dark", action="store_true", help="dark theme")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", metavar="FOLDER")
    given = parser.parse_args(arguments)
    if not chromium.chromium_path():
        print("No Chromium was found: make browser installs Debian's.", file=sys.stderr)
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    with fresh(ROOT / DATABASE):
        case = tell(ROOT / DATABASE)
        with streamlit_server({"HITL_DATABASE_URL": DATABASE}) as app, started() as browser:
            for name, content in pictures(browser, app.url, case, dark=given.dark):
                path = given.out / f"{name}.png"
                path.write_bytes(content)
                print(f"{path.name}: {len(content) / 1_000:,.0f} kB", file=sys.stderr)
    return 0


@contextmanager
def fresh(database: Path) -> Iterator[None]:
    """Have no such database before and after."""
    try:
        _forget(database)
        yield
    finally:
        _forget(database)


def _forget(database: Path) -> None:
    for path in (database, database.with_name(database.name + ".wal")):
        path.unlink(missing_ok=True)


def tell(database: Path) -> str:
    """Fill a database with the whole loop; give the case whose explanation is shown."""
    rows = workflow.materials(CARDS, ROOT / "data")
    now = int(datetime.now(UTC).timestamp() * 1_000)
    with Store(str(database)) as store:
        workflow.seed(store, rows, seed=0, novelty_rate=0.001, now_ms=now - 3_600_000)
        workflow.ingest(store, rows, FIRST_ROWS, now_ms=now - 3_000_000, audit_share=0.01)
        for number in range(DECISIONS):
            if not decide_next(store, rows, now - 2_400_000 + 40_000 * number, number):
                break
        challenger = workflow.retrain(
            store, rows, seed=0, person=Person(REVIEWERS[0], "admin"), now_ms=now - 900_000
        )
        workflow.compare(store, rows, challenger, seed=0, now_ms=now - 880_000)
        workflow.ingest(store, rows, LAST_ROWS, now_ms=now - 20_000, audit_share=0.01)
        queue = store.view("review_queue", workspace=CARDS.name, order=("-priority", "queued_ms"))
        return str(queue.iloc[min(1, len(queue) - 1)]["instance_id"])


def decide_next(store: Store, rows: workflow.Materials, now_ms: int, number: int) -> bool:
    """Decide the next case by what came true; say whether there was one."""
    claimed = workflow.claim(
        store, CARDS, Person(REVIEWERS[number % len(REVIEWERS)]), now_ms=now_ms
    )
    if claimed is None:
        return False
    step = int(claimed.instance_id.rsplit("-", 1)[1])
    verdict = CARDS.positive if rows.stream[CARDS.label_column].iloc[step] == 1 else CARDS.negative
    workflow.decide(
        store,
        CARDS,
        claimed,
        verdict=verdict,
        reason=REASONS[verdict][number % len(REASONS[verdict])],
        key=f"shot-{claimed.instance_id}",
        seconds=12.0 + number % 20,
        now_ms=now_ms + 20_000,
    )
    return True


@contextmanager
def started() -> Iterator["Browser"]:
    """Start Chromium and end it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.chromium_path(), args=list(chromium.CHROMIUM_FLAGS)
        )
        yield browser
        browser.close()


def pictures(browser: "Browser", url: str, case: str, *, dark: bool) -> Iterator[tuple[str, bytes]]:
    """Open every page in a window of its own and give its name and picture."""
    for path, title, *_ in PAGES:
        name = Path(path).stem
        address = url if title == "Monitor" else f"{url}/{name}"
        window = chromium.new_context(browser, dark=dark, width=WIDTH, height=HEIGHT)
        shown = f"&case={case}" if name == "explain" else ""
        page = chromium.open_page(window, f"{address}?workspace={CARDS.name}{shown}")
        sign(page)
        if name == "review":
            page.get_by_role("button", name="Start reviewing").click()
            page.get_by_role("button", name="Put back").wait_for()
        rest(page)
        yield name, smaller(page.screenshot())
        window.close()


def sign(page: "Page") -> None:
    """Type a name into the frame."""
    name = page.get_by_role("textbox", name="Your name")
    name.fill(REVIEWERS[0])
    name.press("Enter")
    chromium.settled(page)


def rest(page: "Page") -> None:
    """Wait until nothing is drawn any more: spinners are gone, charts and tables are there."""
    chromium.settled(page)
    page.wait_for_function("!document.querySelector('[data-testid=stSpinner]')")
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    page.wait_for_timeout(QUIET_MS)
    chromium.settled(page)


def smaller(content: bytes) -> bytes:
    """Reduce a picture to a palette when Pillow is there; it comes with Streamlit."""
    try:
        from PIL import Image
    except ImportError:
        return content
    packed = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(packed, "PNG", optimize=True)
    return min(packed.getvalue(), content, key=len)


if __name__ == "__main__":
    sys.exit(main())
