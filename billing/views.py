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
from billing.forms import CapsForm
from billing.models import SpendingCap
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
        "form": CapsForm(instance=SpendingCap.objects.filter(developer=developer, phone_number_id=0).first()),
    }
    return render(request, "billing/billing.html", context)


@require_POST
@page
def set_caps(request: HttpRequest) -> HttpResponse:
    """The account's own limits; an empty one is none."""
    developer = signed_in(request)
    cap = SpendingCap.objects.filter(developer=developer, phone_number_id=0).first()
    form = CapsForm(request.POST, instance=cap or SpendingCap(developer=developer))
    if form.is_valid():
        form.save()
        messages.success(request, "Your limits are saved.")
    else:
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
    return redirect("billing")


@require_POST
@page
def add_test_credit(request: HttpRequest) -> HttpResponse:
    """Credit without payment, in a demo installation alone (contract §3)."""
    if not settings.DEMO:
        raise Http404
    ledger.test_credit(developer_id=signed_in(request).pk, amount=TEST_CREDIT, key=f"test-credit:{uuid.uuid4()}")
    messages.success(request, "Test credit added. No money was taken.")
    return redirect("billing")
