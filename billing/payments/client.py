"""Stripe's client, configured from the settings. Never call it inside a transaction."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import requests
import stripe
from django.conf import settings

from billing.billing_switch import is_on
from bubblyphone.core.errors import UpstreamFailed
from bubblyphone.core.network.http import is_this_machine
from bubblyphone.core.network.waiting import before_waiting

logger = logging.getLogger(__name__)
TIMEOUT_SECONDS = 15
CENTS = Decimal(100)


class _Client(stripe.RequestsClient):
    """Waits for Stripe without a database connection."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        before_waiting()
        return super().request(*args, **kwargs)


def is_configured() -> bool:
    """Whether payments go through Stripe; otherwise there is test credit. With billing off nobody pays."""
    return is_on() and bool(settings.STRIPE["secret_key"])


def stripe_client() -> stripe.StripeClient:
    """A client for one operation. Raises UpstreamFailed without a key."""
    if not is_configured():
        raise UpstreamFailed("Payments are not set up on this server.", code="payments_not_set_up")
    base = settings.STRIPE["api_base"]
    session = requests.Session()
    session.trust_env = not is_this_machine(urlsplit(base).hostname or "")
    return stripe.StripeClient(
        settings.STRIPE["secret_key"],
        base_addresses={"api": base},
        http_client=_Client(timeout=TIMEOUT_SECONDS, session=session),
        max_network_retries=2,  # with the same idempotency key for all attempts
    )


@contextmanager
def refused_as_upstream() -> Iterator[None]:
    """Raises UpstreamFailed if Stripe refuses or cannot be reached."""
    try:
        yield
    except stripe.StripeError as error:
        logger.warning("Stripe: %s %s", type(error).__name__, error.code or error.http_status or "")
        raise UpstreamFailed("The payment service is not available right now. Try again later.") from error


def is_gone(error: stripe.InvalidRequestError, param: str) -> bool:
    """Whether Stripe no longer knows, or never knew, the object that this parameter names."""
    return error.code == "resource_missing" and error.param == param


def to_cents(amount: Decimal) -> int:
    """USD in Stripe's cents."""
    return int(amount * CENTS)


def from_cents(cents: int) -> Decimal:
    return Decimal(cents) / CENTS


def lock_number(name: str) -> int:
    """A number for PostgreSQL's advisory lock on a Stripe object."""
    return int.from_bytes(hashlib.sha256(f"stripe:{name}".encode()).digest()[:8], "big", signed=True)
