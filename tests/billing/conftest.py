"""A Stripe of the test's own."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.billing.payments import stripe_settings
from tests.fakes.stripe_server import FakeStripe


@pytest.fixture
def stripe(settings: Any) -> Iterator[FakeStripe]:
    """Nothing is delivered by itself: the test decides which event comes when."""
    with FakeStripe() as running:
        settings.STRIPE = stripe_settings(running)
        yield running
