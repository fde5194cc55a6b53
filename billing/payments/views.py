"""Payments on the billing page: top-ups, saved cards, automatic top-ups, receipts."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from accounts.models import Developer
from billing.dashboard.billing_page import payments_of, show_billing
from billing.models import Payment
from billing.payments import auto_topup, cards, checkout, receipts
from billing.payments.forms import AutoTopUpForm, TopUpForm
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.pages.views import form_page, next_page, page, page_action, posted_from, reported, show_refusal
from bubblyphone.core.pagination import slice_of

# In the session: the checkout URL of the latest payment.
CHECKOUT = "checkout"


@posted_from("billing")
def top_up(request: HttpRequest) -> HttpResponse:
    """Redirect to Stripe's page; in test mode, add the credit immediately."""
    developer, form = signed_in(request), TopUpForm(request.POST)
    if not form.is_valid():
        return show_billing(request, top_up_form=form)
    values = form.cleaned_data
    try:
        url = checkout.start_top_up(
            developer=developer,
            amount=values["amount"],
            saves_card=values["saves_card"],
            reference=values["reference"],
        )
        if checkout.is_test_mode():
            return _add_test_credit(request, developer, url.rpartition("/")[2])
    except ApplicationError as error:
        show_refusal(request, error)
        return redirect("billing")
    request.session[CHECKOUT] = url
    return redirect("to-checkout")


@page
def to_checkout(request: HttpRequest) -> HttpResponse:
    """On to Stripe. A page instead of a redirect, because our own content security policy lets forms lead only to us."""
    url = request.session.get(CHECKOUT)
    if not url:
        return redirect("billing")
    answer = render(request, "billing/to_checkout.html", {"url": url})
    answer["Refresh"] = f"0; url={url}"
    return answer


@form_page
def test_top_up(request: HttpRequest, reference: uuid.UUID) -> HttpResponse:
    """Target of the API's `checkout_url` in test mode: a button instead of a card."""
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


@posted_from("billing")
def set_auto_top_up(request: HttpRequest) -> HttpResponse:
    form = AutoTopUpForm(request.POST)
    if not form.is_valid():
        return show_billing(request, auto_top_up_form=form)
    found = auto_topup.configure(developer=signed_in(request), **form.cleaned_data)
    messages.success(request, f"Automatic top-ups are {'on' if found.enabled else 'off'}.")
    return redirect("billing")


@page_action
def choose_card(request: HttpRequest, pk: int) -> HttpResponse:
    card = cards.choose(developer=signed_in(request), pk=pk)
    messages.success(request, f"{card} is now the default card.")
    return redirect("billing")


@page_action
def remove_card(request: HttpRequest, pk: int) -> HttpResponse:
    with reported(request):
        card = cards.remove(developer=signed_in(request), pk=pk)
        messages.success(request, f"{card} removed.")
    return redirect("billing")


@page
def payments(request: HttpRequest) -> HttpResponse:
    """All payments."""
    shown = slice_of(payments_of(signed_in(request)), request.GET.get("before"))
    return render(request, "billing/payments.html", {"shown": shown})


@page
def receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """The receipt of a successful payment as a PDF."""
    paid = payments_of(signed_in(request)).filter(is_test=False, status=Payment.Status.SUCCEEDED)
    payment = paid.filter(pk=pk).first()
    if payment is None:
        raise Http404
    name = f"receipt-{receipts.receipt_number(payment)}.pdf"
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return HttpResponse(receipts.receipt(payment), content_type="application/pdf", headers=headers)


def _add_test_credit(request: HttpRequest, developer: Developer, reference: str) -> HttpResponse:
    """Add test credit once per reference; a second click gets the same payment. Returns to the page that needed the credit, if any."""
    checkout.pay_test_top_up(developer=developer, reference=reference)
    messages.success(request, "Test credit added. No money was taken.")
    return redirect(next_page(request) or "billing")
