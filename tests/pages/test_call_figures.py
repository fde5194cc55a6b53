"""The call charts and their CSV file."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Developer
from agents.models import Agent
from billing import cost_formulas
from billing.models import LedgerEntry
from bubblyphone.core.redis import period_cache
from calls.charging import day_sums, settlement
from calls.charging.call_figures import Question, Span, measure, not_summed_up
from calls.models import Call, CallSums, CallTurn, StaleDay, SummedDay
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_streaming_number
from tests.factories import make_agent
from tests.pages.rows import make_call
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def noon() -> datetime:
    """Noon, when yesterday is certainly over."""
    return timezone.now().replace(hour=12, minute=0)


def settle(number: PhoneNumber, days_ago: int, **fields: Any) -> Call:
    """A call of 90 s that cost $0.18, unless `fields` say otherwise."""
    at = timezone.now() - timedelta(days=days_ago)
    call = make_call(number.developer, number, **fields)
    Call.objects.filter(pk=call.pk).update(
        settled_at=at, duration_seconds=90, telephony_cost=Decimal("0.1"), model_cost=Decimal("0.08"),
        transcription_cost=0, analysis_cost=0, **fields,
    )  # fmt: skip
    return call


def answer(call: Call, *times: int) -> None:
    for total in times:
        CallTurn.objects.create(
            call=call, answered_at=timezone.now(), carrier_in_ms=0, model_ms=total, tool_ms=0, own_ms=0, total_ms=total
        )


@pytest.fixture
def developer() -> Developer:
    """Two agents and two numbers: this week three calls by Baker and one to the other number, and one call the week before."""
    developer = make_account()
    baker = make_agent(developer=developer, name="Baker")
    shop = make_streaming_number(developer, agent=baker, label="Shop")
    home = make_streaming_number(developer, label="=Home")
    ended = {"status": "completed", "agent": baker, "hangup_cause": "normal_clearing"}
    answer(settle(shop, 1, **ended), 400, 600, 2000)
    settle(shop, 1, direction="outbound", voicemail_detected=True, **ended)
    settle(shop, 0, **{**ended, "hangup_cause": "model_failed"})
    settle(home, 2, status="failed", hangup_cause="busy", direction="outbound")
    answer(settle(shop, 8, **ended), 1000)
    settle(make_streaming_number(make_account()), 1, status="completed", hangup_cause="normal_clearing")
    return developer


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


def rows_of(client: Client, query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(f"/calls/charts.csv?{query}").content.decode())))


def numbers_of(row: dict[str, str], suffix: str = "") -> list[str]:
    names = ("calls", "answered", "voicemail", "unanswered", "failed", "minutes", "cost", "median_answer_ms")
    return [row[name + suffix] for name in names]


def test_each_day_is_compared_with_the_same_day_of_the_previous_week(client: Client) -> None:
    for _ in range(2):  # the second time, past days are already summed up
        rows = rows_of(client, "days=7")
        assert len(rows) == 7
        yesterday = rows[-2]
        assert yesterday["day"] == f"{timezone.now() - timedelta(days=1):%Y-%m-%d}"
        assert numbers_of(yesterday) == ["2", "1", "1", "0", "0", "4", "0.36", "600"]
        assert numbers_of(yesterday, "_before") == ["1", "1", "0", "0", "0", "2", "0.18", "1000"]
        assert numbers_of(rows[-1]) == ["1", "0", "0", "0", "1", "2", "0.18", ""]
        day_sums.sum_up(noon())


def test_a_late_cost_shows_immediately_and_only_its_day_is_summed_up_again(
    client: Client, developer: Developer
) -> None:
    day_sums.sum_up(noon())
    days = Span.ending(timezone.now().date(), 91)
    every, today = {*days.days, *days.previous}, timezone.now().date()
    assert not_summed_up(developer.pk, every) == {today}
    assert CallSums.objects.filter(developer=developer).count() == 3
    call = Call.objects.filter(developer=developer, voicemail_detected=True).get()
    assert call.settled_at is not None
    late = call.settled_at.date()
    Call.objects.filter(pk=call.pk).update(analysis_result={}, metadata={"x": "y"})  # not part of the sums
    assert not_summed_up(developer.pk, every) == {today}
    Call.objects.filter(pk=call.pk).update(analysis_cost=Decimal("0.02"))
    assert not_summed_up(developer.pk, every) == {today, late}
    for _ in range(2):
        assert numbers_of(rows_of(client, "days=7")[-2]) == ["2", "1", "1", "0", "0", "4", "0.38", "600"]
        day_sums.sum_up(noon())
    assert not_summed_up(developer.pk, every) == {today}
    # Settled again, because its answer was reported late. It now counts on another day.
    Call.objects.filter(pk=call.pk).update(settled_at=timezone.now())
    for _ in range(2):
        rows = rows_of(client, "days=7")
        assert (numbers_of(rows[-2])[0], numbers_of(rows[-1])[0]) == ("1", "2")
        day_sums.sum_up(noon())
    day_sums.sum_up(noon() + timedelta(days=400))
    assert not CallSums.objects.filter(day__lte=today).exists()


@pytest.mark.parametrize(
    "change",
    [{"voicemail_detected": True}, {"screened": "declined"}, {"settled_at": timezone.now()}],
    ids=lambda change: next(iter(change)),
)
def test_the_overview_shows_a_late_change_immediately(change: dict[str, Any]) -> None:
    """As in the charts. The figures are the same as those computed without any cache."""
    number = make_streaming_number(make_account())
    call = settle(number, 2, direction="outbound", status="completed", hangup_cause="normal_clearing")
    settle(number, 3, direction="outbound", status="completed", hangup_cause="normal_clearing")
    client = signed_in_client(number.developer)
    before = client.get("/").context["figures"]
    Call.objects.filter(pk=call.pk).update(**change)
    found = client.get("/").context["figures"]
    period_cache.forget()
    assert found == client.get("/").context["figures"] != before


@pytest.mark.django_db(transaction=True)
def test_a_change_committed_while_its_day_is_summed_up_is_counted() -> None:
    number = make_streaming_number(make_account())
    first, second = (settle(number, 2, status="completed", hangup_cause="normal_clearing") for _ in range(2))
    day_sums.sum_up(noon())
    Call.objects.filter(pk=first.pk).update(analysis_cost=Decimal("0.02"))  # makes the day stale
    is_written, is_summed_up = Event(), Event()

    def change() -> None:
        try:
            with transaction.atomic():
                Call.objects.filter(pk=second.pk).update(analysis_cost=Decimal("0.03"))
                is_written.set()
                is_summed_up.wait(30)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        changing = threads.submit(change)
        is_written.wait(30)
        day_sums.sum_up(noon())
        is_summed_up.set()
        changing.result()
    client = signed_in_client(number.developer)
    for _ in range(2):
        assert numbers_of(rows_of(client, "days=7")[-3])[6] == "0.41"
        day_sums.sum_up(noon())
    assert not StaleDay.objects.exists()


@pytest.mark.parametrize("by", ["day", "agent", "number"])
@pytest.mark.parametrize("length", [7, 30])
def test_cached_figures_are_those_of_the_span_around_midnight(developer: Developer, by: str, length: int) -> None:
    """In the first hour of a day, the day before can still change, so it is not cached."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for hours in (-1, 0.5, 0.75, 1.5, 23):
        now = midnight + timedelta(hours=hours)
        span, question = Span.ending(now.date(), length), Question(by)
        cached = [measure(developer, span, question, now) for _ in range(2)]
        period_cache.forget()
        assert cached == [measure(developer, span, question, now)] * 2
        assert sum(figures.calls for figures in cached[0][0].values()) == (4 if hours == -1 else 5)


