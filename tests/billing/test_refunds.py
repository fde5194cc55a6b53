"""Refunds and disputes: money returned at Stripe leaves the balance, and recovered money is added again."""

from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import Developer
from billing import ledger
from billing.models import AutoTopUp, LedgerEntry
from billing.payments import sweep
from tests.billing.payments import begin_top_up, deliver_all, enable_auto_top_up, spend
from tests.factories import make_developer
from tests.fakes.stripe_objects import StripeObject
from tests.fakes.stripe_server import FakeStripe
from tests.jobs import run_jobs


@pytest.fixture
def developer(db: None) -> Developer:
    return make_developer()


@pytest.fixture
def paid(client: Client, developer: Developer, stripe: FakeStripe) -> str:
    """A top-up of $20. Returns its payment intent."""
    intent: str = stripe.account.pay_session(begin_top_up(developer)[1])["payment_intent"]
    deliver_all(client, stripe.account.events)
    stripe.account.events.clear()
    return intent


def entries(developer: Developer) -> list[tuple[str, Decimal, str]]:
    rows = LedgerEntry.objects.filter(developer=developer).exclude(kind="top_up").order_by("pk")
    return list(rows.values_list("kind", "amount", "description"))


def of_kinds(stripe: FakeStripe, *kinds: str) -> list[StripeObject]:
    return [event for event in stripe.account.events if event["type"] in kinds]


@pytest.mark.parametrize(
    "kinds",
    [
        ["refund.created"],
        ["charge.refunded"],
        ["charge.refunded", "refund.created"],
        ["refund.created", "charge.refunded"],
    ],
)
def test_partial_and_full_refunds(
    client: Client, developer: Developer, stripe: FakeStripe, paid: str, kinds: list[str]
) -> None:
    """Stripe can be configured to send either report, or both."""
    for amount in (500, 1500):
        stripe.account.refund(paid, amount)
        by_kind = {event["type"]: event for event in stripe.account.events}
        deliver_all(client, [by_kind[kind] for kind in kinds])
    text = "Refund: top-up of $20.00"
    assert entries(developer) == [("refund", Decimal(-5), text), ("refund", Decimal(-15), text)]
    assert ledger.balance(developer.pk) == 0


def test_a_failed_refund_is_credited_again(client: Client, developer: Developer, stripe: FakeStripe, paid: str) -> None:
    refund = stripe.account.refund(paid, 500)
    deliver_all(client, stripe.account.events)
    stripe.account.fail_refund(refund["id"])
    deliver_all(client, stripe.account.events)
    assert [row[1] for row in entries(developer)] == [Decimal(-5), Decimal(5)]
    assert entries(developer)[1][2] == "Refund failed: top-up of $20.00"


@pytest.mark.parametrize(("outcome", "left"), [("lost", 0), ("won", 20)])
def test_disputes(client: Client, developer: Developer, stripe: FakeStripe, paid: str, outcome: str, left: int) -> None:
    dispute = stripe.account.dispute(paid)
    deliver_all(client, stripe.account.events)
    assert ledger.balance(developer.pk) == 0
    stripe.account.close_dispute(dispute["id"], outcome)
    deliver_all(client, stripe.account.events[::-1])
    assert ledger.balance(developer.pk) == left
    assert {row[0] for row in entries(developer)} == {"dispute"}


def test_a_bank_inquiry_charges_nothing(client: Client, developer: Developer, stripe: FakeStripe, paid: str) -> None:
    dispute = stripe.account.dispute(paid, "warning_needs_response")
    stripe.account.close_dispute(dispute["id"], "warning_closed")
    deliver_all(client, stripe.account.events)
    assert entries(developer) == []


def test_a_refund_reported_before_its_payment(client: Client, developer: Developer, stripe: FakeStripe) -> None:
    intent = stripe.account.pay_session(begin_top_up(developer)[1])["payment_intent"]
    stripe.account.refund(intent, 500)
    early = of_kinds(stripe, "refund.created")
    deliver_all(client, early)
    assert entries(developer) == []
    deliver_all(client, stripe.account.events)
    assert ledger.balance(developer.pk) == 15
    assert [row[1] for row in entries(developer)] == [Decimal(-5)]


def test_a_refund_can_make_the_balance_negative(
    client: Client, developer: Developer, stripe: FakeStripe, paid: str
) -> None:
    """Credit that was already spent becomes debt."""
    ledger.post_entry(
        developer_id=developer.pk, key="number:1:2027-01", kind="number_month", amount=Decimal(-3), description="Number"
    )
    stripe.account.refund(paid)
    deliver_all(client, stripe.account.events)
    assert ledger.balance(developer.pk) == -3


def test_a_refund_does_not_trigger_an_automatic_top_up(
    client: Client, developer: Developer, stripe: FakeStripe, paid: str
) -> None:
    run_jobs()  # saves the card
    enable_auto_top_up(developer, threshold=5)
    stripe.account.refund(paid, 1800)
    deliver_all(client, stripe.account.events)
    sweep.sweep()
    run_jobs()
    assert (stripe.posts("/v1/payment_intents"), ledger.balance(developer.pk)) == ([], 2)
    spend(developer, "0.04")
    assert ledger.balance(developer.pk) == Decimal("26.96")


def test_a_dispute_turns_off_automatic_top_ups(
    client: Client, developer: Developer, stripe: FakeStripe, paid: str
) -> None:
    run_jobs()  # saves the card
    enable_auto_top_up(developer, threshold=5)
    stripe.account.dispute(paid)
    deliver_all(client, stripe.account.events)
    sweep.sweep()
    run_jobs()
    assert (stripe.posts("/v1/payment_intents"), ledger.balance(developer.pk)) == ([], 0)
    found = AutoTopUp.objects.get()
    assert (found.enabled, found.failure_code) == (False, "disputed")
