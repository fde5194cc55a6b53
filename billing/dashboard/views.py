"""The billing page."""

from django.http import HttpRequest, HttpResponse

from billing.dashboard.billing_page import show_billing
from bubblyphone.core.pages.views import page


@page
def billing(request: HttpRequest) -> HttpResponse:
    return show_billing(request)
