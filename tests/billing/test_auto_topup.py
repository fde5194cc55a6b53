"""Automatic top-ups: one charge each time the balance falls below the threshold, whichever process crashes. A decline turns them off."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import Developer
from billing import ledger
from billing.extension_points import Hold
from billing.models import AutoTopUp, Card, LedgerEntry, Payment
from billing.payments import auto_topup, cards, settlement, sweep
from bubblyphone.core.errors import InvalidRequest
from tests.billing.payments import deliver_all, enable_auto_top_up, save_card, spend
from tests.factories import make_developer, make_phone_number
from tests.fakes.stripe_objects import ASKS_FOR_AUTHENTICATION, DECLINES_LATER, GOOD, NO_FUNDS
from tests.fakes.stripe_server import FakeStripe
from tests.jobs import run_jobs
from webhooks.models import WebhookDelivery

INTENTS = "/v1/payment_intents"


@pytest.fixture
def developer(db: None) -> Developer:
    developer = make_developer(email="jane@example.com")
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(10), key="begin")
    return developer


@pytest.fixture
def card(stripe: FakeStripe, developer: Developer) -> Card:
    return save_card(stripe, developer)


def balance(developer: Developer) -> Decimal:
    return ledger.balance(developer.pk)


def test_one_charge_per_crossing(client: Client, developer: Developer, stripe: FakeStripe, card: Card) -> None:
    enable_auto_top_up(developer)  # below $5: charge $25
    spend(developer, "4")
    assert stripe.posts(INTENTS) == []
    spend(developer, "2", "number:2:2027-01")
    (request,) = stripe.posts(INTENTS)
    payment = Payment.objects.get()
    assert request == {
        "amount": "2500", "currency": "usd", "customer": card.developer.stripe_customer.stripe_id,
        "payment_method": card.stripe_id, "off_session": "true", "confirm": "true", "description": "Automatic top-up",
        "metadata": {"kind": "auto_topup", "payment": str(payment.reference)},
    }  # fmt: skip
    assert balance(developer) == 29
    deliver_all(client, stripe.account.events * 2)
    assert balance(developer) == 29
    entry = LedgerEntry.objects.get(kind="top_up")
    assert (entry.key, entry.description) == (f"payment:{payment.pk}", "Automatic top-up")
    spend(developer, "25", "number:3:2027-01")  # the next time below the threshold
    assert len(stripe.posts(INTENTS)) == 2
    assert balance(developer) == 29


def test_a_rolled_back_debit_is_not_a_crossing(developer: Developer, stripe: FakeStripe, card: Card) -> None:
    enable_auto_top_up(developer)
    with transaction.atomic():
        ledger.post_entry(
            developer_id=developer.pk, key="number:1:x", kind="number_month", amount=Decimal(-9), description="Number"
        )
        transaction.set_rollback(True)
    run_jobs()
    assert (stripe.requests, Payment.objects.count()) == ([], 0)


def test_a_top_up_that_is_too_small_is_followed_by_another_when_it_is_spent(
    developer: Developer, stripe: FakeStripe, card: Card
) -> None:
    enable_auto_top_up(developer, threshold=100, amount=10)  # the balance is immediately below it
    run_jobs()
    assert (len(stripe.posts(INTENTS)), balance(developer)) == (1, 20)
    spend(developer, "9", "number:1:x")
    assert len(stripe.posts(INTENTS)) == 1
    spend(developer, "2", "number:2:x")  # $9: less than at the previous charge
    assert (len(stripe.posts(INTENTS)), balance(developer)) == (2, 19)
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(90), key="much")
    spend(developer, "10", "number:3:x")  # from $109 to $99: below the threshold again
    assert len(stripe.posts(INTENTS)) == 3


def test_a_large_debt_is_not_charged_repeatedly(developer: Developer, stripe: FakeStripe, card: Card) -> None:
    enable_auto_top_up(developer, threshold=5, amount=10)
    spend(developer, "60")
    sweep.sweep()
    run_jobs()
    assert (len(stripe.posts(INTENTS)), balance(developer)) == (1, -40)


def test_holds_of_running_calls_count(
    developer: Developer, stripe: FakeStripe, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.ledger.HOLDS", [Hold(six_dollars, six_dollars)])
    enable_auto_top_up(developer)
    sweep.sweep()
    run_jobs()
    assert balance(developer) == 35


def six_dollars(developer_id: int) -> Decimal:
    """Replaces the holds of running calls."""
    return Decimal(6)


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (DECLINES_LATER, "generic_decline", "the card was declined"),
        (NO_FUNDS, "insufficient_funds", "the card has insufficient funds"),
        (ASKS_FOR_AUTHENTICATION, "authentication_required", "your bank requires you to confirm the payment"),
    ],
)
def test_a_declined_card_turns_it_off_and_notifies_once(
    client: Client, developer: Developer, stripe: FakeStripe, number: str, code: str, text: str
) -> None:
    save_card(stripe, developer, number)
    for e164 in ("+14155550001", "+14155550002"):
        make_phone_number(developer=developer, e164=e164, webhook_url="https://agent.example.com/hook")
    enable_auto_top_up(developer)
    spend(developer, "6")
    deliver_all(client, stripe.account.events * 2)  # payment_intent.payment_failed
    sweep.sweep()
    spend(developer, "1", "number:2:x")
    run_jobs()
    assert len(stripe.posts(INTENTS)) == 1
    assert balance(developer) == 3
    found = AutoTopUp.objects.get()
    assert (found.enabled, found.failure_code, found.threshold, found.amount) == (False, code, 5, 25)
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["jane@example.com"], "Your automatic top-up of $25.00 failed")
    assert text in message.body
    (delivery,) = WebhookDelivery.objects.filter(event_type="billing.auto_topup.failed")
    assert f'"reason":"{code}"' in delivery.body
    assert delivery.url == "https://agent.example.com/hook"
    # After it is turned on again, it starts over.
    enable_auto_top_up(developer)
    run_jobs()
    assert len(stripe.posts(INTENTS)) == 2


def test_a_card_that_was_deleted_at_stripe(developer: Developer, stripe: FakeStripe, card: Card) -> None:
    stripe.account.objects[card.stripe_id]["customer"] = None
    enable_auto_top_up(developer)
    spend(developer, "6")
    assert not Card.objects.exists()
    assert AutoTopUp.objects.get().failure_code == "resource_missing"


def test_it_waits_for_a_card(client: Client, developer: Developer, stripe: FakeStripe) -> None:
    enable_auto_top_up(developer)
    spend(developer, "6")
    assert (AutoTopUp.objects.get().enabled, stripe.requests) == (True, [])
    save_card(stripe, developer)
    sweep.sweep()
    run_jobs()
    assert balance(developer) == 29
    cards.remove(developer=developer, pk=Card.objects.get().pk)
    assert not AutoTopUp.objects.get().enabled  # there is nothing to charge


def test_turning_it_on_requires_threshold_and_amount(developer: Developer, stripe: FakeStripe) -> None:
    with pytest.raises(InvalidRequest) as raised:
        auto_topup.configure(developer=developer, enabled=True, threshold=Decimal(5))
    assert list(raised.value.errors) == ["amount"]
    assert not AutoTopUp.objects.exists()
    auto_topup.configure(developer=developer, enabled=False, threshold=Decimal(5), amount=Decimal(10))
    assert auto_topup.configure(developer=developer, enabled=True).amount == 10


# --- crashes ----------------------------------------------------------------------------------------------------------
class Killed(BaseException):
    """Stands for a crashed process."""


@pytest.fixture
def crossed(developer: Developer, stripe: FakeStripe, card: Card) -> Payment:
    """The balance is below the threshold, and the job is queued."""
    enable_auto_top_up(developer)
    ledger.post_entry(
        developer_id=developer.pk, key="number:1:x", kind="number_month", amount=Decimal(-6), description="Number"
    )
    return Payment.objects.get(status="pending")


@pytest.fixture
def later() -> datetime:
    return timezone.now() + timedelta(minutes=2)


def recovered(developer: Developer, stripe: FakeStripe) -> bool:
    """Whether the outcome is the same as without a crash: charged once, credited once."""
    intents = stripe.account.of_kind("payment_intent")
    return (len(intents), balance(developer), LedgerEntry.objects.filter(kind="top_up").count()) == (1, Decimal(29), 1)


def test_a_crash_before_the_job_runs(
    crossed: Payment, developer: Developer, stripe: FakeStripe, later: datetime
) -> None:
    OrmQ.objects.all().delete()
    sweep.sweep(later)
    run_jobs()
    assert recovered(developer, stripe)


def test_a_crash_before_stripe_s_response_arrives(
    crossed: Payment, developer: Developer, stripe: FakeStripe, later: datetime
) -> None:
    stripe.broken.add(f"POST {INTENTS}")
    run_jobs()
    crossed.refresh_from_db()
    assert (crossed.status, balance(developer)) == ("pending", 4)
    sweep.sweep(later)  # still unreachable
    stripe.broken.clear()
    sweep.sweep(later)
    assert recovered(developer, stripe)
    assert len(stripe.answers) == 1  # the same key for all attempts


def test_a_crash_before_stripe_s_response_is_stored(
    crossed: Payment, developer: Developer, stripe: FakeStripe, later: datetime, settings: Any
) -> None:
    settings.FAIL_ON_WAIT_IN_TRANSACTION = False  # the rollback simulates the crash
    try:
        with transaction.atomic():
            auto_topup.charge(crossed.pk)
            raise Killed
    except Killed:
        pass
    assert balance(developer) == 4
    sweep.sweep(later)
    run_jobs()
    assert recovered(developer, stripe)


def test_the_webhook_arrives_before_the_retry_after_a_crash(
    client: Client, crossed: Payment, developer: Developer, stripe: FakeStripe, later: datetime
) -> None:
    stripe.broken.add(f"POST {INTENTS}")
    run_jobs()
    stripe.broken.clear()
    deliver_all(client, stripe.account.events)
    assert recovered(developer, stripe)
    sweep.sweep(later)
    run_jobs()
    assert recovered(developer, stripe)


@pytest.mark.parametrize("was_charged", [True, False])
def test_an_outage_longer_than_stripe_keeps_idempotency_keys(
    crossed: Payment, developer: Developer, stripe: FakeStripe, was_charged: bool
) -> None:
    """We then ask Stripe for the payment's outcome instead of requesting it again."""
    OrmQ.objects.all().delete()
    if was_charged:
        stripe.broken.add(f"POST {INTENTS}")
        auto_topup.charge(crossed.pk)
        stripe.broken.clear()
    stripe.answers.clear()
    posted = len(stripe.posts(INTENTS))
    sweep.sweep(timezone.now() + timedelta(days=2))
    run_jobs()
    assert len(stripe.posts(INTENTS)) == posted
    assert recovered(developer, stripe) == was_charged
    assert AutoTopUp.objects.get().enabled == was_charged