def test_calls_of_a_deleted_agent_are_kept(client: Client, developer: Developer) -> None:
    day_sums.sum_up(noon())
    PhoneNumber.objects.update(agent=None)
    developer.agents.get().delete()
    found = {row["agent"]: numbers_of(row)[:1] for row in rows_of(client, "days=7&by=agent")}
    assert found == {"Deleted agents": ["2"], "No agent": ["2"]}  # yesterday's two; today's and the other number's


def test_charts_match_the_ledger_and_the_call_list(developer: Developer) -> None:
    number, now = PhoneNumber.objects.get(label="Shop"), timezone.now()
    booked = make_account()
    number = make_streaming_number(booked)
    for seconds, days in ((1, 0), (61, 1), (600, 30)):
        call = make_call(
            booked,
            number,
            model_spoke_at=now,
            duration_seconds=seconds,
            settled_at=None,
            telephony_rate=Decimal("0.013"),
            model_rate=Decimal("0.07"),
        )
        settlement.settle(call, now - timedelta(days=days))
        call.save()
    day_sums.sum_up(noon())
    client = signed_in_client(booked)
    total = -sum(LedgerEntry.objects.filter(developer=booked, key__startswith="call:").values_list("amount", flat=True))
    figures = rows_of(client, "days=91")
    listed = list(csv.DictReader(io.StringIO(client.get("/calls.csv").content.decode())))
    # 1 + 2 + 10 billed minutes at $0.013, plus 1, 61 and 600 s of the model.
    model = sum((cost_formulas.model_cost(seconds, Decimal("0.07")) for seconds in (1, 61, 600)), Decimal(0))
    assert sum(Decimal(row["cost"]) for row in figures) == total == 13 * Decimal("0.013") + model
    assert sum(Decimal(row["cost"]) for row in listed) == total
    assert (sum(int(row["calls"]) for row in figures), sum(int(row["minutes"]) for row in figures)) == (len(listed), 13)


