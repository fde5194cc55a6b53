"""The billing page: balance, transactions, and payment forms."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.access import signed_in
from accounts.models import Developer
from billing import burn_rate, ledger, selectors
from billing.models import Card, Payment
from billing.payments import auto_topup, checkout
from billing.payments.client import is_configured
from billing.payments.forms import AutoTopUpForm, TopUpForm
from bubblyphone.core.pages.views import page
from bubblyphone.core.pagination import slice_of

SHOWN_PAYMENTS = 5


@page
def billing(request: HttpRequest) -> HttpResponse:
    return show_billing(request)


def show_billing(
    request: HttpRequest, *, top_up_form: TopUpForm | None = None, auto_top_up_form: AutoTopUpForm | None = None
) -> HttpResponse:
    """The page, with a rejected form if there is one."""
    developer = signed_in(request)
    summary = ledger.balance_summary(developer.pk)
    context = {
        "shown": slice_of(selectors.entries_of(developer.pk), request.GET.get("before")),
        "summary": summary,
        "days_left": burn_rate.days_left(developer, summary.available, timezone.now()),
        **_payment_context(developer, top_up_form, auto_top_up_form),
    }
    return render(request, "billing/billing.html", context)


def payments_of(developer: Developer) -> QuerySet[Payment]:
    """Payments to show, including test credit, but not abandoned sessions."""
    begun = Payment.objects.filter(developer=developer)
    return begun.exclude(kind=Payment.Kind.TOP_UP, status__in=[Payment.Status.PENDING, Payment.Status.EXPIRED])


def _payment_context(
    developer: Developer, top_up_form: TopUpForm | None, auto_top_up_form: AutoTopUpForm | None
) -> dict[str, Any]:
    found = auto_topup.settings_of(developer.pk)
    payments = list(payments_of(developer).order_by("-pk")[: SHOWN_PAYMENTS + 1])
    return {
        "can_pay": is_configured(),
        "is_test_mode": checkout.is_test_mode(),
        "top_up_form": top_up_form or TopUpForm(initial={"preset": "20", "saves_card": found.enabled}),
        "auto_top_up": found,
        "auto_top_up_failure": auto_topup.explain(found.failure_code) if found.failure_code else "",
        "auto_top_up_form": auto_top_up_form or AutoTopUpForm.showing(found),
        "cards": list(Card.objects.filter(developer=developer).order_by("-is_default", "-pk")),
        "payments": payments[:SHOWN_PAYMENTS],
        "has_more_payments": len(payments) > SHOWN_PAYMENTS,
    }
