"""Processes Stripe's events.

Their bytes are verified and stored; this runs in the transaction that stores the event. Unlike dj-stripe's own processing, it never calls
Stripe: the event contains everything its effect needs. Each effect happens once, by its ledger key or the state of a row, so order,
number and delay of deliveries do not matter.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from djstripe.models import Event, WebhookEventTrigger

from billing.models import Payment
from billing.payments import auto_topup, cards, refunds, settlement
from billing.payments.client import from_cents
from billing.payments.intents import intent_of, lock_intent, payment_of

Thing = Mapping[str, Any]


def process(trigger: WebhookEventTrigger) -> None:
    """Store the event of a verified delivery and apply it if it is new. An exception undoes both."""
    body = trigger.json_body
    about = body.get("request")
    told_by = about if isinstance(about, Mapping) else {}
    event, is_new = Event.objects.get_or_create(
        id=body["id"],
        defaults={
            "type": body["type"],
            "data": body["data"],
            "stripe_data": body,
            "api_version": body.get("api_version") or "",
            "livemode": bool(body.get("livemode")),
            "created": datetime.fromtimestamp(body.get("created") or 0, UTC),
            "request_id": told_by.get("id") or "",
            "idempotency_key": told_by.get("idempotency_key") or "",
        },
    )
    trigger.event, trigger.processed = event, True
    if is_new and (handler := HANDLERS.get(event.type)):
        handler(body["data"]["object"])


def on_session(session: Thing) -> None:
    """checkout.session.completed and …async_payment_succeeded. A bank transfer completes the session first and pays days later."""
    lock_intent(intent_of(session))
    if (payment := payment_of(session)) is None:
        return
    if session.get("payment_status") == "paid":
        _settle(payment, session, session["amount_total"])
    elif intent_id := intent_of(session):
        Payment.objects.filter(pk=payment.pk, stripe_intent_id=None).update(stripe_intent_id=intent_id)


def on_session_lost(session: Thing) -> None:
    """checkout.session.expired, …async_payment_failed."""
    if payment := payment_of(session):
        if session.get("status") == "expired":
            settlement.close(payment.pk, Payment.Status.EXPIRED)
        else:
            settlement.close(payment.pk, Payment.Status.FAILED, "payment_failed")


def on_intent_succeeded(intent: Thing) -> None:
    lock_intent(intent_of(intent))
    if payment := payment_of(intent):
        _settle(payment, intent, intent.get("amount_received") or intent["amount"])


def on_intent_failed(intent: Thing) -> None:
    """payment_intent.payment_failed, payment_intent.canceled. On a Checkout page people can try again; an automatic charge is over."""
    payment = payment_of(intent)
    if payment is not None and payment.kind == Payment.Kind.AUTO_TOP_UP:
        error = intent.get("last_payment_error") or {}
        auto_topup.fail(payment.pk, error.get("decline_code") or error.get("code") or "payment_failed")


def _settle(payment: Payment, thing: Thing, cents: int) -> None:
    currency = thing.get("currency") or ""
    settlement.succeed(payment.pk, paid=from_cents(cents), currency=currency, intent_id=intent_of(thing))


HANDLERS: dict[str, Callable[[Thing], None]] = {
    "checkout.session.completed": on_session,
    "checkout.session.async_payment_succeeded": on_session,
    "checkout.session.async_payment_failed": on_session_lost,
    "checkout.session.expired": on_session_lost,
    "payment_intent.succeeded": on_intent_succeeded,
    "payment_intent.payment_failed": on_intent_failed,
    "payment_intent.canceled": on_intent_failed,
    "payment_method.updated": cards.update,
    "payment_method.automatically_updated": cards.update,
    "payment_method.detached": lambda method: cards.forget(method["id"]),
    **refunds.HANDLERS,
}
