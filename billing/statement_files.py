"""Statements as files: a PDF for the records, a CSV for calculations."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from django.http import HttpResponse
from django.utils import timezone

from accounts.models import Developer
from billing import billing_switch, statements
from billing.exports import csv_file, harmless
from billing.pdf import Document
from billing.statements import Statement
from bubblyphone.core.api.views import format_time
from bubblyphone.core.money import format_money
from bubblyphone.core.pagination import in_pages

MOST_CREDITS = 50  # credits that a PDF lists individually; each row takes 1 ms
COST_COLUMNS = ["created_at", "kind", "description", "cost", "currency"]
COLUMNS = ["created_at", "kind", "description", "amount", "balance", "currency"]


def file_name(statement: Statement, extension: str) -> str:
    return f"bubblyphone-{statement.period.name}.{extension}"


def statement_pdf(developer: Developer, statement: Statement) -> HttpResponse:
    """Summary, credits (individually, or by day if there are more than MOST_CREDITS), and charges by day."""
    period = statement.period
    document = Document(f"{'Statement' if billing_switch.is_on() else 'Costs'} {period.start:%B %Y}")
    who = developer.company_name or developer.name
    document.note(f"{who}, {developer.email}. Account {developer.pk}. Amounts in US dollars. Days in UTC.")
    if not statement.is_final:
        document.note("This month is not over. The statement is not final.")
    document.rows(["", "Entries", "USD"], _summary(statement), widths=(60, 20, 20))
    entries = statements.entries_in(developer.pk, period).filter(amount__gt=0)
    received = list(entries[: MOST_CREDITS + 1])
    if len(received) > MOST_CREDITS:
        document.heading("Credits by day")
        document.rows(["Date", "USD"], _in_words(statements.by_day(entries)), widths=(80, 20))
    elif received:
        document.heading("Credits")
        rows = [(f"{entry.created_at:%b %-d}", entry.description, format_money(entry.amount)) for entry in received]
        document.rows(["Date", "Description", "USD"], rows, widths=(15, 65, 20))
    if charged := statements.daily_charges(developer, period, timezone.now()):
        document.heading("Charges by day" if billing_switch.is_on() else "Costs by day")
        document.rows(["Date", "USD"], _in_words(charged), widths=(80, 20))
    document.note(f"The CSV file for this month lists every {'transaction' if billing_switch.is_on() else 'cost'}.")
    response = HttpResponse(document.as_bytes(), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{file_name(statement, "pdf")}"'
    return response


def _in_words(days: list[tuple[date, Decimal]]) -> list[tuple[str, str]]:
    return [(f"{day:%b %-d}", format_money(amount)) for day, amount in days]


def _summary(statement: Statement) -> list[tuple[str, str, str]]:
    if not billing_switch.is_on():
        costs = [(line.title, str(line.count), format_money(-line.amount)) for line in statement.lines]
        return [*costs, ("Total", "", format_money(statement.charges))]
    return [
        ("Opening balance", "", format_money(statement.opening)),
        *((line.title, str(line.count), format_money(line.amount)) for line in statement.lines),
        ("Closing balance", "", format_money(statement.closing)),
    ]


def statement_csv(developer: Developer, statement: Statement) -> HttpResponse:
    """Every entry with the balance after it, oldest first, between the opening and the closing balance; without billing every cost."""
    if not billing_switch.is_on():
        return _costs_csv(developer, statement)
    period = statement.period

    def rows() -> Iterator[list[str | None]]:
        balance = statement.opening
        yield [format_time(period.start), "opening", "Opening balance", "0.00", format_money(balance), "USD"]
        for entry in in_pages(statements.entries_in(developer.pk, period), "created_at"):
            balance += entry.amount
            amounts = [format_money(entry.amount), format_money(balance)]
            yield [format_time(entry.created_at), entry.kind, harmless(entry.description), *amounts, "USD"]
        yield [format_time(period.end), "closing", "Closing balance", "0.00", format_money(balance), "USD"]

    return csv_file(file_name(statement, "csv"), COLUMNS, rows())


def _costs_csv(developer: Developer, statement: Statement) -> HttpResponse:
    costs = in_pages(statements.entries_in(developer.pk, statement.period), "created_at")
    rows = (
        [format_time(cost.created_at), cost.kind, harmless(cost.description), format_money(-cost.amount), "USD"]
        for cost in costs
    )
    return csv_file(file_name(statement, "csv"), COST_COLUMNS, rows)
