"""A person walks the whole loop on cards, in a real browser on a real server."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from hitl.store import Store
from tests import browser as chromium
from tests import servers

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


HEADER_PX = ROW_PX = 35


def test_a_person_walks_the_whole_loop(
    seeded_app: servers.App, context: "BrowserContext", tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    page = chromium.open_page(context, seeded_app.url)
    expect(page.get_by_role("heading", name="Monitor")).to_be_visible()
    first = champion_named(page)
    name_oneself(page, "Mina")

    # Watch payments being scored until enough wait for a person.
    play_until(page, waiting=6)

    # A click on a scored row explains it; from the list of alerts, open one and read why.
    open_first_row(page, "scored_table")
    page.locator(".st-key-another button").click()
    open_first_row(page, "picker")
    expect(page.get_by_text(re.compile("lagged: the model gives")).first).to_be_visible()
    expect(page.get_by_text(re.compile("residual")).first).to_be_visible()
    expect(page.get_by_text(re.compile("nearest .*known payments")).first).to_be_visible()

    # Decide five with two keys each.
    go(page, "Review")
    page.locator(".st-key-start button").click()
    for number in range(1, 6):
        decide_with_two_keys(page, number)
    expect(page.locator(".st-key-strip")).to_contain_text("5 decided")

    # Retrain, compare, promote.
    go(page, "Retrain")
    page.locator(".st-key-train button").first.click()
    promote = page.locator(".st-key-promote button").first
    expect(promote).to_be_visible(timeout=120_000)
    chromium.settled(page)
    page.locator(".st-key-promotion_reason").get_by_role("textbox").fill("Passes every gate")
    promote.click()
    expect(page.locator(".st-key-strip")).not_to_contain_text(f"champion {first}")
    second = champion_named(page)
    assert second != first

    # The next row is scored by the new model, and its name stands beside it.
    go(page, "Monitor")
    page.locator(".st-key-step button").first.click()
    chromium.settled(page)
    open_first_row(page, "scored_table")
    expect(page.get_by_text(re.compile(f"model .*{second}")).first).to_be_visible()
    assert chromium.console_errors(page) == []
    assert chromium.foreign_requests(page) == []
    page.close()
    seeded_app.kill()
    with Store(str(tmp_path / "s.duckdb")) as store:
        newest = store.view("scored_instances", workspace="cards", order=("-step",), limit=1)
        assert newest.iloc[0]["model_id"] == second
        assert set(store.view("decisions", workspace="cards")["reviewer"]) == {"Mina"}
        assert len(store.view("decisions", workspace="cards")) == 5


def champion_named(page: "Page") -> str:
    strip = page.locator(".st-key-strip")
    strip.get_by_text(re.compile(r"champion m-")).first.wait_for()
    found = re.search(r"champion (m-[0-9a-f]+)", strip.inner_text())
    assert found
    return found.group(1)


def name_oneself(page: "Page", name: str) -> None:
    box = page.locator(".st-key-reviewer").get_by_role("textbox")
    box.fill(name)
    box.press("Enter")
    chromium.settled(page)


def go(page: "Page", title: str) -> None:
    from playwright.sync_api import expect

    page.get_by_test_id("stTopNavLink").get_by_text(title, exact=True).click()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    chromium.settled(page)


def play_until(page: "Page", *, waiting: int) -> None:
    page.locator(".st-key-speed").get_by_role("slider").press("End")
    chromium.settled(page)
    page.locator(".st-key-play button").click()
    page.wait_for_function(
        """n => { const strip = document.querySelector('.st-key-strip');
        const found = strip && strip.innerText.match(/Review\\s+(\\d+) waiting/);
        return found && Number(found[1]) >= n }""",
        arg=waiting,
        timeout=120_000,
    )
    page.locator(".st-key-pause button").click()
    page.locator(".st-key-play button").wait_for()
    chromium.settled(page)


def open_first_row(page: "Page", key: str) -> None:
    """Click the first row of a table; it is drawn on a canvas, so by place."""
    grid = page.locator(f".st-key-{key} canvas").first
    grid.scroll_into_view_if_needed()
    chromium.settled(page)
    box = grid.bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + HEADER_PX + ROW_PX / 2)
    chromium.settled(page)
    page.mouse.down()
    page.wait_for_timeout(100)
    page.mouse.up()
    page.wait_for_url(re.compile(r"/explain\?.*case="))
    chromium.settled(page)


def decide_with_two_keys(page: "Page", number: int) -> None:
    from playwright.sync_api import expect

    page.locator(".st-key-verdict-fraud button").wait_for(timeout=60_000)
    chromium.quiet(page)
    page.locator("body").press("l" if number == 3 else "f")
    expect(page.get_by_text(", because:")).to_be_visible()
    chromium.quiet(page)
    page.locator("body").press("1")
    expect(page.locator(".st-key-strip")).to_contain_text(f"· {number} decided")
    chromium.settled(page)
