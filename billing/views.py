"""The billing page: what is left, and what it went on."""

import uuid
from decimal import Decimal

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import signed_in
from billing import ledger, selectors
from bubblyphone.core.pages import page, slice_of

TEST_CREDIT = Decimal("10.00")


@never_cache
@require_GET
@page
def billing(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    shown = slice_of(selectors.entries_of(developer.pk), request.GET.get("before"))
    context = {
        "shown": shown,
        "held": ledger.held(developer.pk),
        "test_credit": TEST_CREDIT if settings.DEMO else None,
    }
    return render(request, "billing/billing.html", context)


@require_POST
@page
def add_test_credit(request: HttpRequest) -> HttpResponse:
    """Credit without payment, in a demo installation alone (contract §3)."""
    if not settings.DEMO:
        raise Http404
    ledger.test_credit(developer_id=signed_in(request).pk, amount=TEST_CREDIT, key=f"test-credit:{uuid.uuid4()}")
    messages.success(request, "Test credit added. No money was taken.")
    return redirect("billing")
