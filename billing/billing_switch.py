"""BILLING=off: what calls and numbers cost is metered, and nobody pays. Whatever differs then asks here.

The ledger is where the two meet (`billing.ledger`): with billing off, funds have no end and costs are booked as metered costs. So
admission, metering, renewals and purchases are the same code in both.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern

from bubblyphone.core.http import compact_json

OFF_MESSAGE = "Billing is off on this installation."
_MACHINES = ("/api/", "/webhooks/")


def is_on() -> bool:
    """Whether accounts pay."""
    return bool(settings.BILLING)


def with_billing_only(*routes: URLPattern) -> list[URLPattern]:
    """Routes of what moves money: with billing off they are 404, to programs with a message."""
    for route in routes:
        route.callback = _only_with_billing(route.callback)
    return list(routes)


def without_closed_routes(endpoints: list[Any], **kwargs: Any) -> list[Any]:
    """drf-spectacular's preprocessing hook: the description has no operation that is closed."""
    return [endpoint for endpoint in endpoints if is_on() or not getattr(endpoint[3], "needs_billing", False)]


def _only_with_billing(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_on() or request.method == "OPTIONS":  # which asks for the methods of a route
            return view(request, *args, **kwargs)
        if request.path_info.startswith(_MACHINES):
            return compact_json({"message": OFF_MESSAGE}, 404)
        raise Http404(OFF_MESSAGE)

    guarded.needs_billing = True  # type: ignore[attr-defined]
    return guarded
