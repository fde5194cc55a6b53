"""Bar charts as SVG, computed here and drawn by templates/components/chart.html; colors come from the stylesheet."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

HEIGHT = 220  # pixels; horizontal values are percentages, so that a chart fills the available width
TOP, BOTTOM = 10, 26  # space for the texts above and below the bars
BAR = 0.66  # share of the space per bar
LABELS_AT_MOST = 8
FEW = 3  # bars whose labels fit on narrow screens too
STEPS = tuple(Decimal(step) for step in ("1", "1.2", "1.6", "2", "2.4", "3", "4", "5", "6", "8", "10"))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar; `series` counts from 1."""

    series: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar and its tooltip.

    `before` is the height of the same bar in the previous period, if there is one; `label` is the text below it, if any; labels with
    `is_minor` are hidden on narrow screens.
    """

    left: float
    room: float
    x: float
    width: float
    middle: float
    label: str
    is_minor: bool
    text: str
    pieces: list[Piece]
    before: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars, and the same data for a table next to the drawing: `heads` of its columns, and a row for each bar."""

    title: str
    names: list[str]
    bars: list[Bar]
    ticks: list[Tick]
    heads: list[str]
    rows: list[tuple[str, list[str]]]
    height: int = HEIGHT
    base: int = HEIGHT - BOTTOM


def stacked_bars(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[Decimal]],
    *,
    unit: str = "$",
    what: str = "Day",
    before: Sequence[Decimal] | None = None,
) -> Chart | None:
    """A bar for each label, with a piece for each non-empty series.

    None if there is nothing to show. `labels` are in order, and of the kind that `what` names; `unit` precedes each value, as in "$0.50".
    `before` has the totals of the bars in the previous period, which are marked.
    """
    shown = {name: values for name, values in series.items() if any(values)}
    if not shown and not (before and any(before)):
        return None
    shown = shown or dict(list(series.items())[:1])
    totals = [sum(column, Decimal(0)) for column in zip(*shown.values(), strict=True)]
    top = _round_up(max([*totals, *(before or ())]))
    texts = [[_text(value, unit) for value in column] for column in zip(*shown.values(), strict=True)]
    bars = list(_bars(labels, list(shown.values()), top))
    named = [
        replace(bar, text=_sentence(label, _text(total, unit), shown, row))
        for bar, label, total, row in zip(bars, labels, totals, texts, strict=True)
    ]
    ticks = [Tick(_y(top * part / 2, top), _text(top * part / 2, unit)) for part in range(3)]
    chart = Chart(title, list(shown), named, ticks, [what, *shown], list(zip(labels, texts, strict=True)))
    return chart if before is None else _compared(chart, before, top, unit)


def _compared(chart: Chart, before: Sequence[Decimal], top: Decimal, unit: str) -> Chart:
    """Adds the previous period: a mark in each bar, and a column in the table."""
    words = [_text(value, unit) for value in before]
    bars = [
        replace(bar, before=_y(value, top) if value else None, text=f"{bar.text}; before: {text}")
        for bar, value, text in zip(chart.bars, before, words, strict=True)
    ]
    rows = [(label, [*texts, text]) for (label, texts), text in zip(chart.rows, words, strict=True)]
    return replace(chart, bars=bars, heads=[*chart.heads, "Previous period"], rows=rows)


def _bars(labels: Sequence[str], series: list[Sequence[Decimal]], top: Decimal) -> Iterator[Bar]:
    room = 100 / len(labels)
    every = math.ceil(len(labels) / LABELS_AT_MOST)
    for place, label in enumerate(labels):
        pieces, sofar = [], Decimal(0)
        for number, values in enumerate(series, 1):
            if values[place] > 0:
                low, sofar = sofar, sofar + values[place]
                pieces.append(Piece(number, _y(sofar, top), round(_y(low, top) - _y(sofar, top), 2)))
        yield Bar(
            left=round(place * room, 3),
            room=round(room, 3),
            x=round((place + (1 - BAR) / 2) * room, 3),
            width=round(room * BAR, 3),
            middle=round((place + 0.5) * room, 3),
            label=label if place % every == 0 else "",
            is_minor=len(labels) > FEW and place // every % 2 == 1,
            text="",
            pieces=pieces,
        )


def _y(value: Decimal, top: Decimal) -> float:
    return round(float(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top), 2)


def _round_up(value: Decimal) -> Decimal:
    """Round up to a value whose half is easy to read: 1, 1.2, 2, 5 … with zeros."""
    power = Decimal(10) ** value.adjusted()
    return next(step * power for step in STEPS if step * power >= value)


def _text(value: Decimal, unit: str) -> str:
    places = 0 if value == value.to_integral_value() and not unit else 2
    return f"{unit}{value:,.{places}f}"


def _sentence(label: str, total: str, shown: Mapping[str, object], row: list[str]) -> str:
    parts = ", ".join(f"{name} {text}" for name, text in zip(shown, row, strict=True))
    return f"{label}: {total} ({parts})" if len(row) > 1 else f"{label}: {total}"