def test_an_account_with_many_agents(developer: Developer) -> None:
    day, made = timezone.now().date() - timedelta(days=1), make_agent(developer=developer)
    agents = Agent.objects.bulk_create(
        Agent(developer=developer, name=f"Agent of the {at}th shop", model_slug=made.model_slug) for at in range(500)
    )
    SummedDay.objects.create(day=day)
    StaleDay.objects.all().delete()
    CallSums.objects.bulk_create(
        CallSums(
            developer=developer, day=day, agent=agent.pk, calls=at, answered=at, voicemail=0, unanswered=0, failed=0, minutes=at, cost=at
        )
        for at, agent in enumerate(agents)
    )  # fmt: skip
    client = signed_in_client(developer)
    page = client.get("/calls/charts?days=7&by=agent").content
    assert len(page) < 120_000
    assert b"Others" in page and b"Agent of the 499th shop" in page
    assert len(rows_of(client, "days=7&by=agent")) >= 500


@pytest.mark.parametrize(
    ("query", "name", "expected"),
    [
        ("by=agent", "Baker", ["3", "1", "1", "0", "1", "6", "0.54", "600"]),
        ("by=agent", "No agent", ["1", "0", "0", "1", "0", "0", "0.18", ""]),
        ("by=number", "Shop", ["3", "1", "1", "0", "1", "6", "0.54", "600"]),
        ("by=number", "'=Home", ["1", "0", "0", "1", "0", "0", "0.18", ""]),
        ("by=number&agent={agent}", "Shop", ["3", "1", "1", "0", "1", "6", "0.54", "600"]),
        ("by=agent&number={number}", "Baker", ["3", "1", "1", "0", "1", "6", "0.54", "600"]),
    ],
)
def test_by_agent_and_number(client: Client, developer: Developer, query: str, name: str, expected: list[str]) -> None:
    agent, number = developer.agents.get(), PhoneNumber.objects.get(label="Shop")
    rows = rows_of(client, f"days=7&{query.format(agent=agent.pk, number=number.pk)}")
    found = {next(iter(row.values())): row for row in rows}
    assert numbers_of(found[name]) == expected
    assert len(rows) == (1 if "=" in query.partition("&")[2] else 2)


def test_the_page_compares_periods_and_has_every_value_as_text(client: Client) -> None:
    html = client.get("/calls/charts?days=7").content.decode()
    assert_valid_page(html)
    for text in (
        "300% more than in the previous 7 days", "25%", "100% in the previous 7 days", "$0.72", "40% less than", "Previous period",
        "Calls by day", "Minutes by day", "Cost by day", "Answer time (ms) by day",
    ):  # fmt: skip
        assert text in html, text
    by_agent = client.get("/calls/charts?days=7&by=agent").content.decode()
    assert '<th scope="row">Baker</th>' in by_agent
    for query in ("days=x&by=y&agent=z&number=9999999999999999999999", "days=91&by=number&agent=1"):
        assert_valid_page(client.get(f"/calls/charts?{query}").content.decode())
    weeks = client.get("/calls/charts?days=91").content.decode()
    assert "Calls by week" in weeks and weeks.count("<g><title>") == 4 * 13
    assert len(rows_of(client, "days=91")) == 91
    assert "No calls in this period" in signed_in_client(make_account()).get("/calls/charts").content.decode()
