"""The configured carrier."""

from functools import cache

from django.conf import settings

from bubblyphone.core.backends import load_backend
from phone_numbers.carriers.base import Carrier


@cache
def get_carrier() -> Carrier:
    """One carrier for the whole process, made on first use. Safe to use from many threads."""
    carrier: Carrier = load_backend(settings.CARRIER)
    return carrier
