"""Top-ups: only Stripe's signed webhooks add credit, exactly once, whatever their order, repetition or delay."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from djstripe.models import Event, WebhookEventTrigger
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import Developer
from billing import ledger, ledger_verification
from billing.models import Card, LedgerEntry, Payment, StripeCustomer
from billing.payments import cards, checkout, settlement, sweep
from billing.payments.stripe_events import HANDLERS
from bubblyphone.core.errors import InvalidRequest, UpstreamFailed
from tests.billing.payments import begin_top_up, deliver, deliver_all, post_signed
from tests.factories import make_developer
from tests.fakes.stripe_server import FakeStripe, signed
from tests.jobs import run_jobs

# Tests truncate tables, so this protection is off.
KNOWN = ["the ledger is not protected: its trigger ledger_is_never_emptied is missing or disabled"]


@pytest.fixture
def developer(db: None) -> Developer:
    return make_developer(name="Jane", email="jane@example.com")


def balance(developer: Developer) -> Decimal:
    return ledger.balance(developer.pk)


def test_a_top_up_from_the_button_to_the_credit(client: Client, developer: Developer, stripe: FakeStripe) -> None:
    payment, session = begin_top_up(developer, "20")
    (request,) = stripe.posts("/v1/checkout/sessions")
    assert request["payment_intent_data"]["setup_future_usage"] == "off_session"
    assert request["metadata"] == {"kind": "topup", "payment": str(payment.reference)}
    assert stripe.posts("/v1/customers")[0]["email"] == "jane@example.com"

    stripe.account.pay_session(session)
    assert balance(developer) == 0  # paid, but only the webhook adds credit
    deliver_all(client, stripe.account.events)
    assert balance(developer) == 20
    (entry,) = LedgerEntry.objects.filter(developer=developer)
    assert (entry.key, entry.kind, entry.description) == (f"payment:{payment.pk}", "top_up", "Balance top-up")
    run_jobs()
    card = Card.objects.get(developer=developer)
    assert (card.brand, card.last_four, card.expires, card.is_default) == ("visa", "4242", "2031-03", True)
    payment.refresh_from_db()
    assert (payment.status, payment.card) == ("succeeded", "Visa •••• 4242")
    assert ledger_verification.find_problems() == KNOWN

    begin_top_up(developer, "5", saves_card=False)
    assert len(stripe.posts("/v1/customers")) == 1  # the customer is reused
    assert "setup_future_usage" not in stripe.posts("/v1/checkout/sessions")[1]["payment_intent_data"]


def test_a_card_is_saved_only_on_request(client: Client, developer: Developer, stripe: FakeStripe) -> None:
    _, session = begin_top_up(developer, saves_card=False)
    stripe.account.pay_session(session)
    deliver_all(client, stripe.account.events)
    run_jobs()
    assert Payment.objects.get(developer=developer).card == "Visa •••• 4242"
    assert not Card.objects.exists()


ORDERS = [
    ["payment_intent.succeeded", "checkout.session.completed"],
    ["checkout.session.completed", "payment_intent.succeeded"],
    ["checkout.session.completed"],
    ["payment_intent.succeeded"],
    ["checkout.session.expired", "payment_intent.succeeded"],
]


@pytest.mark.parametrize("kinds", ORDERS)
def test_either_event_is_enough(client: Client, developer: Developer, stripe: FakeStripe, kinds: list[str]) -> None:
    _, session = begin_top_up(developer)
    stripe.account.pay_session(session)
    stripe.account.announce("checkout.session.expired", {**stripe.account.objects[session], "status": "expired"})
    by_kind = {event["type"]: event for event in stripe.account.events}
    deliver_all(client, [by_kind[kind] for kind in kinds for _ in range(2)])
    assert balance(developer) == 20
    assert ledger_verification.find_problems() == KNOWN


def test_a_payment_that_arrives_days_after_the_session(
    client: Client, developer: Developer, stripe: FakeStripe
) -> None:
    good, bad = begin_top_up(developer)[1], begin_top_up(developer, "50")[1]
    for session in (good, bad):
        stripe.account.pay_session(session, later=True)
    deliver_all(client, stripe.account.events)
    assert balance(developer) == 0
    sweep.sweep()  # a session paid by bank transfer is not given up
    stripe.account.finish_session(bad, paid=False)
    stripe.account.finish_session(good, paid=True)
    deliver_all(client, stripe.account.events)
    assert balance(developer) == 20
    assert sorted(Payment.objects.values_list("amount", "status")) == [(20, "succeeded"), (50, "failed")]


def test_an_expired_session_adds_nothing(client: Client, developer: Developer, stripe: FakeStripe) -> None:
    payment, session = begin_top_up(developer)
    stripe.account.expire_session(session)
    deliver_all(client, stripe.account.events)
    payment.refresh_from_db()
    assert (payment.status, balance(developer)) == ("expired", 0)


def test_forged_webhooks_are_refused_before_they_are_stored(
    client: Client, developer: Developer, stripe: FakeStripe
) -> None:
    _, session = begin_top_up(developer)
    stripe.account.pay_session(session)
    event = stripe.account.events[-1]
    body, headers = signed(event)
    forged = [
        (body, {}),
        (body, {"Stripe-Signature": "t=1,v1=00"}),
        (body.replace("2000", "9900"), headers),
        signed(event, secret="whsec_other"),
        signed(event, at=1_700_000_000),  # an old delivery, replayed
    ]
    for text, sent in forged:
        assert client.post("/webhooks/stripe", text, content_type="application/json", headers=sent).status_code == 400
    assert client.get("/webhooks/stripe").status_code == 405
    assert not WebhookEventTrigger.objects.exists()
    assert balance(developer) == 0


def test_a_failed_event_is_stored_with_its_reason_and_can_be_retried(
    client: Client, developer: Developer, stripe: FakeStripe
) -> None:
    _, session = begin_top_up(developer)
    stripe.account.pay_session(session)
    event = stripe.account.events[-1]
    client.raise_request_exception = False
    assert deliver(client, {**event, "data": {"object": {**event["data"]["object"], "currency": "eur"}}}) == 500
    trigger = WebhookEventTrigger.objects.get()
    assert (trigger.processed, trigger.event) == (False, None)
    assert trigger.exception.startswith("WrongCurrency")
    assert not Event.objects.exists()
    assert deliver(client, event) == 200
    assert balance(developer) == 20


def test_other_payments_of_the_same_stripe_account_are_ignored(client: Client, stripe: FakeStripe, db: None) -> None:
    foreign = {"object": "payment_intent", "id": "pi_foreign", "amount": 700, "currency": "usd", "metadata": {}}
    stripe.account.announce("payment_intent.succeeded", foreign)
    stripe.account.announce(
        "charge.refunded", {"object": "charge", "id": "ch_x", "amount_refunded": 700, "payment_intent": "pi_x"}
    )
    stripe.account.announce("payment_intent.succeeded", {**foreign, "metadata": {"payment": "17"}})
    stripe.account.announce("invoice.created", {"object": "invoice", "id": "in_x"})
    deliver_all(client, stripe.account.events)
    assert not LedgerEntry.objects.exists()
    assert Event.objects.count() == 4


@pytest.mark.parametrize("amount", ["4.99", "500.01", "10.001", "0", "-5"])
def test_amounts_out_of_bounds(developer: Developer, stripe: FakeStripe, amount: str) -> None:
    with pytest.raises(InvalidRequest):
        begin_top_up(developer, amount)
    assert stripe.requests == []
    assert not Payment.objects.exists()


def test_stripe_is_unreachable(developer: Developer, stripe: FakeStripe, settings: Any) -> None:
    settings.STRIPE = {**settings.STRIPE, "secret_key": "sk_test_wrong"}
    with pytest.raises(UpstreamFailed):
        begin_top_up(developer)
    assert Payment.objects.get().status == "failed"
    assert not StripeCustomer.objects.exists()


def test_a_customer_of_another_stripe_account_is_created_again(developer: Developer, stripe: FakeStripe) -> None:
    StripeCustomer.objects.create(developer=developer, stripe_id="cus_of_test_mode")
    Card.objects.create(developer=developer, stripe_id="pm_of_test_mode", is_default=True)
    begin_top_up(developer)
    assert StripeCustomer.objects.get().stripe_id in stripe.account.objects
    assert not Card.objects.exists()


# --- crashes and concurrency ------------------------------------------------------------------------------------------
class Killed(BaseException):
    """Stands for a crashed process."""


@pytest.mark.parametrize("step", ["before Stripe is asked", "before its answer is kept"])
def test_a_crash_while_the_session_is_created(
    client: Client, developer: Developer, stripe: FakeStripe, step: str
) -> None:
    """The payment's row is stored first, with our own reference to find it at Stripe, so that no payment is lost."""
    payment = checkout.begin_payment(developer, Decimal(20), None, saves_card=True)
    if step == "before its answer is kept":
        api = checkout.stripe_client()
        checkout.open_session(api, payment, checkout.customer_of(api, payment))
        session = stripe.account.of_kind("checkout.session")[0]
        stripe.account.pay_session(session["id"])
        deliver_all(client, stripe.account.events)
        assert balance(developer) == 20
    else:
        Payment.objects.update(created_at="2026-01-01T00:00Z")
        sweep.sweep()
        payment.refresh_from_db()
        assert payment.status == "expired"


