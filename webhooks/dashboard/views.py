"""The Webhooks page: URLs, deliveries, and resending."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render, resolve_url

from accounts.access import signed_in
from accounts.models import Developer
from bubblyphone.core.api.openapi import description
from bubblyphone.core.pages.views import next_page, page, page_action, reported
from bubblyphone.core.pagination import PAGE_SIZE, count_in_words, slice_of
from webhooks import account_endpoints
from webhooks.extension_points import NUMBER_ADDRESSES
from webhooks.sending import redelivery


class DeliveryFilterForm(forms.Form):
    status = forms.ChoiceField(
        required=False,
        choices=[("", "All"), ("failed", "Failed"), ("pending", "Pending"), ("delivered", "Delivered")],
    )
    event = forms.ChoiceField(required=False)
    endpoint = forms.ChoiceField(required=False)

    def __init__(self, data: QueryDict, *, developer: Developer) -> None:
        super().__init__(data)
        events = [(name, name) for name in description().webhooks]
        self.fields["event"] = forms.ChoiceField(required=False, choices=[("", "All events"), *events])
        own = account_endpoints.endpoints_of(developer).order_by("pk")
        endpoints = [(str(endpoint.pk), endpoint.description or endpoint.url) for endpoint in own]
        self.fields["endpoint"] = forms.ChoiceField(required=False, choices=[("", "All endpoints"), *endpoints])


@page
def webhooks(request: HttpRequest) -> HttpResponse:
    """URLs, and deliveries newest first, filtered by status, event, and account endpoint."""
    developer = signed_in(request)
    form = DeliveryFilterForm(request.GET, developer=developer)
    is_valid = form.is_valid()
    names = {"status": "status", "event": "event_type", "endpoint": "endpoint_id"}
    chosen = {names[name]: value for name, value in form.cleaned_data.items() if value}
    found = redelivery.deliveries_of(developer).filter(**chosen)
    rows = redelivery.with_attempts(found if is_valid else found.none())
    shown = slice_of(rows, request.GET.get("before"))
    query = request.GET.copy()
    query.pop("before", None)
    numbers = NUMBER_ADDRESSES.get()(developer, PAGE_SIZE + 1)
    context = {
        "form": form,
        "shown": shown,
        "is_filtered": bool(chosen) or not is_valid,
        "query": query.urlencode(),
        "failed": count_in_words(redelivery.failed_notices(developer)),
        "numbers": numbers[:PAGE_SIZE],
        "has_more_numbers": len(numbers) > PAGE_SIZE,
    }
    return render(request, "webhooks/list.html", context)


@page_action
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Resend one delivery, and return to the requesting page (`next`)."""
    with reported(request, "Resending the webhook."):
        redelivery.resend(developer=signed_in(request), delivery_id=pk)
    return redirect(_target(request))


@page_action
def resend_failed(request: HttpRequest) -> HttpResponse:
    count = redelivery.resend_failed(developer=signed_in(request))
    messages.success(request, f"Resending {count} webhook{'' if count == 1 else 's'}.")
    return redirect(_target(request))


def _target(request: HttpRequest) -> str:
    return next_page(request) or resolve_url("webhooks")
