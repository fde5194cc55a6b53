"""A fake Stripe."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.billing.payments import stripe_settings
from tests.fakes.stripe_server import FakeStripe


@pytest.fixture
def stripe(settings: Any) -> Iterator[FakeStripe]:
    """A Stripe that sends no webhooks on its own: tests choose which events are delivered, and when."""
    with FakeStripe() as running:
        settings.STRIPE = stripe_settings(running)
        yield running
