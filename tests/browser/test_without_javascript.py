"""The dashboard in a browser without JavaScript: everything works except features that need a microphone, and the palette."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.in_process import open_browser, open_page
from tests.fakes.exchange_thread import ExchangeThread
from tests.pages.conftest import configure_carrier, exchange

__all__ = ["configure_carrier", "exchange"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis")]


def press(page: Page | Locator, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def shown(page: Page) -> str:
    """All visible text. (Playwright's own search skips <noscript>, which is visible here.)"""
    return page.locator("body").inner_text()


def build_an_agent(page: Page) -> None:
    page.goto("/signup")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("secret123")
    press(page, "Create account")
    press(page, "Receptionist")
    expect(page.get_by_role("link", name="Review changes")).to_have_count(0)
    assert "Testing requires JavaScript." in shown(page)
    page.get_by_label("Name", exact=True).first.fill("Baker")
    press(page, "Save draft")
    page.get_by_role("link", name="Review changes").click()
    expect(page.locator(".diff ins")).to_contain_text("Baker")
    press(page, "Publish")
    expect(page.get_by_text("Version 2 is live")).to_be_visible()


def buy_a_number(page: Page) -> None:
    page.get_by_role("link", name="get a phone number").click()
    page.get_by_role("link", name=re.compile("^Buy ")).first.click()
    press(page, "Add $20.00 test credit")
    expect(page.get_by_label("Who answers?").locator("option:checked")).to_have_text("Baker")
    press(page, "Buy for $6.00")
    assert page.get_by_role("textbox", name="Webhook secret").input_value().startswith("whsec_")


def call_someone(page: Page) -> None:
    page.goto("/calls/new")
    page.get_by_label("Number to call").fill("+1 202 555 0123")
    page.get_by_label("Who speaks?").select_option(label="Baker")
    page.locator("#place-call .form-foot .button").click()
    expect(page.locator("h1")).to_have_text("Call to +1 202-555-0123")
    press(page, "Hang up")
    expect(page.locator("#messages")).to_contain_text("Hanging up.")


def find_the_call(page: Page, folder: Path) -> None:
    page.goto("/calls")
    page.get_by_label("Direction").select_option("outbound")
    page.locator("noscript .button").click()
    expect(page.locator("#calls tbody tr")).to_have_count(1)
    press(page, "Save view…")
    page.get_by_role("dialog").get_by_label("Name").fill("Outbound")
    press(page.get_by_role("dialog"), "Save view")
    expect(page.get_by_role("link", name="Outbound")).to_have_attribute("aria-current", "page")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(folder / "calls.csv")
    assert "+12025550123" in (folder / "calls.csv").read_text()


def test_everything_works_without_javascript(
    exchange: ExchangeThread, live_server: Any, settings: Any, chromium_path: str, tmp_path: Path
) -> None:
    settings.DEMO, settings.STRIPE = True, {**settings.STRIPE, "secret_key": ""}  # gives test credit
    settings.EXCHANGE_URL = exchange.exchange.url
    with (
        open_browser(chromium_path) as browser,
        open_page(browser, live_server.url, java_script_enabled=False) as page,
    ):
        build_an_agent(page)
        buy_a_number(page)
        call_someone(page)
        find_the_call(page, tmp_path)
        for path, words in (("/phone", "Phone requires JavaScript."), ("/sandbox", "The sandbox requires JavaScript.")):
            page.goto(path)
            assert words in shown(page)
            expect(page.get_by_role("button", name="Search")).to_have_count(0)  # the palette's
        page.goto("/account/notifications")
        box = page.locator(".tick input").first
        box.set_checked(not box.is_checked(), force=True)
        press(page, "Save notifications")
        expect(page.locator("#messages")).to_be_visible()
        page.goto("/api-keys")
        page.get_by_label("Key name").fill("Production")
        press(page, "Create key")
        press(page, "Revoke")
        press(page, "Revoke key")
        expect(page.get_by_text("API key revoked.")).to_be_visible()
        press(page, "Account menu")
        press(page, "Sign out")
        expect(page).to_have_url(re.compile("/$|/login"))
