"""What the pages' tests share with others."""

from tests.billing.conftest import stripe

__all__ = ["stripe"]
