"""Values that every dashboard page shows."""

from functools import cache, partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.models import Developer
from billing import billing_switch, ledger
from sandbox.handset_numbers import handset_number


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Whether there is a built-in exchange, and so a Phone page; whether there is billing. Looked up where a template asks: the
    balance, and the number of the phone in the browser."""
    context: dict[str, Any] = {"has_exchange": bool(settings.EXCHANGE_URL), "has_billing": billing_switch.is_on()}
    developer = getattr(request, "user", None)
    if isinstance(developer, Developer):
        context["balance"] = cache(partial(ledger.balance, developer.pk))
        context["browser_phone"] = cache(partial(handset_number, developer))
    return context
