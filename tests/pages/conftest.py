"""What the pages' tests share with others."""

from tests.billing.conftest import stripe
from tests.calls.conftest import recordings_folder
from tests.phone_numbers.conftest import configure_carrier, documents, exchange

__all__ = ["configure_carrier", "documents", "exchange", "recordings_folder", "stripe"]
