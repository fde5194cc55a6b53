"""Saved cards: Stripe stores them, and one of them is the default."""

from collections.abc import Mapping
from typing import Any

import stripe
from django.db import transaction

from accounts.models import Developer
from billing import ledger
from billing.models import AutoTopUp, Card, Payment
from billing.payments.client import is_gone, refused_as_upstream, stripe_client
from bubblyphone.core.database.lookup import get_row

# For a payment whose payment method Stripe does not show us.
UNKNOWN = "Payment method"


def keep_from(payment_id: int) -> None:
    """The job after a payment: record its payment method, and save it if the developer asked for that."""
    payment = Payment.objects.get(pk=payment_id)
    client = stripe_client()
    try:
        intent = client.v1.payment_intents.retrieve(str(payment.stripe_intent_id), {"expand": ["payment_method"]})
        method = intent.to_dict().get("payment_method")
        if isinstance(method, str):
            method = client.v1.payment_methods.retrieve(method).to_dict()
    except stripe.InvalidRequestError:
        method = None
    with transaction.atomic():
        if method and payment.saves_card:
            remember(payment.developer_id, method)
        Payment.objects.filter(pk=payment_id).update(card=str(Card(**_card_fields(method))) if method else UNKNOWN)


def _card_fields(method: Mapping[str, Any]) -> dict[str, str]:
    """The fields of `Card` that come from Stripe's payment method."""
    details = method.get("card") or {}
    year, month = details.get("exp_year"), details.get("exp_month")
    return {
        "brand": str(details.get("brand") or method.get("type") or "")[:30],
        "last_four": str(details.get("last4") or "")[:4],
        "expires": f"{year}-{month:02}" if year and month else "",
    }


@transaction.atomic
def remember(developer_id: int, method: Mapping[str, Any]) -> None:
    """Add or update a card; the newest becomes the default."""
    ledger.lock_developer(developer_id)
    fields = _card_fields(method)
    card, is_new = Card.objects.update_or_create(
        stripe_id=method["id"], defaults=fields, create_defaults={**fields, "developer_id": developer_id}
    )
    if is_new:
        _make_default(card)


def update(method: Mapping[str, Any]) -> None:
    """payment_method.updated: for example, the bank issued a new card."""
    Card.objects.filter(stripe_id=method["id"]).update(**_card_fields(method))


def get_card(*, developer: Developer, pk: int) -> Card:
    """Raises NotFound, also for another account's card."""
    return get_row(Card.objects.filter(developer=developer), pk=pk)


@transaction.atomic
def choose(*, developer: Developer, pk: int) -> Card:
    """Make this card the default. Raises NotFound."""
    ledger.lock_developer(developer.pk)
    card = get_card(developer=developer, pk=pk)
    _make_default(card)
    card.is_default = True
    return card


def remove(*, developer: Developer, pk: int) -> Card:
    """Have Stripe delete a card. Raises NotFound, and UpstreamFailed without any change if Stripe cannot be reached."""
    card = get_card(developer=developer, pk=pk)
    with refused_as_upstream():
        try:
            stripe_client().v1.payment_methods.detach(card.stripe_id)
        except stripe.InvalidRequestError as error:
            # It was already detached, or no longer exists.
            if not (is_gone(error, "payment_method") or "not attached" in str(error.user_message)):
                raise
    forget(card.stripe_id)
    return card


@transaction.atomic
def forget(stripe_id: str) -> None:
    """Delete our row; also for payment_method.detached. Without a card, nothing is charged automatically."""
    if (card := Card.objects.filter(stripe_id=stripe_id).first()) is None:
        return
    ledger.lock_developer(card.developer_id)
    card.delete()
    newest = Card.objects.filter(developer_id=card.developer_id).order_by("-pk").first()
    if newest is None:
        AutoTopUp.objects.filter(developer_id=card.developer_id, enabled=True).update(enabled=False)
    elif card.is_default:
        _make_default(newest)


def _make_default(card: Card) -> None:
    Card.objects.filter(developer_id=card.developer_id, is_default=True).exclude(pk=card.pk).update(is_default=False)
    Card.objects.filter(pk=card.pk).update(is_default=True)
