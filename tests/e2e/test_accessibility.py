"""Every page passes axe in light and dark, and a case can be read by keyboard alone."""

from typing import TYPE_CHECKING

import pytest

from tests import browser as chromium
from tests import servers
from tests.e2e.conftest import HEADINGS

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

GROUND = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
FOCUSED = """(() => {
  const part = document.activeElement.closest('[class*=st-key-]');
  return part ? [...part.classList].find(name => name.startsWith('st-key-')) : '';
})()"""
"""The key of the part that has the keyboard."""


def violations(page: "Page") -> list[str]:
    """Give what axe finds in light and in dark, and what the console complains of."""
    found, light = chromium.axe_violations(page), page.evaluate(GROUND)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{GROUND} !== '{light}'")
    chromium.settled(page)
    found += [f"dark: {one}" for one in chromium.axe_violations(page)]
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"{GROUND} === '{light}'")
    return found + chromium.console_errors(page)


@pytest.mark.parametrize("workspace", ["cards", "payments", "story"])
def test_every_page_is_accessible_in_light_and_dark(
    played_app: servers.App, context: "BrowserContext", workspace: str
) -> None:
    from playwright.sync_api import expect

    found = {}
    for path in (*HEADINGS, f"explain?case={workspace}-1-3&try=true"):
        joined = "&" if "?" in path else "?"
        page = chromium.open_page(context, f"{played_app.url}/{path}{joined}workspace={workspace}")
        heading = page.get_by_role("heading", name=HEADINGS[path.split("?")[0]], exact=True)
        expect(heading).to_be_visible()
        chromium.settled(page)
        found[path] = violations(page)
        page.close()
    assert {path: trouble for path, trouble in found.items() if trouble} == {}


def test_a_case_is_read_by_keyboard_down_to_how_its_second_opinion_was_made(
    played_app: servers.App, context: "BrowserContext"
) -> None:
    from playwright.sync_api import expect

    page = chromium.open_page(context, f"{played_app.url}/explain?workspace=cards&case=cards-1-80")
    expect(page.get_by_role("heading", name="A second opinion: LIME")).to_be_visible()
    chromium.quiet(page)
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
        if reached[-1] == "st-key-making":
            break
    parts = ["st-key-case_links", "st-key-similar_by", "st-key-similar", "st-key-lime_variant"]
    assert [part for part in dict.fromkeys(reached) if part in parts] == parts
    page.keyboard.press("Enter")
    expect(page.get_by_text("5. Is a shorter line enough?")).to_be_visible()
    chromium.quiet(page)
    page.locator(".st-key-similar_by input").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("alerts with the most similar reasons")).to_be_visible()
    chromium.quiet(page)
    assert violations(page) + chromium.foreign_requests(page) == []
