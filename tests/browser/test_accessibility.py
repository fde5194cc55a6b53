"""Every page, light and dark: no serious axe-core violations, and no page wider than the screen, from 360 px up."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.browser.pages import PAGES, SIGNED_OUT_PAGES
from tests.flows.platform import Platform

pytestmark = pytest.mark.browser
OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "resultTypes": ["violations"]}
# Tables and tab bars that are cut off. Tables inside a <details> element can scroll.
CUT_OFF = """[...document.querySelectorAll(".table-scroll, .tabs")].filter((box) => !box.closest("details"))
    .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent.trim().slice(0, 40))"""


def complaints(page: Page) -> list[str]:
    """Serious and critical axe-core violations on the current page."""
    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:200]}"
        for violation in found
        if violation["impact"] in {"serious", "critical"}
    ]


def too_wide(page: Page, width: int) -> list[str]:
    """Elements that are cut off or need horizontal scrolling at this width."""
    page.set_viewport_size({"width": width, "height": 900})
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    wide = [f"{over}px too wide at {width}px"] if over > 0 else []
    return wide + [f"{name} is cut off at {width}px" for name in page.evaluate(CUT_OFF)]


@pytest.mark.parametrize(("width", "narrower", "dark"), [(1440, 820, False), (390, 360, True)])
def test_all_pages_are_accessible(
    open_page: Callable[..., Page], platform: Platform, seeded: dict[str, Any], width: int, narrower: int, dark: bool
) -> None:
    page = open_page(width=width, dark=dark)
    found: dict[str, list[str]] = {}
    for name, path in SIGNED_OUT_PAGES.items():
        page.goto(path)
        found[name] = complaints(page)
    sign_in(page, platform)
    for name, path in PAGES.items():
        page.goto(path.format(**seeded))
        expect(page.locator("h1")).to_be_visible()
        found[name] = complaints(page)
        found[name] += too_wide(page, narrower) + too_wide(page, width)
    page.goto("/numbers")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option").first).to_be_visible()
    found["palette"] = complaints(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Account menu").click()
    found["account-menu"] = complaints(page) + too_wide(page, width)
    assert {name: texts for name, texts in found.items() if texts} == {}
