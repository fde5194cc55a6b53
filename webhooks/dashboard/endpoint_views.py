"""The pages of the account's webhook endpoints."""

from collections import Counter

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from accounts.models import Developer
from bubblyphone.core.pages.once import show_once, take_shown_once
from bubblyphone.core.pages.views import form_page, page_action, refusals_on
from bubblyphone.core.pagination import MOST_COUNTED
from webhooks import account_endpoints
from webhooks.dashboard.forms import EndpointForm
from webhooks.models import WebhookDelivery
from webhooks.sending import redelivery

SHOWN_ONCE = "new-endpoint-key"  # what the page after creating or rotating shows once
RECENT = 10


@form_page
def endpoints(request: HttpRequest) -> HttpResponse:
    """The list; POST adds one and shows its secret on its own page."""
    developer = signed_in(request)
    form = EndpointForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            created, secret = account_endpoints.create(developer=developer, **form.fields_of_endpoint())
            show_once(request, SHOWN_ONCE, secret)
            messages.success(request, "Endpoint added.")
            return redirect("webhook-endpoint", created.pk)
    failures = _failures(developer)
    rows = [(found, failures.get(found.pk, "")) for found in account_endpoints.endpoints_of(developer).order_by("pk")]
    return render(request, "webhooks/endpoints.html", {"form": form, "rows": rows})


def _failures(developer: Developer) -> dict[int | None, str]:
    """How many of the newest failed deliveries each endpoint has, as text. An account may have very many of them."""
    failed = redelivery.deliveries_of(developer).filter(status=WebhookDelivery.Status.FAILED)
    latest = list(failed.order_by("-pk").values_list("endpoint_id", flat=True)[: MOST_COUNTED + 1])
    among = f"of the newest {MOST_COUNTED:,} failures" if len(latest) > MOST_COUNTED else "failed"
    return {pk: f"{count:,} {among}" for pk, count in Counter(latest[:MOST_COUNTED]).items()}


@form_page
def endpoint(request: HttpRequest, pk: int) -> HttpResponse:
    """One endpoint with its recent deliveries; POST saves its settings."""
    developer = signed_in(request)
    found = account_endpoints.get_endpoint(developer=developer, pk=pk)
    initial = {"url": found.url, "description": found.description, "events": found.event_types}
    form = EndpointForm(request.POST or None, initial=initial)
    if form.is_valid():
        account_endpoints.update(developer=developer, pk=pk, **form.fields_of_endpoint())
        messages.success(request, "Endpoint saved.")
        return redirect("webhook-endpoint", pk)
    rows = redelivery.with_attempts(redelivery.deliveries_of(developer).filter(endpoint=found))
    recent = list(rows.order_by("-pk")[:RECENT])
    context = {
        "endpoint": found,
        "form": form,
        "secret": take_shown_once(request, SHOWN_ONCE) if request.method == "GET" else "",
        "recent": recent,
        "is_changing": any(delivery.status == WebhookDelivery.Status.PENDING for delivery in recent),
    }
    return render(request, "webhooks/endpoint.html", context)


@page_action
def set_enabled(request: HttpRequest, pk: int, *, enabled: bool) -> HttpResponse:
    account_endpoints.update(developer=signed_in(request), pk=pk, enabled=enabled)
    text = "Endpoint enabled. It receives events from now on." if enabled else "Endpoint disabled."
    messages.success(request, text)
    return redirect("webhook-endpoint", pk)


@page_action
def send_test(request: HttpRequest, pk: int) -> HttpResponse:
    account_endpoints.send_test(developer=signed_in(request), pk=pk)
    messages.success(request, "Test event sent. The response is under Recent deliveries.")
    return redirect("webhook-endpoint", pk)


@page_action
def rotate_secret(request: HttpRequest, pk: int) -> HttpResponse:
    secret = account_endpoints.rotate_secret(developer=signed_in(request), pk=pk)[1]
    show_once(request, SHOWN_ONCE, secret)
    messages.success(request, "Secret rotated. The previous one is valid for another 24 hours.")
    return redirect("webhook-endpoint", pk)


@page_action
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    account_endpoints.delete(developer=signed_in(request), pk=pk)
    messages.success(request, "Endpoint deleted.")
    return redirect("webhook-endpoints")
