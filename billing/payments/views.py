"""Paying, on the billing page: top-ups, the cards that are kept, automatic top-ups, receipts."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import signed_in
from accounts.models import Developer
from billing.models import Card, Payment
from billing.payments import auto_topup, cards, checkout, receipts
from billing.payments.client import is_configured
from billing.payments.forms import AutoTopUpForm, TopUpForm
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.pages import page, show_refusal, slice_of

SHOWN_PAYMENTS = 5


def payment_context(developer: Developer) -> dict[str, Any]:
    """The billing page's part about paying."""
    found = auto_topup.settings_of(developer.pk)
    payments = list(payments_of(developer).order_by("-pk")[: SHOWN_PAYMENTS + 1])
    return {
        "can_pay": is_configured(),
        "is_test_mode": checkout.is_test_mode(),
        "top_up_form": TopUpForm(initial={"preset": "20", "saves_card": found.enabled}),
        "auto_top_up": found,
        "auto_top_up_failure": auto_topup.explain(found.failure_code) if found.failure_code else "",
        "auto_top_up_form": AutoTopUpForm.showing(found),
        "cards": list(Card.objects.filter(developer=developer).order_by("-is_default", "-pk")),
        "payments": payments[:SHOWN_PAYMENTS],
        "has_more_payments": len(payments) > SHOWN_PAYMENTS,
    }


def payments_of(developer: Developer) -> Any:
    """Those that people know of: not the sessions that they left again."""
    begun = Payment.objects.filter(developer=developer, is_test=False)
    return begun.exclude(kind=Payment.Kind.TOP_UP, status__in=[Payment.Status.PENDING, Payment.Status.EXPIRED])


@require_POST
@page
def top_up(request: HttpRequest) -> HttpResponse:
    """Off to Stripe's page; in test mode the credit is there at once."""
    developer, form = signed_in(request), TopUpForm(request.POST)
    if not form.is_valid():
        return _tell_errors(request, form)
    try:
        url = checkout.start_top_up(
            developer=developer, amount=form.cleaned_data["amount"], saves_card=form.cleaned_data["saves_card"]
        )
        if checkout.is_test_mode():
            return _add_test_credit(request, developer, url.rpartition("/")[2])
    except ApplicationError as error:
        show_refusal(request, error)
        return redirect("billing")
    # No redirect: our own policy allows forms to lead nowhere but to us.
    answer = render(request, "billing/to_checkout.html", {"url": url})
    answer["Refresh"] = f"0; url={url}"
    return answer


@never_cache
@page
def test_top_up(request: HttpRequest, reference: uuid.UUID) -> HttpResponse:
    """Where the API's `checkout_url` leads in test mode: a button instead of a card."""
    developer = signed_in(request)
    payment = Payment.objects.filter(developer=developer, is_test=True, reference=reference).first()
    if payment is None:
        raise Http404
    if request.method != "POST":
        return render(request, "billing/test_top_up.html", {"payment": payment})
    try:
        return _add_test_credit(request, developer, str(reference))
    except ApplicationError as error:
        show_refusal(request, error)
        return redirect("billing")


@require_POST
@page
def set_auto_top_up(request: HttpRequest) -> HttpResponse:
    form = AutoTopUpForm(request.POST)
    if not form.is_valid():
        return _tell_errors(request, form)
    found = auto_topup.configure(developer=signed_in(request), **form.cleaned_data)
    messages.success(request, f"Automatic top-ups are {'on' if found.enabled else 'off'}.")
    return redirect("billing")


@require_POST
@page
def choose_card(request: HttpRequest, pk: int) -> HttpResponse:
    card = cards.choose(developer=signed_in(request), pk=pk)
    messages.success(request, f"{card} is the default card now.")
    return redirect("billing")


@require_POST
@page
def remove_card(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        card = cards.remove(developer=signed_in(request), pk=pk)
    except ApplicationError as error:
        if error.status == 404:
            raise
        show_refusal(request, error)
    else:
        messages.success(request, f"{card} is removed.")
    return redirect("billing")


@never_cache
@require_safe
@page
def payments(request: HttpRequest) -> HttpResponse:
    """All of them."""
    shown = slice_of(payments_of(signed_in(request)), request.GET.get("before"))
    return render(request, "billing/payments.html", {"shown": shown})


@never_cache
@require_safe
@page
def receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """As a PDF, of a payment that has succeeded."""
    payment = payments_of(signed_in(request)).filter(pk=pk, status=Payment.Status.SUCCEEDED).first()
    if payment is None:
        raise Http404
    name = f"receipt-{receipts.receipt_number(payment)}.pdf"
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return HttpResponse(receipts.receipt(payment), content_type="application/pdf", headers=headers)


def _add_test_credit(request: HttpRequest, developer: Developer, reference: str) -> HttpResponse:
    checkout.pay_test_top_up(developer=developer, reference=reference)
    messages.success(request, "Test credit added. No money was taken.")
    return redirect("billing")


def _tell_errors(request: HttpRequest, form: Any) -> HttpResponse:
    texts = [f"{form.fields[name].label}: {text}" for name, found in form.errors.items() for text in found]
    messages.error(request, " ".join(texts))
    return redirect("billing")
