"""The first page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from billing import billing_switch, burn_rate, ledger
from bubblyphone.core.pages.views import page
from bubblyphone.core.pagination import first_rows
from calls import selectors
from calls.dashboard import call_page, checklist
from calls.dashboard import overview as shown
from calls.dashboard.landing import landing
from phone_numbers.selectors import numbers_of

RECENT = 8


@never_cache
@require_safe
def first_page(request: HttpRequest) -> HttpResponse:
    """The overview of an account, or the landing page for visitors. A poll after the session has ended redirects to sign-in."""
    is_overview = request.user.is_authenticated or "HX-Request" in request.headers
    return overview(request) if is_overview else landing(request)


@page
def overview(request: HttpRequest) -> HttpResponse:
    developer, now = signed_in(request), timezone.now()
    summary = ledger.balance_summary(developer.pk)
    numbers = list(numbers_of(developer).order_by("-pk")[: RECENT + 1])
    context = {
        "balance": summary.balance,
        "days_left": burn_rate.days_left(developer, summary.available, now) if billing_switch.is_on() else None,
        "attention": shown.attention(developer, summary.balance, now),
        "figures": shown.figures(developer, now),
        "steps": checklist.first_steps(developer),
        "running": call_page.running_calls_of(developer).count(),
        "calls": first_rows(selectors.calls_of(developer), ["-pk"], RECENT),
        "numbers": numbers[:RECENT],
        "has_more_numbers": len(numbers) > RECENT,
    }
    return render(request, "calls/overview.html", context)
