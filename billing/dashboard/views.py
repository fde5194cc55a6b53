"""The billing page."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.dashboard.billing_page import show_billing
from bubblyphone.core.pages.views import page


@never_cache
@require_safe
@page
def billing(request: HttpRequest) -> HttpResponse:
    return show_billing(request)
