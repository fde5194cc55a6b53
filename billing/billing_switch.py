"""BILLING=off: costs of calls and numbers are metered, and nobody pays.

All code that differs checks here. The two modes meet in the ledger (`billing.ledger`): with billing off, funds are unlimited and costs
are booked as metered costs, so admission, metering, renewals and purchases run the same code in both.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern

from bubblyphone.core.network.http import compact_json

OFF_MESSAGE = "Billing is off on this installation."
_MACHINES = ("/api/", "/webhooks/")


def is_on() -> bool:
    """Whether accounts pay."""
    return bool(settings.BILLING)


def with_billing_only(*routes: URLPattern) -> list[URLPattern]:
    """Routes for payments: with billing off they return 404, with a message for API clients."""
    for route in routes:
        route.callback = _only_with_billing(route.callback)
    return list(routes)


def without_closed_routes(endpoints: list[Any], **kwargs: Any) -> list[Any]:
    """drf-spectacular's preprocessing hook, which removes closed operations from the description."""
    return [endpoint for endpoint in endpoints if is_on() or not getattr(endpoint[3], "needs_billing", False)]


def _only_with_billing(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_on() or request.method == "OPTIONS":  # it asks each route for its methods
            return view(request, *args, **kwargs)
        if request.path_info.startswith(_MACHINES):
            return compact_json({"message": OFF_MESSAGE}, 404)
        raise Http404(OFF_MESSAGE)

    guarded.needs_billing = True  # type: ignore[attr-defined]
    return guarded