def test_a_charge_that_was_given_up_and_succeeds_later(
    client: Client, crossed: Payment, developer: Developer, stripe: FakeStripe
) -> None:
    auto_topup.fail(crossed.pk, "not_charged")
    stripe.account.charge_off_session(
        {
            "amount": "2500", "currency": "usd", "customer": developer.stripe_customer.stripe_id,
            "payment_method": crossed.stripe_card_id, "metadata": {"payment": str(crossed.reference)},
        }
    )  # fmt: skip
    deliver_all(client, stripe.account.events)
    assert recovered(developer, stripe)
    assert not settlement.close(crossed.pk, "failed")
    assert stripe.account.numbers[crossed.stripe_card_id] == GOOD


def test_cards_of_deactivated_accounts_are_not_charged(developer: Developer, stripe: FakeStripe, card: Card) -> None:
    enable_auto_top_up(developer)
    Developer.objects.filter(pk=developer.pk).update(is_active=False)
    spend(developer, "6")
    sweep.sweep()
    run_jobs()
    assert (stripe.posts(INTENTS), Payment.objects.count(), balance(developer)) == ([], 0, 4)
    Developer.objects.filter(pk=developer.pk).update(is_active=True)
    sweep.sweep()
    Developer.objects.filter(pk=developer.pk).update(
        is_active=False
    )  # after the payment was created, before its job runs
    run_jobs()
    assert (stripe.posts(INTENTS), Payment.objects.get().status) == ([], "pending")
    Developer.objects.filter(pk=developer.pk).update(is_active=True)
    sweep.sweep(timezone.now() + timedelta(minutes=30))
    assert (len(stripe.posts(INTENTS)), balance(developer)) == (1, 29)