def test_a_crash_while_processing_an_event_leaves_nothing_half_done(
    client: Client, developer: Developer, stripe: FakeStripe
) -> None:
    _, session = begin_top_up(developer)
    stripe.account.pay_session(session)
    payment = Payment.objects.get()
    try:
        with transaction.atomic():
            settlement.succeed(payment.pk, paid=Decimal(20), intent_id="pi_1")
            raise Killed
    except Killed:
        pass
    payment.refresh_from_db()
    assert (payment.status, balance(developer)) == ("pending", 0)
    deliver_all(client, stripe.account.events)
    assert balance(developer) == 20


def test_a_lost_job_is_repeated(client: Client, developer: Developer, stripe: FakeStripe) -> None:
    from django_q.models import OrmQ

    _, session = begin_top_up(developer)
    stripe.account.pay_session(session)
    deliver_all(client, stripe.account.events)
    OrmQ.objects.all().delete()
    Payment.objects.update(settled_at=Payment.objects.get().created_at - 2 * sweep.PATIENCE)
    sweep.sweep()
    assert Card.objects.get().last_four == "4242"
    request_count = len(stripe.requests)
    sweep.sweep()
    assert len(stripe.requests) == request_count


@pytest.mark.django_db(transaction=True)
def test_eight_concurrent_deliveries(live_server: Any, stripe: FakeStripe) -> None:
    developer = make_developer()
    _, session = begin_top_up(developer)
    stripe.account.pay_session(session)
    events = [event for event in stripe.account.events if event["type"] in ORDERS[0]]
    start = threading.Barrier(8)

    def post(event: dict[str, Any]) -> int:
        start.wait(30)
        return post_signed(live_server.url, event)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(post, itertools.islice(itertools.cycle(events), 8))) == [200] * 8
    assert balance(developer) == 20
    assert LedgerEntry.objects.count() == 1
    assert (Event.objects.count(), WebhookEventTrigger.objects.count()) == (2, 8)


