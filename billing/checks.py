"""Checks for inconsistent payment settings."""

from typing import Any

from django.conf import settings
from django.core import checks

from billing.billing_switch import is_on


def check_stripe(**kwargs: Any) -> list[checks.CheckMessage]:
    """Credit is added by Stripe's webhook: without its secret, we would take payments without adding credit."""
    if is_on() and settings.STRIPE["secret_key"] and not settings.STRIPE["webhook_secret"]:
        text = "STRIPE_SECRET_KEY is set without STRIPE_WEBHOOK_SECRET. Payments would not be credited."
        return [checks.Warning(text, id="billing.W001")]
    return []
