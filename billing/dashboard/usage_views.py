"""The page of a month's usage."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date

from accounts.access import signed_in
from billing.extension_points import USAGE_REPORT
from billing.periods import month_of, read_month
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.pages.charts import Chart, stacked_bars
from bubblyphone.core.pages.views import page, show_refusal

TITLES = {
    "telephony": "Telephony",
    "ai_model": "AI model",
    "transcription": "Transcription",
    "analysis": "Analysis",
    "numbers": "Numbers",
}


@page
def usage(request: HttpRequest) -> HttpResponse:
    """Tiles, a chart by day, and tables by category, number, agent and model. An invalid month is reported as a message."""
    now = timezone.now()
    try:
        period = read_month(request.GET.get("period"), now)
    except InvalidRequest as error:
        show_refusal(request, error)
        return redirect("usage")
    report = USAGE_REPORT.get()(signed_in(request), period)
    following = month_of(period.end)
    context = {
        "period": period,
        "before": month_of(period.start - timedelta(days=1)),
        "following": following if following.start <= now else None,
        "report": report,
        "chart": _chart(report["daily"]),
        "categories": [
            {"title": TITLES[name], **values}
            for name, values in report["categories"].items()
            if Decimal(values["cost"])
        ],
    }
    return render(request, "billing/usage.html", context)


def _chart(daily: list[dict[str, Any]]) -> Chart | None:
    days = [parse_date(day["date"]) for day in daily]
    series = {title: [Decimal(day["categories"].get(name, 0)) for day in daily] for name, title in TITLES.items()}
    return stacked_bars("Cost by day", [f"{day:%b %-d}" for day in days if day], series)
