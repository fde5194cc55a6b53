"""Fixtures that the tests of pages share with other tests."""

from tests.billing.conftest import stripe
from tests.calls.conftest import recordings_folder
from tests.phone_numbers.conftest import configure_carrier, documents, exchange

__all__ = ["configure_carrier", "documents", "exchange", "recordings_folder", "stripe"]
