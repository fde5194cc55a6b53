"""Charts of calls by outcome, minutes, cost and answer time, for each day, agent or number."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.access import signed_in
from accounts.models import Developer
from agents.selectors import agents_of
from billing.exports import csv_file, harmless
from bubblyphone.core.money import format_money
from bubblyphone.core.pages.charts import Chart, stacked_bars
from bubblyphone.core.pages.filters import set_choices
from bubblyphone.core.pages.views import page
from bubblyphone.core.templatetags.ui import phone
from calls.charging.call_figures import OUTCOMES, SAMPLE, Answer, Figures, Question, Span, measure
from phone_numbers.models import PhoneNumber

BARS = 12  # agents or numbers with their own bar
SHORT = 18  # characters of a name below its bar
PERIODS = {"7": "Last 7 days", "30": "Last 30 days", "91": "Last 13 weeks"}
MOST_BARS = 31  # days; a longer period has one bar per week
GROUPS = {"day": "Day", "agent": "Agent", "number": "Number"}
WHAT = {**GROUPS, "week": "Week from"}
NOTHING = Figures()
COLUMNS = ["calls", "answered", "voicemail", "unanswered", "failed", "minutes", "cost", "median_answer_ms"]


class FiguresForm(forms.Form):
    """The filters, from the URL. Invalid values are replaced by the default."""

    days = forms.ChoiceField(label="Period", choices=list(PERIODS.items()), required=False)
    by = forms.ChoiceField(label="By", choices=list(GROUPS.items()), required=False)
    agent = forms.TypedChoiceField(label="Agent", required=False, coerce=int, empty_value=None)
    number = forms.TypedChoiceField(label="Number", required=False, coerce=int, empty_value=None)

    def __init__(self, data: Any, *, names: "Names") -> None:
        super().__init__({"days": "30", "by": "day", **data.dict()})
        for name, everything, choices in (
            ("agent", "All agents", names.agents),
            ("number", "All numbers", names.numbers),
        ):
            set_choices(self, name, [("", everything), *choices.items()])
        self.is_valid()
        self.days_shown = int(self.cleaned_data.get("days") or 30)
        self.group = self.cleaned_data.get("by") or "day"
        self.only = {name: self.cleaned_data.get(name) for name in ("agent", "number")}


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the account's agents and numbers, including released numbers."""

    agents: dict[int, str]
    numbers: dict[int, str]

    @classmethod
    def of(cls, developer: Developer) -> "Names":
        numbers = PhoneNumber.objects.filter(developer=developer).order_by("pk").only("label", "e164")
        return cls(
            {agent.pk: agent.name for agent in agents_of(developer).only("name")},
            {number.pk: number.label or phone(number.e164) for number in numbers},
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A bar in each chart, and a line of the file: its label, and its figures now and in the previous period."""

    name: str
    now: Figures
    before: Figures


@dataclass(frozen=True, slots=True)
class Measured:
    """The data of the page and its file: rows for the chosen `by` (in WHAT), and the total of so many days."""

    form: FiguresForm
    by: str
    rows: list[Row]
    whole: Row
    length: int
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    change: str


@page
def call_figures(request: HttpRequest) -> HttpResponse:
    found = _measured(request)
    context = {
        "form": found.form,
        "tiles": _tiles(found.whole, found.length),
        "length": found.length,
        "charts": [chart for chart in _charts(found.rows, found.by) if chart],
        "sample": SAMPLE,
        "is_sampled": found.is_sampled,
        "query": request.GET.urlencode(),
    }
    return render(request, "calls/figures.html", context)


@page
def call_figures_csv(request: HttpRequest) -> HttpResponse:
    """The rows of the charts as a CSV file, each figure next to that of the previous period."""
    found = _measured(request, is_whole=True)
    columns = [found.by, *COLUMNS, *(f"{name}_before" for name in COLUMNS)]
    table = ([harmless(row.name), *_cells(row.now), *_cells(row.before)] for row in found.rows)
    return csv_file("call-figures.csv", columns, table)


def _measured(request: HttpRequest, *, is_whole: bool = False) -> Measured:
    """As many rows as fit into a chart; with `is_whole` one for each day, agent or number."""
    developer = signed_in(request)
    names = Names.of(developer)
    form = FiguresForm(request.GET, names=names)
    now = timezone.now()
    span = Span.ending(now.astimezone(UTC).date(), form.days_shown)
    found, is_sampled = measure(developer, span, Question(form.group, **form.only), now)
    by = form.group
    if by == "day":
        step = 1 if is_whole or len(span.days) <= MOST_BARS else 7
        by = "day" if step == 1 else "week"
        labels = [f"{day:{'%Y-%m-%d' if is_whole else '%b %-d'}}" for day in span.days]
        rows = [_row(labels[at], found, range(at, at + step)) for at in range(0, len(labels), step)]
    else:
        rows = sorted(_by_name(form, names, found), key=lambda row: -row.now.calls)
        rows = rows if is_whole else _largest(rows)
    return Measured(
        form=form,
        by=by,
        rows=rows,
        whole=_row("", found, {key for key, _ in found}),
        length=len(span.days),
        is_sampled=is_sampled,
    )


def _row(name: str, found: Answer, keys: Iterable[int | None]) -> Row:
    """The figures of some days, agents or numbers together."""
    row = Row(name, Figures(), Figures())
    for key in keys:
        row.now.add(found.get((key, False), NOTHING))
        row.before.add(found.get((key, True), NOTHING))
    return row


def _by_name(form: FiguresForm, names: Names, found: Answer) -> Iterator[Row]:
    """A row for each agent or number; agents that are deleted are one."""
    known = names.agents if form.group == "agent" else names.numbers
    keys = {key for key, _ in found}
    for pk, name in known.items():
        if pk in keys:
            yield _row(name, found, [pk])
    if None in keys:
        yield _row(f"No {form.group}", found, [None])
    if deleted := keys - known.keys() - {None}:
        yield _row(f"Deleted {form.group}s", found, deleted)


def _largest(rows: list[Row]) -> list[Row]:
    """The largest rows that fit into the charts; the others are combined."""
    if len(rows) <= BARS:
        return rows
    others = Row("Others", Figures(), Figures())
    for row in rows[BARS - 1 :]:
        others.now.add(row.now)
        others.before.add(row.before)
    return [*rows[: BARS - 1], others]


def _charts(rows: list[Row], group: str) -> Iterator[Chart | None]:
    labels = [row.name if len(row.name) <= SHORT else f"{row.name[: SHORT - 1]}…" for row in rows]
    what = WHAT[group]

    def chart(title: str, series: dict[str, list[Decimal]], before: list[Decimal], unit: str = "") -> Chart | None:
        return stacked_bars(f"{title} by {group}", labels, series, unit=unit, what=what, before=before)

    outcomes = {words: [Decimal(getattr(row.now, name)) for row in rows] for name, words in OUTCOMES.items()}
    yield chart("Calls", outcomes, [Decimal(row.before.calls) for row in rows])
    minutes = {"Minutes": [Decimal(row.now.minutes) for row in rows]}
    yield chart("Minutes", minutes, [Decimal(row.before.minutes) for row in rows])
    yield chart("Cost", {"Cost": [row.now.cost for row in rows]}, [row.before.cost for row in rows], "$")
    times = {"Median answer time": [Decimal(row.now.answer_ms or 0) for row in rows]}
    yield chart("Answer time (ms)", times, [Decimal(row.before.answer_ms or 0) for row in rows])


def _tiles(whole: Row, length: int) -> Iterator[Tile]:
    now, before = whole.now, whole.before
    yield Tile("Calls", f"{now.calls:,}", _change(now.calls, before.calls, length))
    rates = [round(100 * each.answered / each.calls) if each.calls else None for each in (now, before)]
    if rates[0] is not None:
        compared = "" if rates[1] is None else f"{rates[1]}% in the previous {length} days"
        yield Tile("Answered", f"{rates[0]}%", compared)
    yield Tile("Minutes", f"{now.minutes:,}", _change(now.minutes, before.minutes, length))
    yield Tile("Cost", f"${now.cost:,.2f}", _change(now.cost, before.cost, length))
    if now.answer_ms is not None:
        yield Tile("Answer time", f"{now.answer_ms} ms", _change(now.answer_ms, before.answer_ms or 0, length))


def _change(now: Decimal | int, before: Decimal | int, length: int) -> str:
    """How a figure compares, like "12% more than in the previous 30 days"."""
    if not before:
        return f"None in the previous {length} days"
    percent = round(100 * (now - before) / before)
    if percent == 0:
        return f"Same as in the previous {length} days"
    return f"{abs(percent):,}% {'more' if percent > 0 else 'less'} than in the previous {length} days"


def _cells(found: Figures) -> list[Any]:
    counts = [found.calls, found.answered, found.voicemail, found.unanswered, found.failed, found.minutes]
    return [*counts, format_money(found.cost), "" if found.answer_ms is None else found.answer_ms]
