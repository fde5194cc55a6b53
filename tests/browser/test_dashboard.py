"""The dashboard in a real browser: behavior that the test client cannot see."""

import re
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser


def test_an_api_key_works_until_it_is_revoked(demo_page: Page, api: httpx2.Client) -> None:
    page = demo_page
    page.goto("/api-keys")
    page.get_by_label("Key name").fill("From the page")
    page.get_by_role("button", name="Create key").click()
    key = page.get_by_label("New API key").input_value()
    headers = {"Authorization": f"Bearer {key}"}
    assert api.get("/auth/me", headers=headers).status_code == 200
    row = page.get_by_role("row", name="From the page")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("API key revoked.")).to_be_visible()
    assert api.get("/auth/me", headers=headers).status_code == 401


def test_a_webhook_can_be_resent_from_its_call(demo_page: Page, seeded: dict[str, Any]) -> None:
    page = demo_page
    page.goto(f"/calls/{seeded['call']}")
    entry = page.locator(".log li", has_text="upstream is down")
    entry.locator("summary").click()
    expect(entry.get_by_text("upstream is down")).to_be_visible()
    entry.get_by_role("button", name="Resend").click()
    expect(page.locator("#messages")).to_contain_text("Resending the webhook.")
    expect(entry.locator("details")).to_have_attribute("open", "")  # the entry is still open


def test_the_recording_plays_in_sync_with_the_page(demo_page: Page, seeded: dict[str, Any]) -> None:
    page = demo_page
    page.goto(f"/calls/{seeded['call']}")
    page.locator(".chat .user .at").nth(1).click()
    expect(page.locator("#clock")).to_contain_text("0:20 / 0:38")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#clock")).to_contain_text(re.compile("0:2[2-8] / 0:38"))  # it plays on from there
    expect(page.locator(".chat .model.now")).to_contain_text("Dogs are welcome")
    page.get_by_role("button", name="Pause").click()
    stopped = int(page.locator("#clock").inner_text()[2:4])
    page.get_by_role("button", name="Play").press("ArrowRight")
    expect(page.locator("#clock")).to_have_text(re.compile(f"0:({stopped + 5}|{stopped + 6}) / 0:38"))


def test_the_palette_works_with_the_keyboard(demo_page: Page) -> None:
    demo_page.goto("/numbers")
    link, active = demo_page.get_by_role("link", name="Secrets"), demo_page.locator("#palette [aria-selected=true]")
    query = demo_page.get_by_role("combobox", name="Search pages")
    link.focus()
    demo_page.keyboard.press("Control+k")
    expect(query).to_be_focused()
    expect(active).to_have_text("Overview")
    for key, title in (("ArrowDown", "Numbers"), ("ArrowUp", "Overview"), ("ArrowUp", "Live calls guide")):
        demo_page.keyboard.press(key)
        expect(active).to_have_text(title)
    expect(query).to_have_attribute("aria-activedescendant", str(active.get_attribute("id")))
    demo_page.keyboard.press("Escape")
    expect(query).to_be_hidden()
    expect(link).to_be_focused()
    demo_page.keyboard.press("Control+k")
    expect(active).to_have_text("Overview")
    # The response arrives after Enter, which then applies to the typed text and not to the previous results.
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    demo_page.route("**/palette?q=charts", hold)
    with demo_page.expect_request("**/palette?q=charts"):
        query.fill("charts")
    demo_page.keyboard.press("Enter")
    expect(active).to_have_text("Overview")
    held[0].continue_()
    demo_page.wait_for_url("**/calls/charts")
