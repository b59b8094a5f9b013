"""Every page opens as the first request of a cold process, and loses nothing that was typed."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hitl.store import Store
from tests import browser as chromium
from tests import servers
from tests.e2e.conftest import HEADINGS, on

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext


@pytest.mark.parametrize("path", HEADINGS)
def test_a_page_opened_first_shows_the_frame_and_works(
    path: str, played_database: Path, tmp_path: Path, context: "BrowserContext"
) -> None:
    from playwright.sync_api import expect

    with servers.streamlit_server(on(shutil.copy(played_database, tmp_path / "c.duckdb"))) as app:
        page = chromium.open_page(context, f"{app.url}/{path}")
        expect(page.get_by_role("heading", name=HEADINGS[path], exact=True)).to_be_visible()
        expect(page.locator(".st-key-strip")).to_be_visible()
        expect(page.get_by_test_id("stTopNavLink")).to_have_count(len(HEADINGS))
        chromium.settled(page)
        assert page.url.removeprefix(app.url).strip("/").startswith(path)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        assert chromium.console_errors(page) == []
        assert chromium.foreign_requests(page) == []


def test_decisions_survive_a_kill_and_a_restart(
    played_database: Path, tmp_path: Path, context: "BrowserContext"
) -> None:
    from playwright.sync_api import expect

    path = Path(shutil.copy(played_database, tmp_path / "k.duckdb"))
    with servers.streamlit_server(on(path)) as app:
        page = chromium.open_page(context, f"{app.url}/review")
        page.locator(".st-key-start button").click()
        page.locator(".st-key-verdict-fraud button").wait_for(timeout=60_000)
        chromium.settled(page)
        note = page.get_by_role("textbox", name="Note (optional)")
        note.fill("Caller confirmed it — “not me”")
        page.locator(".st-key-verdict-fraud button").click()
        page.locator(".st-key-reason-3 button").click()
        expect(page.get_by_text("Decided cards-")).to_be_visible()
        app.kill()
    with Store(str(path)) as store:
        decisions = store.view("decisions", workspace="cards", order=("-happened_ms",))
    assert len(decisions) == 6
    assert decisions.iloc[0]["note"] == "Caller confirmed it — “not me”"
    with servers.streamlit_server(on(path)) as app:
        page = chromium.open_page(context, f"{app.url}/review")
        expect(page.locator(".st-key-strip")).to_contain_text("6 decided")


def test_two_keys_typed_at_once_decide_however_fast(
    played_app: servers.App, context: "BrowserContext"
) -> None:
    from playwright.sync_api import expect

    page = chromium.open_page(context, f"{played_app.url}/review")
    page.locator(".st-key-start button").click()
    typed = (
        ("f1", 0, "fraud, matches known fraud"),
        ("l2", 20, "legitimate, new but plausible"),
        ("u3", 50, "unsure, needs a second opinion"),
        ("f2", 0, "fraud, unusual amount or time"),
    )
    for keys, delay, said in typed:
        page.locator(".st-key-verdict-fraud button").wait_for(timeout=60_000)
        chromium.quiet(page)
        page.keyboard.type(keys, delay=delay)
        expect(page.get_by_text(f": {said}.")).to_be_visible()
        expect(page.locator(".st-key-strip")).to_contain_text("6 decided")
        chromium.quiet(page)
        page.keyboard.press("z")
        expect(page.locator(".st-key-strip")).to_contain_text("5 decided")
    chromium.settled(page)
    with page.expect_download() as download:
        page.locator(".st-key-log_download button").click()
    assert download.value.suggested_filename == "decision-log-cards.csv"
    assert chromium.console_errors(page) == []


def test_a_reload_in_the_middle_of_a_case_keeps_the_name_and_the_case(
    played_app: servers.App, context: "BrowserContext"
) -> None:
    from playwright.sync_api import expect

    page = chromium.open_page(context, f"{played_app.url}/review")
    name = page.locator(".st-key-reviewer").get_by_role("textbox")
    name.fill("Mina")
    name.press("Enter")
    chromium.settled(page)
    page.locator(".st-key-start button").click()
    page.locator(".st-key-verdict-fraud button").wait_for(timeout=60_000)
    chromium.settled(page)
    case = page.locator(".st-key-case_header").inner_text()
    page.reload()
    expect(name).to_have_value("Mina")
    expect(page.locator(".st-key-case_header")).to_have_text(case, use_inner_text=True)
