"""Top-ups on Stripe's page. The developer pays there; Stripe's signed webhook adds the credit."""

import uuid
from decimal import Decimal
from typing import Any

import stripe
from django.conf import settings

from accounts.models import Developer
from billing import billing_switch
from billing.models import Card, Payment, StripeCustomer
from billing.payments import settlement
from billing.payments.client import is_configured, is_gone, refused_as_upstream, stripe_client, to_cents
from bubblyphone.core.errors import Conflict, InvalidRequest, NotFound, UpstreamFailed

AMOUNTS = tuple(map(Decimal, (5, 10, 20, 50, 100)))
# The API accepts only the amounts above; the page accepts any amount in this range.
LEAST, MOST = Decimal(5), Decimal(500)


def is_test_mode() -> bool:
    """Without Stripe, a demo installation adds free credit, and the page says so."""
    return settings.DEMO and billing_switch.is_on() and not is_configured()


def start_top_up(*, developer: Developer, amount: Decimal, saves_card: bool, reference: uuid.UUID | None = None) -> str:
    """The URL of the page where the developer pays.

    Repeats with the same `reference` return the page of the first payment. Raises InvalidRequest, Conflict (`reference` belongs to
    another payment) and UpstreamFailed.
    """
    if not LEAST <= amount <= MOST or amount != amount.quantize(Decimal("0.01")):
        raise InvalidRequest({"amount": [f"Must be between {LEAST} and {MOST} dollars, in whole cents."]})
    if is_test_mode():
        payment = begin_payment(developer, amount, reference, is_test=True)
        return f"{settings.PUBLIC_URL}/billing/test-top-up/{payment.reference}"
    client = stripe_client()
    payment = begin_payment(developer, amount, reference, saves_card=saves_card)
    try:
        with refused_as_upstream():
            session = open_session(client, payment, customer_of(client, payment))
    except UpstreamFailed:
        settlement.close(payment.pk, Payment.Status.FAILED, "not_started")
        raise
    Payment.objects.filter(pk=payment.pk).update(stripe_session_id=session.id)
    return str(session.url)


def pay_test_top_up(*, developer: Developer, reference: uuid.UUID | str) -> Payment:
    """The button of test mode, which adds its credit once. Raises NotFound."""
    payment = Payment.objects.filter(developer=developer, is_test=True, reference=reference).first()
    if payment is None or not is_test_mode():
        raise NotFound("Not found.")
    settlement.succeed(payment.pk, paid=payment.amount)
    return payment


def begin_payment(developer: Developer, amount: Decimal, reference: uuid.UUID | None, **fields: bool) -> Payment:
    """The payment of a unique reference: of two simultaneous clicks, the second finds the payment of the first."""
    asked = {"developer": developer, "kind": Payment.Kind.TOP_UP, "amount": amount, **fields}
    payment, is_new = Payment.objects.get_or_create(reference=reference or uuid.uuid4(), defaults=asked)
    if not is_new and (payment.developer_id != developer.pk or payment.amount != amount):
        raise Conflict("This form was already used. Reload the page and try again.")
    if payment.status != Payment.Status.PENDING and not (
        payment.is_test and payment.status == Payment.Status.SUCCEEDED
    ):
        raise Conflict("This payment has already ended. Reload the page to start a new one.")
    return payment


def customer_of(client: stripe.StripeClient, payment: Payment) -> str:
    """The developer's Stripe customer, created with the first payment. If two are created at once, one stays unused."""
    known = StripeCustomer.objects.filter(developer_id=payment.developer_id).first()
    if known is not None:
        return known.stripe_id
    customer = client.v1.customers.create(
        {
            "email": payment.developer.email,
            "name": payment.developer.name,
            "metadata": {"developer": str(payment.developer_id)},
        },
        {"idempotency_key": f"customer-{payment.reference}"},
    )
    row, _ = StripeCustomer.objects.get_or_create(
        developer_id=payment.developer_id, defaults={"stripe_id": customer.id}
    )
    return row.stripe_id


def open_session(client: stripe.StripeClient, payment: Payment, customer_id: str) -> stripe.checkout.Session:
    try:
        return client.v1.checkout.sessions.create(
            _session_of(payment, customer_id),
            {"idempotency_key": f"checkout-{payment.reference}-{customer_id}"},
        )
    except stripe.InvalidRequestError as error:
        # The Stripe account changed, or live keys replaced test keys.
        if not is_gone(error, "customer"):
            raise
        Card.objects.filter(developer_id=payment.developer_id).delete()
        StripeCustomer.objects.filter(developer_id=payment.developer_id, stripe_id=customer_id).delete()
        return client.v1.checkout.sessions.create(_session_of(payment, customer_of(client, payment)))


def _session_of(payment: Payment, customer_id: str) -> Any:
    metadata = {"kind": "topup", "payment": str(payment.reference)}
    product = {"name": "Account credit"}
    price = {"currency": "usd", "unit_amount": to_cents(payment.amount), "product_data": product}
    return {
        "mode": "payment",
        "customer": customer_id,
        "client_reference_id": str(payment.developer_id),
        "line_items": [{"quantity": 1, "price_data": price}],
        "payment_intent_data": {
            "metadata": metadata,
            "description": "Account credit",
            **({"setup_future_usage": "off_session"} if payment.saves_card else {}),
        },
        "metadata": metadata,
        "success_url": f"{settings.PUBLIC_URL}/billing?paid={payment.reference}",
        "cancel_url": f"{settings.PUBLIC_URL}/billing",
    }
