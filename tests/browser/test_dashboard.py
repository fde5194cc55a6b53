"""The dashboard in a real browser: what the test client cannot see."""

from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.flows.platform import Platform

pytestmark = pytest.mark.browser
PATHS = [
    "/", "/numbers", "/numbers/1", "/numbers/buy?country=US&number_type=local&area_code=&contains=", "/calls", "/api-keys",
    "/billing", "/phone", "/sandbox",
]  # fmt: skip


@pytest.mark.parametrize(("width", "dark"), [(360, False), (390, True), (820, False), (1280, True), (1920, False)])
def test_pages_fit_every_screen(open_page: Callable[..., Page], platform: Platform, width: int, dark: bool) -> None:
    page = open_page(width=width, dark=dark)
    sign_in(page, platform)
    for path in PATHS:
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{path} at {width}px is {too_wide}px too wide"


def test_a_newcomer_from_sign_up_to_a_configured_number(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto("/signup")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example.com")
    page.get_by_label("Password").fill("secret123")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="First steps")).to_be_visible()
    page.get_by_role("link", name="Billing").first.click()
    page.get_by_role("button", name="Add test credit").click()
    expect(page.get_by_text("Test credit added.")).to_be_visible()

    page.goto("/numbers")
    page.get_by_role("link", name="Buy a number").first.click()
    page.get_by_label("Area code").fill("212")
    page.get_by_role("button", name="Search").click()
    row = page.locator("tbody tr").first
    shown = row.locator("strong").inner_text()
    assert shown.startswith("+1 212-555-")
    row.get_by_role("button", name="Buy").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Taken from your balance now")
    dialog.get_by_label("Name").fill("Bakery")
    dialog.get_by_role("button", name="Buy for $6.00").click()
    expect(page.locator("h1")).to_have_text(shown)
    assert page.get_by_role("textbox", name="Webhook secret").input_value().startswith("whsec_")

    page.get_by_label("Who answers").select_option("streaming")
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator(".errorlist")).to_contain_text("A system prompt is required")
    page.get_by_label("System prompt").fill("You are a baker. A loaf costs 3 dollars.")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Saved. It holds from the next call on.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Webhook secret")).to_have_count(0)

    page.get_by_role("button", name="Release this number").click()
    page.get_by_role("dialog").get_by_role("button", name="Release number").click()
    expect(page.get_by_text("The number is released.")).to_be_visible()
    expect(page.get_by_text("No numbers yet")).to_be_visible()


def test_an_api_key_works_until_it_is_revoked(demo_page: Page, api: httpx2.Client) -> None:
    page = demo_page
    page.goto("/api-keys")
    page.get_by_label("Name of the key").fill("From the page")
    page.get_by_role("button", name="Create key").click()
    key = page.get_by_label("New API key").input_value()
    headers = {"Authorization": f"Bearer {key}"}
    assert api.get("/auth/me", headers=headers).status_code == 200
    row = page.get_by_role("row", name="From the page")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("The key is revoked.")).to_be_visible()
    assert api.get("/auth/me", headers=headers).status_code == 401
