"""The monthly usage page, its chart, and how long a balance lasts."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from billing import ledger
from billing.burn_rate import days_left
from bubblyphone.core.pages.charts import stacked_bars
from tests.billing.test_usage import day, settle
from tests.calls.rows import make_account, make_streaming_number
from tests.factories import make_agent, make_developer


@pytest.mark.django_db
def test_the_page_shows_the_month(empty_redis: object) -> None:
    developer = make_account("100")
    number = make_streaming_number(developer, created_at=day(1, 1))
    settle(number, day(2), 95, agent=make_agent(developer=developer, name="Desk <b>"))
    client = Client()
    client.force_login(developer)
    html = client.get("/usage?period=2026-03").content.decode()
    for text in (
        "March 2026",
        "$0.14</",
        "Mar 2: $0.14 (Telephony $0.08, AI model $0.06)",
        "Desk &lt;b&gt;",
        'href="?period=2026-02"',
    ):
        assert text in html
    assert "No costs in" in client.get("/usage").content.decode()
    for wrong in ("soon", "", "2026-13", "2026-3", "0000-01", "2026-03-01"):
        page = client.get("/usage", {"period": wrong}, follow=True)
        assert (page.status_code, page.redirect_chain) == (200, [("/usage", 302)])
        assert "Must be a month as YYYY-MM, like 2026-03." in page.content.decode()


def test_bars_are_stacked_and_fill_the_chart() -> None:
    chart = stacked_bars(
        "Cost",
        ["Mar 1", "Mar 2"],
        {"A": [Decimal(1), Decimal(0)], "B": [Decimal(1), Decimal(4)], "C": [Decimal(0)] * 2},
    )
    assert chart is not None
    assert chart.names == ["A", "B"]
    assert [tick.text for tick in chart.ticks] == ["$0.00", "$2.00", "$4.00"]
    below, above = chart.bars[0].pieces
    assert (below.y + below.height, above.y + above.height) == (chart.base, pytest.approx(below.y))
    tall = chart.bars[1].pieces[0]
    assert tall.height == pytest.approx(chart.base - 10, abs=0.01)
    assert chart.bars[1].text == "Mar 2: $4.00 (A $0.00, B $4.00)"


def test_no_chart_without_costs() -> None:
    assert stacked_bars("Cost", ["Mar 1"], {"A": [Decimal(0)]}) is None
    assert stacked_bars("Cost", [], {"A": []}) is None


@pytest.mark.django_db
def test_a_number_is_charged_monthly_and_set_up_once(empty_redis: object) -> None:
    developer, now = make_developer(), timezone.now()
    for kind, amount in (("number_setup", -3), ("number_month", -3)):
        ledger.post_entry(developer_id=developer.pk, key=kind, kind=kind, amount=Decimal(amount), description="")
    assert days_left(developer, Decimal(13), now + timedelta(seconds=1)) == 130  # $3 in 30 days


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("spent", "days_ago", "left"),
    [
        ("7", 6, 11),  # $13 at $7 in six days
        ("7", 0.5, 1),  # at $7 within the shortest period that counts, a day
        ("10", 20, None),  # too long ago
        ("100", 1, 0),
    ],
)
def test_how_long_a_balance_lasts(spent: str, days_ago: float, left: int | None, empty_redis: object) -> None:
    developer, now = make_developer(), timezone.now()
    at = now - timedelta(days=days_ago)
    ledger.post_entry(
        developer_id=developer.pk, key="call:1:model", kind="model", amount=-Decimal(spent), description="", at=at
    )
    client = Client()
    client.force_login(developer)
    assert ("left at this week’s spending" in client.get("/billing").content.decode()) == (left is not None)
    assert days_left(developer, Decimal(13) if left != 0 else Decimal(-1), now) == left
