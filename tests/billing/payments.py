"""Helpers for a developer who pays through the fake Stripe."""

from collections.abc import Iterable
from decimal import Decimal

import httpx2
from django.test import Client

from accounts.models import Developer
from billing import ledger
from billing.models import AutoTopUp, Card, Payment, StripeCustomer
from billing.payments import auto_topup, checkout
from tests.fakes.stripe_objects import GOOD, StripeObject
from tests.fakes.stripe_server import KEY, SECRET, FakeStripe, signed
from tests.jobs import run_jobs

WEBHOOK = "/webhooks/stripe"


def stripe_settings(stripe: FakeStripe) -> dict[str, str]:
    """settings.STRIPE for the fake Stripe."""
    return {"secret_key": KEY, "webhook_secret": SECRET, "api_base": stripe.url}


def deliver(client: Client, event: StripeObject) -> int:
    """Deliver an event. Returns the status of our response."""
    body, headers = signed(event)
    return client.post(WEBHOOK, body, content_type="application/json", headers=headers).status_code


def deliver_all(client: Client, events: Iterable[StripeObject]) -> None:
    for event in list(events):
        assert deliver(client, event) == 200


def begin_top_up(developer: Developer, amount: str = "20", *, saves_card: bool = True) -> tuple[Payment, str]:
    """Returns a payment and the ID of its Checkout session."""
    checkout.start_top_up(developer=developer, amount=Decimal(amount), saves_card=saves_card)
    payment = Payment.objects.filter(developer=developer).latest("pk")
    assert payment.stripe_session_id is not None
    return payment, payment.stripe_session_id


def save_card(stripe: FakeStripe, developer: Developer, number: str = GOOD) -> Card:
    """A card saved at Stripe, as after a top-up with it."""
    customer = stripe.account.make("cus", "customer", email=developer.email)
    StripeCustomer.objects.create(developer=developer, stripe_id=customer["id"])
    method = stripe.account.add_card(number, customer["id"])
    return Card.objects.create(
        developer=developer, stripe_id=method["id"], brand="visa", last_four=number[-4:], is_default=True
    )


def enable_auto_top_up(developer: Developer, threshold: int = 5, amount: int = 25) -> AutoTopUp:
    return auto_topup.configure(developer=developer, enabled=True, threshold=Decimal(threshold), amount=Decimal(amount))


def spend(developer: Developer, amount: str, key: str = "number:1:2027-01") -> None:
    """Post a debit, and run the jobs it triggers."""
    ledger.post_entry(
        developer_id=developer.pk, key=key, kind="number_month", amount=-Decimal(amount), description="Number"
    )
    run_jobs()


def post_signed(url: str, event: StripeObject) -> int:
    """Deliver an event over a real connection."""
    body, headers = signed(event)
    return httpx2.post(
        url + WEBHOOK, content=body, headers=headers, timeout=30, trust_env=False, verify=False
    ).status_code
