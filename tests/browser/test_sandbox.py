"""The Sandbox page."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HEARD
from tests.browser.test_phone import say, wait_until_heard, wait_until_quiet

pytestmark = pytest.mark.browser


def test_talking_without_a_phone(demo_page: Page, question: str) -> None:
    page = demo_page
    page.goto("/sandbox")
    page.get_by_label("Talk to").select_option(index=0)
    page.get_by_role("button", name="Start call").click()
    root, talk = page.locator("#sandbox"), page.locator("#conversation")
    expect(root).to_have_attribute("data-state", "talking", timeout=20_000)
    wait_until_heard(page)
    wait_until_quiet(page)
    asked_at = say(page, question)
    expect(talk.locator("li.user .said").first).to_contain_text(HEARD, timeout=20_000)
    expect(talk.locator("li.model .said").nth(1)).to_contain_text("5 p.m. to 10 p.m.", timeout=20_000)
    wait_until_heard(page, since=asked_at + 1500)
    expect(page.locator("#cost")).to_have_text("free")
    page.get_by_role("button", name="Hang up").click()
    expect(root).to_have_attribute("data-state", "ended")
    page.get_by_role("link", name="View call").click()
    expect(page.locator("h1")).to_have_text("Sandbox call")
    expect(page.get_by_text("Ended normally.")).to_be_visible()
    expect(page.locator("#call-total")).to_have_text("$0.00")


def test_a_different_prompt_for_one_call(demo_page: Page) -> None:
    page = demo_page
    page.goto("/sandbox")
    page.get_by_text("Try another prompt").click()
    page.get_by_label("System prompt").fill("You are the night porter of Hotel Aurora.")
    page.get_by_role("button", name="Start call").click()
    expect(page.locator("#sandbox")).to_have_attribute("data-state", "talking", timeout=20_000)
    page.get_by_role("button", name="Hang up").click()
    page.get_by_role("link", name="View call").click()
    page.get_by_text("System prompt").click()
    expect(page.locator("#prompt pre")).to_have_text("You are the night porter of Hotel Aurora.")
