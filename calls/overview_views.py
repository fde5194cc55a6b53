"""The first page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.access import signed_in
from billing import ledger
from bubblyphone.core.pages import page
from calls import checklist, pages, selectors
from calls import overview as shown
from phone_numbers.models import PhoneNumber

RECENT = 8


@never_cache
@require_GET
@page
def overview(request: HttpRequest) -> HttpResponse:
    developer, now = signed_in(request), timezone.now()
    balance = ledger.balance(developer.pk)
    context = {
        "balance": balance,
        "days_left": shown.days_left(developer, balance, now),
        "attention": shown.attention(developer, balance, now),
        "figures": shown.figures(developer, now),
        "steps": checklist.first_steps(developer),
        "running": pages.running_calls_of(developer).count(),
        "calls": selectors.calls_of(developer).order_by("-pk")[:RECENT],
        "numbers": PhoneNumber.objects.filter(developer=developer)
        .exclude(status=PhoneNumber.Status.RELEASED)
        .select_related("agent")
        .order_by("-pk"),
    }
    return render(request, "calls/overview.html", context)
