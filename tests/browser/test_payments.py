"""A top-up through Stripe's page in a real browser, with the platform's own processes and a Stripe of the test's."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.fakes.stripe_server import KEY, SECRET, FakeStripe
from tests.flows.platform import Platform

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stripe() -> Iterator[FakeStripe]:
    """Reports each event twice."""
    with FakeStripe(repeats=2) as running:
        yield running


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, stripe: FakeStripe) -> Iterator[Platform]:
    """In place of the browser tests' own: this one has keys."""
    folder: Path = tmp_path_factory.mktemp("paying-platform")
    started = Platform(folder, STRIPE_SECRET_KEY=KEY, STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_API_BASE=stripe.url)
    stripe.webhook_url = f"{started.url}/webhooks/stripe"
    try:
        started.start()
        yield started
    finally:
        started.stop()


def test_from_the_balance_to_stripe_and_back(
    open_page: Callable[..., Page], platform: Platform, stripe: FakeStripe
) -> None:
    page = open_page(microphone=False)
    sign_in(page, platform)
    page.goto("/billing")
    page.get_by_text("Other", exact=True).click()
    page.get_by_label("Other amount").fill("37.50")
    page.get_by_label("Keep the card for automatic top-ups").check()
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.get_by_role("heading", name="Pay $37.50")).to_be_visible()
    page.get_by_label("Card number").fill("5555555555554444")
    page.get_by_role("button", name="Pay").click()

    expect(page.locator("h1")).to_have_text("Billing")
    # The webhook and the job that looks at the card take a moment.
    for text in ("+$37.50", "Mastercard •••• 4444"):
        page.wait_for_function(
            "text => document.body.innerText.includes(text) || (location.reload(), false)", arg=text, polling=500
        )
    expect(page.get_by_text("+$37.50")).to_have_count(1)

    page.get_by_label("Top up automatically").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Automatic top-ups are on.")).to_be_visible()
    page.get_by_role("button", name="Remove Mastercard •••• 4444").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove card").click()
    expect(page.get_by_text("Mastercard •••• 4444 is removed.")).to_be_visible()
    assert [one["customer"] for one in stripe.account.of_kind("payment_method")] == [None]
    assert {status for _, status in stripe.delivered} == {200}
