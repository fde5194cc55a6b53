"""The billing page: what is left, and what it went on."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from billing import ledger, pace, selectors
from billing.payments.views import payment_context
from bubblyphone.core.pages import page, slice_of


@never_cache
@require_safe
@page
def billing(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    standing = ledger.standing(developer.pk)
    shown = slice_of(selectors.entries_of(developer.pk), request.GET.get("before"))
    context = {
        "shown": shown,
        "standing": standing,
        "days_left": pace.days_left(developer.pk, standing.available, timezone.now()),
        **payment_context(developer),
    }
    return render(request, "billing/billing.html", context)
