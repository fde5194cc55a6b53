"""Finds the payment that a Stripe object belongs to, and lets one process at a time handle it."""

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import connection

from billing.models import Payment
from billing.payments.client import lock_number

logger = logging.getLogger(__name__)


def lock_intent(intent_id: str) -> None:
    """Lock until the end of the transaction: events about one payment are handled one after the other."""
    if intent_id:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number(intent_id)])


def id_of(value: Any) -> str:
    """The id of an object that Stripe sends as an id, expanded, or not at all."""
    return str(value["id"]) if isinstance(value, Mapping) else str(value or "")


def intent_of(thing: Mapping[str, Any]) -> str:
    """The payment intent that a session, charge, refund or dispute belongs to; empty if there is none."""
    return id_of(thing if thing.get("object") == "payment_intent" else thing.get("payment_intent"))


def payment_of(thing: Mapping[str, Any]) -> Payment | None:
    """Looks up a payment by our own reference, otherwise by Stripe's.

    None: it belongs to someone else who uses this Stripe account.
    """
    if reference := (thing.get("metadata") or {}).get("payment"):
        try:
            found = Payment.objects.filter(reference=uuid.UUID(str(reference))).first()
        except ValueError:
            found = None
        if found is None:
            logger.error("Stripe reported the unknown payment %s.", reference)
        return found
    if thing.get("object") == "checkout.session":
        return Payment.objects.filter(stripe_session_id=thing["id"]).first()
    intent_id = intent_of(thing)
    return Payment.objects.filter(stripe_intent_id=intent_id).first() if intent_id else None
