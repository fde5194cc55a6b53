"""Numbers: the list, buying, configuring and releasing."""

import uuid
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from accounts.access import signed_in
from agents.selectors import agents_of, get_agent
from billing.payments import checkout
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.pages.views import add_errors, form_page, page, page_action, refusals_on, reported
from bubblyphone.core.pagination import read_id, slice_of
from bubblyphone.core.templatetags.ui import phone
from phone_numbers import selectors, services
from phone_numbers.carriers.base import AvailableNumber
from phone_numbers.configuration import update_number, variable_warnings
from phone_numbers.countries import country_name, get_eligibility
from phone_numbers.dashboard.forms import NOBODY, TYPE_LABELS, BuyForm, NumberFilterForm, NumberForm, NumberSearchForm
from phone_numbers.dashboard.own_settings import own_settings
from phone_numbers.models import CallMode, PhoneNumber
from webhooks.sending.signing import signing_keys

SEARCH_LIMIT = 20
RECENT_CALLS = 6
# In the session: the number whose new webhook secret its page shows once.
SHOW_SECRET_OF = "show_secret_of"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Offer:
    """An available number, as shown on the page."""

    e164: str
    place: str
    features: list[str]


def _offer(number: AvailableNumber) -> Offer:
    regions = {region["region_type"]: region["region_name"] for region in number.region_information}
    places = [regions.get("rate_center", "").title(), regions.get("state", "")]
    return Offer(
        e164=number.phone_number,
        place=", ".join(place for place in places if place),
        features=[feature["name"] for feature in number.features],
    )


@page
def numbers(request: HttpRequest) -> HttpResponse:
    """The numbers, newest first. The search is shown if they do not fit on one page."""
    form = NumberFilterForm(request.GET)
    owned = form.narrow(selectors.numbers_of(signed_in(request)))
    shown = slice_of(owned, request.GET.get("before"))
    has_filters = bool(form.chosen or form.errors or shown.older or not shown.is_first)
    query = urlencode({"q": form.chosen["q"]}) if form.chosen else ""
    return render(
        request, "numbers/list.html", {"form": form, "shown": shown, "has_filters": has_filters, "query": query}
    )


@form_page
def buy_number(request: HttpRequest) -> HttpResponse:
    """Search by the URL's query; POST buys one of the results."""
    developer = signed_in(request)
    buy_form = BuyForm(request.POST or None, developer=developer, initial={"answered_by": _who_is_to_answer(request)})
    if buy_form.is_valid():
        with refusals_on(buy_form):
            bought = services.buy_number(developer=developer, **buy_form.cleaned_data)
            request.session[SHOW_SECRET_OF] = bought.pk
            messages.success(request, _bought_text(bought))
            _warn_of_variables(request, bought)
            return redirect("number", bought.pk)
    context = {"buy_form": buy_form, **_search(request)}
    return render(request, "numbers/buy.html", context)


def _who_is_to_answer(request: HttpRequest) -> str:
    """The agent named in the URL; without one, the account's only agent, or nobody if there is none. "": the user must choose."""
    if "agent" in request.GET:
        return request.GET["agent"]
    owned = list(agents_of(signed_in(request)).values_list("pk", flat=True)[:2])
    if len(owned) > 1:
        return ""
    return str(owned[0]) if owned else NOBODY


def _bought_text(number: PhoneNumber) -> str:
    if number.agent is not None:
        return f"Number purchased. {number.agent.name} answers it."
    if number.webhook_url:
        return "Number purchased. Your server answers it."
    return "Number purchased. Choose who answers it."


def _warn_of_variables(request: HttpRequest, answered: PhoneNumber) -> None:
    for warning in variable_warnings(answered):
        messages.warning(request, warning)


def _search(request: HttpRequest) -> dict[str, object]:
    form = NumberSearchForm(request.GET if "country" in request.GET else None)
    if not form.is_valid():
        return {"form": form}
    try:
        found, price = services.search_available(**form.cleaned_data, limit=SEARCH_LIMIT)
        kind = {"country": price.country_code, "number_type": price.number_type}
        eligibility = get_eligibility(developer=signed_in(request), **kind)
    except ApplicationError as error:
        add_errors(form, error)
        return {"form": form}
    choice = request.POST.get("phone_number") or request.GET.get("choose")
    return {
        "form": form,
        "found": [_offer(number) for number in found],
        "chosen": next((number.phone_number for number in found if number.phone_number == choice), ""),
        "price": price,
        "eligibility": eligibility,
        "total": price.setup_cost + price.monthly_cost,
        # Test credit is one click away, and leads back to the purchase.
        "credit_reference": uuid.uuid4() if checkout.is_test_mode() else None,
    }


@form_page
def number(request: HttpRequest, pk: int) -> HttpResponse:
    """One number and its configuration."""
    owned = selectors.get_number(developer=signed_in(request), pk=pk)
    form = NumberForm(request.POST or None, number=owned)
    if form.is_valid():
        with refusals_on(form):
            saved = update_number(number=owned, changes=form.changes)
            messages.success(request, "Saved. Changes apply from the next call.")
            _warn_of_variables(request, saved)
            return redirect("number", pk)
    context = {
        "number": owned,
        "form": form,
        "calls": owned.calls.order_by("-pk")[:RECENT_CALLS],
        "country": country_name(owned.country_code),
        "kind": TYPE_LABELS[owned.number_type],
        "agent_decides": owned.agent is not None and owned.mode == CallMode.STREAMING,
        "own_settings": own_settings(owned),
        "webhook_secret": _secret_to_show(request, owned),
    }
    return render(request, "numbers/detail.html", context)


def _secret_to_show(request: HttpRequest, owned: PhoneNumber) -> str:
    """The webhook secret, shown once after a purchase or rotation."""
    if request.session.get(SHOW_SECRET_OF) != owned.pk:
        return ""
    del request.session[SHOW_SECRET_OF]
    return signing_keys(owned.signing_secret).current


@page_action
def link_agent(request: HttpRequest, pk: int) -> HttpResponse:
    """From an agent's page: the agent answers another number."""
    agent = get_agent(developer=signed_in(request), pk=pk)
    number_id = read_id(request.POST.get("number"))
    if number_id is None:
        messages.error(request, "Choose a number.")
        return redirect("agent", pk)
    owned = selectors.get_number(developer=agent.developer, pk=number_id)
    with reported(request):
        linked = update_number(number=owned, changes={"agent_id": agent.pk, "mode": CallMode.STREAMING.value})
        messages.success(request, f"{agent.name} answers {phone(owned.e164)}, starting with the next call.")
        _warn_of_variables(request, linked)
    return redirect("agent", pk)


@page_action
def rotate_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """The number's page then shows the new secret, once."""
    services.rotate_webhook_secret(number=selectors.get_number(developer=signed_in(request), pk=pk))
    request.session[SHOW_SECRET_OF] = pk
    messages.success(request, "Webhook secret replaced. We sign with both secrets for 24 hours.")
    return redirect("number", pk)


@page_action
def test_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test event; the webhooks page shows the result."""
    owned = selectors.get_number(developer=signed_in(request), pk=pk)
    with reported(request, "Test event sent. If its status is still pending, reload the page."):
        services.send_test_webhook(number=owned)
        return redirect(f"{reverse('webhooks')}?event=webhook.test")
    return redirect("number", pk)


@page_action
def release_number(request: HttpRequest, pk: int) -> HttpResponse:
    owned = selectors.get_number(developer=signed_in(request), pk=pk)
    with reported(request, "Number released."):
        services.release_number(number=owned)
        return redirect("numbers")
    return redirect("number", pk)
