"""Scheduled calls: the form for their time, and the page that lists them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import date_format

from accounts.access import signed_in
from accounts.dashboard.forms import TIME_ZONES
from accounts.models import Developer
from bubblyphone.core.pages.views import page, page_action, reported
from bubblyphone.core.pagination import PAGE_SIZE, beyond, read_id, slice_of
from calls.control import scheduled_calls
from calls.models import ScheduledCall

NOW, LATER = "now", "later"


class WhenForm(forms.Form):
    """Now, or a time in a time zone; `due_at` is then that moment, otherwise None."""

    when = forms.ChoiceField(label="When", choices=[(NOW, "Now"), (LATER, "At a set time")], required=False)
    time = forms.CharField(
        label="Date and time", required=False, max_length=30, widget=forms.TextInput(attrs={"type": "datetime-local"})
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        required=False,
        choices=[(name, name.replace("_", " ")) for name in TIME_ZONES],
    )

    @property
    def due_at(self) -> datetime | None:
        """Of a valid form."""
        due_at: datetime | None = self.cleaned_data.get("due_at")
        return due_at

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("when") == LATER and not self.errors.keys() & {"time", "time_zone"}:
            if not values.get("time_zone"):
                self.add_error("time_zone", "Choose a time zone.")
            else:
                self._read_time(values)
        return values

    def _read_time(self, values: dict[str, Any]) -> None:
        zone = ZoneInfo(values["time_zone"])
        try:
            local = datetime.fromisoformat(values["time"])
            moment = local.replace(tzinfo=zone).astimezone(UTC)
            is_skipped = moment.astimezone(zone).replace(tzinfo=None) != local
        except (ValueError, OverflowError):  # the latter at either end of the years
            self.add_error("time", "Enter a date and a time.")
            return
        if local.tzinfo is not None:
            self.add_error("time", "Enter a date and a time.")
        elif is_skipped:
            self.add_error("time", "The clocks in that time zone skip this time. Choose an earlier or later one.")
        values["due_at"] = moment


def when_words(row: ScheduledCall) -> str:
    """The time as chosen: "Dec 1, 2026, 14:00 (Europe/Berlin)"; a time that occurs twice when clocks change includes its offset."""
    local = row.due_at.astimezone(ZoneInfo(row.time_zone))
    is_shown_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{date_format(local, 'M j, Y, H:i')}{f' {local:%Z}' if is_shown_twice else ''} ({row.time_zone.replace('_', ' ')})"


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the list."""

    row: ScheduledCall
    when: str
    speaker: str


@page
def scheduled(request: HttpRequest) -> HttpResponse:
    """Upcoming calls, next one first, or after the one with the id `after`; on the first page also past calls, newest first."""
    rows = scheduled_calls.scheduled_of(signed_in(request))
    waiting, later = _upcoming(rows, read_id(request.GET.get("after")))
    shown = slice_of(rows.exclude(status=ScheduledCall.Status.WAITING), request.GET.get("before"))
    context = {
        "waiting": list(map(_line, waiting)),
        "later": later,
        "is_later": "after" in request.GET,
        "shown": shown,
        "past": [] if "after" in request.GET else list(map(_line, shown.rows)),
    }
    return render(request, "calls/scheduled.html", context)


def _upcoming(rows: QuerySet[ScheduledCall], after: int | None) -> tuple[list[ScheduledCall], int | None]:
    """A page of upcoming calls, and the `after` of the next one."""
    waiting = rows.filter(status=ScheduledCall.Status.WAITING).order_by("due_at", "pk")
    at = None if after is None else rows.filter(pk=after).values_list("due_at", flat=True).first()
    if after is not None and at is not None:
        waiting = waiting.filter(beyond("due_at", at, after, "gt"))
    found = list(waiting[: PAGE_SIZE + 1])
    return found[:PAGE_SIZE], found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None


@page_action
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    with reported(request, "Scheduled call canceled."):
        scheduled_calls.cancel(developer=signed_in(request), pk=pk)
    return redirect("scheduled-calls")


def waiting_count(developer: Developer) -> int:
    """The number of upcoming calls."""
    return scheduled_calls.scheduled_of(developer).filter(status=ScheduledCall.Status.WAITING).count()


def _line(row: ScheduledCall) -> Line:
    agent = row.agent if row.has_own_agent else row.phone_number.agent
    return Line(row, when_words(row), agent.name if agent else "–")