@pytest.fixture
def story(stripe: FakeStripe, developer: Developer) -> tuple[list[dict[str, Any]], Developer]:
    """All events of two top-ups: one with two partial refunds and a failed one, and one with a dispute that we win."""
    first, second = (begin_top_up(developer, amount)[1] for amount in ("20", "50"))
    account = stripe.account
    intent = account.pay_session(first)["payment_intent"]
    account.refund(intent, 300)
    failing = account.refund(intent, 500)
    account.fail_refund(failing["id"])
    account.refund(intent, 200)
    won = account.dispute(account.pay_session(second)["payment_intent"])
    account.close_dispute(won["id"], "won")
    return [event for event in account.events if event["type"] in HANDLERS], developer


@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_events_repeated_reordered_and_delayed(
    client: Client, story: tuple[list[dict[str, Any]], Developer], data: st.DataObject
) -> None:
    """20 - 3 - 2 + 50. A delay is the same as another order, because each delivery gets a new signature."""
    events, developer = story
    order = data.draw(st.permutations(range(len(events))))
    repeats = data.draw(st.lists(st.sampled_from(order), max_size=6))
    with transaction.atomic():
        deliver_all(client, [events[index] for index in [*order, *repeats]])
        assert balance(developer) == 65
        assert ledger_verification.find_problems() == KNOWN
        transaction.set_rollback(True)


def test_old_events_are_purged_and_repeating_them_changes_nothing(
    client: Client, developer: Developer, stripe: FakeStripe
) -> None:
    stripe.account.pay_session(begin_top_up(developer)[1])
    deliver_all(client, stripe.account.events)
    sweep.purge()
    assert Event.objects.count() == len(stripe.account.events)
    sweep.purge(timezone.now() + sweep.REPORTS_KEPT)
    assert not (Event.objects.exists() or WebhookEventTrigger.objects.exists())
    deliver_all(client, stripe.account.events)
    assert balance(developer) == 20


def test_cards_can_be_selected_and_removed(client: Client, developer: Developer, stripe: FakeStripe) -> None:
    for number in ("4242424242424242", "5555555555554444"):
        stripe.account.pay_session(begin_top_up(developer)[1], number)
    deliver_all(client, stripe.account.events)
    run_jobs()
    visa, mastercard = Card.objects.order_by("pk")
    assert (visa.is_default, mastercard.is_default) == (False, True)
    cards.choose(developer=developer, pk=visa.pk)
    cards.remove(developer=developer, pk=visa.pk)
    assert stripe.account.objects[visa.stripe_id]["customer"] is None
    (left,) = Card.objects.all()
    assert (left.pk, left.is_default) == (mastercard.pk, True)
    # Deliver Stripe's event for the removed card, after we removed it ourselves.
    deliver_all(client, stripe.account.events)
    assert Card.objects.count() == 1
