"""Which payment something of Stripe's belongs to, and one process at a time for it."""

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
    """Of a thing that Stripe gives by its id, as a whole, or not at all."""
    return str(value["id"]) if isinstance(value, Mapping) else str(value or "")


def intent_of(thing: Mapping[str, Any]) -> str:
    """The payment intent that a session, charge, refund or dispute belongs to; empty where there is none."""
    return id_of(thing if thing.get("object") == "payment_intent" else thing.get("payment_intent"))


def payment_of(thing: Mapping[str, Any]) -> Payment | None:
    """By our own name for it, else by Stripe's. None: it is of somebody else who uses this Stripe account."""
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
