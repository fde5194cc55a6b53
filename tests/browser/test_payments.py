"""A top-up through Stripe's page in a real browser, with a Stripe that sends each event twice."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.billing.payments import stripe_settings
from tests.fakes.stripe_server import FakeStripe
from tests.jobs import run_jobs

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def allow_event_loop() -> Iterator[None]:
    """Playwright keeps an event loop in this thread. Without this, Django would refuse to truncate tables."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    yield
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def stripe(live_server: Any, settings: Any, empty_redis: object) -> Iterator[FakeStripe]:
    """Sends webhooks to the test's own server, so no whole platform is needed."""
    settings.PUBLIC_URL = live_server.url
    with FakeStripe(webhook_url=f"{live_server.url}/webhooks/stripe", repeats=2) as running:
        settings.STRIPE = stripe_settings(running)
        yield running


@pytest.fixture
def page(chromium: Browser, live_server: Any) -> Iterator[Page]:
    context = chromium.new_context(base_url=live_server.url)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def run_jobs_in_thread() -> None:
    worker = threading.Thread(target=run_jobs)
    worker.start()
    worker.join()


def test_from_the_balance_to_stripe_and_back(page: Page, stripe: FakeStripe) -> None:
    expect.set_options(timeout=60_000)
    page.goto("/signup")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("secret123")
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("link", name="Billing").first.click()
    page.get_by_label("Other", exact=True).check()
    page.get_by_label("Other amount").fill("37.50")
    page.get_by_label("Save this card for automatic top-ups").check()
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.get_by_role("heading", name="Pay $37.50")).to_be_visible()
    page.get_by_label("Card number").fill("5555555555554444")
    page.get_by_role("button", name="Pay").click()
    expect(page.locator("h1")).to_have_text("Billing")

    stripe.wait_until_delivered()
    run_jobs_in_thread()
    page.reload()
    expect(page.get_by_text("+$37.50")).to_have_count(1)
    page.get_by_label("Top up automatically").check()
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("Automatic top-ups are on.")).to_be_visible()
    page.get_by_role("button", name="Remove Mastercard •••• 4444").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove card").click()
    expect(page.get_by_text("Mastercard •••• 4444 removed.")).to_be_visible()
    stripe.wait_until_delivered()
    assert [method["customer"] for method in stripe.account.of_kind("payment_method")] == [None]
    assert {status for _, status in stripe.delivered} == {200}
