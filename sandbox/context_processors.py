"""Values that every dashboard page shows."""

from functools import cache, partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.models import Developer
from billing import billing_switch, ledger
from sandbox.handset_numbers import handset_number


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Whether there is a built-in exchange, and so a Phone page, and whether billing is on. The balance and the number of the
    browser phone are only looked up if a template uses them."""
    context: dict[str, Any] = {"has_exchange": bool(settings.EXCHANGE_URL), "has_billing": billing_switch.is_on()}
    developer = getattr(request, "user", None)
    if isinstance(developer, Developer):
        context["balance"] = cache(partial(ledger.balance, developer.pk))
        context["browser_phone"] = cache(partial(handset_number, developer))
    return context
