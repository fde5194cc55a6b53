"""The pages of events: the list with its live tail, one event, and resending a time range."""

import json
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.core.pages.views import page, posted_from, refusals_on
from bubblyphone.core.pagination import read_id, slice_of
from webhooks import event_feed
from webhooks.dashboard.forms import EventFilterForm, ResendEventsForm
from webhooks.sending import redelivery, replay

# A page that follows events shows so many more, then asks to be loaded again: a browser does not get slower and slower.
MAX_TAILED = 500
TAIL_BATCH = 50


@page
def events_page(request: HttpRequest) -> HttpResponse:
    """Events newest first, by the filters of the URL; the first page follows what happens."""
    return _show(request)


def _show(request: HttpRequest, *, refused: ResendEventsForm | None = None) -> HttpResponse:
    developer = signed_in(request)
    form = EventFilterForm(request.GET)
    newest, position = event_feed.newest(developer.pk)
    rows = event_feed.up_to(developer.pk, position).annotate(shown=redelivery.beginning("body")).defer("body")
    fitting = rows.filter(form.lookups(developer.pk)) if form.is_valid() else rows.none()
    shown = slice_of(fitting, request.GET.get("before"), "position", rows)
    query = request.GET.copy()
    query.pop("before", None)
    tail_query = query.copy()
    tail_query["newest"] = newest or ""
    ranges = {name: value for name, value in form.chosen.items() if name in ("type", "since", "until")}
    context = {
        "form": form,
        "shown": shown,
        "query": query.urlencode(),
        "first_tail": tail_query.urlencode(),
        "is_live": shown.is_first and not form.errors and "until" not in form.chosen,
        "resend_form": refused or ResendEventsForm(developer=developer, initial=ranges, auto_id="resend_%s"),
    }
    return render(request, "webhooks/events.html", context)


@page
def tail(request: HttpRequest) -> HttpResponse:
    """What happened after the event `newest` and fits the filters, for the top of the list; the next request comes along."""
    developer = signed_in(request)
    form = EventFilterForm(request.GET)
    newest, count = request.GET.get("newest") or None, read_id(request.GET.get("count")) or 0
    try:
        following = list(event_feed.after(developer.pk, newest)[:TAIL_BATCH])
    except InvalidRequest:  # the page is older than the events we keep
        following, count = [], MAX_TAILED
    fitting = event_feed.up_to(developer.pk, following[-1].position if following else None)
    fitting = fitting.filter(
        form.lookups(developer.pk) if form.is_valid() else Q(), pk__in=[event.pk for event in following]
    )
    rows = list(fitting.annotate(shown=redelivery.beginning("body")).defer("body").order_by("-position"))
    query = request.GET.copy()
    query["newest"] = following[-1].public_id if following else newest or ""
    query["count"] = str(count + len(rows))
    context = {"events": rows, "tail_query": query.urlencode(), "is_over": count + len(rows) >= MAX_TAILED}
    return render(request, "webhooks/_tail.html", context)


@page
def event(request: HttpRequest, public_id: str) -> HttpResponse:
    """One event: its body, and where it was sent."""
    developer = signed_in(request)
    found = event_feed.get_event(developer.pk, public_id)
    deliveries = redelivery.with_attempts(redelivery.deliveries_of(developer).filter(event=found))
    context: dict[str, Any] = {
        "event": found,
        "call_id": event_feed.call_id_of(found),
        "body": json.dumps(parse_stored_json(found.body), indent=2, ensure_ascii=False),
        "deliveries": deliveries.order_by("pk"),
    }
    return render(request, "webhooks/event.html", context)


@posted_from("events")
def resend_events(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    form = ResendEventsForm(request.POST, developer=developer, auto_id="resend_%s")
    if form.is_valid():
        chosen = form.cleaned_data
        with refusals_on(form):
            count = replay.resend_events(
                developer=developer,
                endpoint_id=chosen["endpoint"],
                since=chosen["since"],
                until=chosen["until"],
                event_type=chosen["type"],
            )
            messages.success(request, f"Resending {count} event{'' if count == 1 else 's'}.")
            return redirect("events")
    return _show(request, refused=form)
