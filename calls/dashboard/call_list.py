"""The list of calls: filters, CSV file, and deletion of recordings and transcripts of selected calls."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.access import signed_in
from billing.exports import csv_file, harmless
from bubblyphone.core.api.views import format_time
from bubblyphone.core.money import format_money
from bubblyphone.core.pages.views import next_page, page, page_action
from bubblyphone.core.pagination import PAGE_SIZE, Slice, in_pages, read_id, slice_of
from calls import selectors
from calls.after_call import deletion
from calls.dashboard.call_page import cost_of, elapsed_seconds
from calls.dashboard.forms import CallFilterForm, in_words
from calls.dashboard.saved_views import current_of, filters_of
from calls.dashboard.scheduling import waiting_count
from calls.dashboard.wording import value_in_words
from calls.models import ENDED_STATUSES, Call
from calls.outcomes import describe_ending

COLUMNS = [
    "id", "started_at", "direction", "status", "ending", "outcome", "from", "to", "number", "agent", "agent_version",
    "duration_seconds", "cost", "analysis",
]  # fmt: skip
DELETE = {"recordings": deletion.delete_recordings, "transcripts": deletion.delete_transcripts}


@page
def calls(request: HttpRequest) -> HttpResponse:
    """All calls, newest first, filtered by the URL.

    The first page polls itself and names what it shows as `seen`: while that is unchanged, the response is a 204.
    """
    developer = signed_in(request)
    views = list(developer.saved_views.all())
    if not request.GET and (default := next((view for view in views if view.is_default), None)):
        return redirect(f"{reverse('calls')}?{default.query}")
    form = CallFilterForm(request.GET, developer=developer)
    every = selectors.calls_of(developer)
    shown = slice_of(form.narrow(every), request.GET.get("before"), form.moment, every)
    seen = _fingerprint(shown)
    if "HX-Request" in request.headers and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    query = request.GET.copy()
    for name in ("before", "seen"):
        query.pop(name, None)
    filters = filters_of(form)
    context = {
        "form": form,
        "shown": shown,
        "seen": seen,
        "query": query.urlencode(),
        "views": views,
        "filters": filters,
        "current": current_of(views, form, request.GET),
        "columns": [in_words(name) for name in form.columns_shown],
        "rows": [with_columns(call, form.columns_shown) for call in shown.rows],
        "is_live": any(not call.is_over for call in shown.rows),
        "waiting_count": waiting_count(developer),
        "can_delete": any(call.is_over for call in shown.rows),
    }
    return render(request, "calls/list.html", context)


@page
def calls_csv(request: HttpRequest) -> HttpResponse:
    """The calls that match the filters in the URL, all pages of them, as a CSV file."""
    developer = signed_in(request)
    form = CallFilterForm(request.GET, developer=developer)
    rows = form.narrow(selectors.calls_of(developer)).defer("config", "dynamic_variables")
    chosen = form.columns_shown
    table = (
        [*_csv_row(call), *(harmless(text) for text in _results(call, chosen))]
        for call in in_pages(rows, form.moment, newest_first=True)
    )
    return csv_file("calls.csv", [*COLUMNS, *chosen], table)


@page_action
def delete_kept(request: HttpRequest) -> HttpResponse:
    """Delete recordings, transcripts or both of the selected calls."""
    chosen = [pk for pk in map(read_id, request.POST.getlist("call")[:PAGE_SIZE]) if pk is not None]
    kinds = [kind for kind in DELETE if request.POST.get(kind)]
    found = selectors.calls_of(signed_in(request)).filter(pk__in=chosen, status__in=ENDED_STATUSES)
    if not chosen or not kinds:
        messages.error(request, "Select calls, then choose recordings, transcripts, or both.")
    else:
        deleted = {kind: DELETE[kind](found) for kind in kinds}
        words = " and ".join(_counted(count, kind.removesuffix("s")) for kind, count in deleted.items())
        messages.success(request, f"Deleted {words}.")
    return redirect(next_page(request) or reverse("calls"))


def with_columns(call: Call, columns: Sequence[str]) -> tuple[Call, list[str]]:
    """A call and its analysis results for the chosen columns."""
    return call, [text or "–" for text in _results(call, columns)]


def _results(call: Call, columns: Sequence[str]) -> list[str]:
    found = call.analysis_result or {}
    return [value_in_words(found[name]) if found.get(name) is not None else "" for name in columns]


def _fingerprint(shown: Slice[Call]) -> str:
    """Stays the same as long as the page would look the same."""
    parts = [
        (call.pk, call.status, elapsed_seconds(call), str(cost_of(call)), call.analysis_result) for call in shown.rows
    ]
    return sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _csv_row(call: Call) -> list[Any]:
    return [
        call.pk,
        format_time(call.started_at),
        call.direction,
        call.status,
        describe_ending(call),
        call.outcome,
        *(harmless(text) for text in (call.from_number, call.to_number)),
        harmless(call.phone_number.label if call.phone_number else ""),
        harmless(call.agent.name if call.agent else ""),
        call.agent_version or "",
        "" if (seconds := elapsed_seconds(call)) is None else seconds,
        format_money(cost_of(call)),
        json.dumps(call.analysis_result, ensure_ascii=False) if call.analysis_result else "",
    ]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
