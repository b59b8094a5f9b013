"""A real Chromium for tests: find it, open a page, wait until it rests, listen for trouble."""

import os
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--metrics-recording-only",
    # Nothing but this machine can be reached.
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
AT_REST = (
    "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
)
WCAG_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
DEBOUNCE_MS = 150
QUIET_MS = 300
TIMEOUT_MS = 30_000


@dataclass
class Trouble:
    """What one page complained about."""

    console: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


PROBE = re.compile(r"/\w+/_stcore/(health|host-config)$")
"""On a deep link Streamlit first looks for its server below the page's path, then at the root."""

_troubles: "WeakKeyDictionary[Page, Trouble]" = WeakKeyDictionary()


def chromium_path() -> str | None:
    """Find Chromium: the one HITL_CHROMIUM names, else the first on the PATH."""
    chosen = os.environ.get("HITL_CHROMIUM")
    names = (chosen,) if chosen else CHROMIUM_NAMES
    return next((path for name in names if (path := shutil.which(name))), None)


def new_context(
    browser: "Browser", *, dark: bool = False, width: int = 1440, height: int = 900, **options: Any
) -> "BrowserContext":
    """Open a window with its own cookies; the app follows ``dark``. Nothing moves by itself."""
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
        **options,
    )


def open_page(context: "BrowserContext", url: str) -> "Page":
    """Open a URL of the app, listening from the first request on, and wait until it rests."""
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    trouble = _troubles[page] = Trouble()
    page.on("console", lambda message: _note_console(trouble, message))
    page.on("pageerror", lambda error: trouble.console.append(str(error)))
    page.on("request", lambda request: _note_foreign(trouble, request.url))
    page.on("websocket", lambda socket: _note_foreign(trouble, socket.url))
    page.goto(url)
    settled(page)
    return page


def settled(page: "Page") -> None:
    """Wait until what was typed or clicked has been sent and the script has run.

    On a busy machine the answer may take longer to begin: follow it with
    ``expect(page.get_by_…).to_be_visible()``, which waits too, and not with a bare assert.
    """
    page.wait_for_timeout(DEBOUNCE_MS)
    page.wait_for_selector(AT_REST, timeout=TIMEOUT_MS)


def quiet(page: "Page") -> None:
    """Wait until nothing has run for a while: a key pressed while a page is drawn may be lost."""
    for _ in range(3):
        settled(page)
        page.wait_for_timeout(QUIET_MS)
    settled(page)


def console_errors(page: "Page") -> list[str]:
    """Return the errors the page wrote to its console or threw since it was opened."""
    return _troubles[page].console


def foreign_requests(page: "Page") -> list[str]:
    """Return the URLs outside this machine the page asked for since it was opened."""
    return _troubles[page].foreign


def axe_violations(page: "Page") -> list[str]:
    """Return one sentence per broken accessibility rule (WCAG 2.0 to 2.2, levels A and AA)."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": {"type": "tag", "values": WCAG_TAGS}, "resultTypes": ["violations"]}
    response = Axe().run(page, options=options).response
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}; "
        + ", ".join(str(target) for node in rule["nodes"] for target in node["target"])
        for rule in response["violations"]
    ]


def _note_console(trouble: Trouble, message: "ConsoleMessage") -> None:
    if message.type == "error" and not PROBE.search(message.location.get("url", "")):
        trouble.console.append(message.text)


def _note_foreign(trouble: Trouble, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != "127.0.0.1":
        trouble.foreign.append(url)
