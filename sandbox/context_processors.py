"""What every dashboard page shows."""

from functools import cache, partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from billing import ledger, switch


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Whether there is a built-in exchange, and so a Phone page; whether there is billing; the balance, looked up where a template asks."""
    context: dict[str, Any] = {"has_exchange": bool(settings.EXCHANGE_URL), "has_billing": switch.is_on()}
    developer_id = getattr(getattr(request, "user", None), "pk", None)
    if developer_id is not None:
        context["balance"] = cache(partial(ledger.balance, developer_id))
    return context
