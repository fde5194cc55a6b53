"""Calling someone from the dashboard: the agent, its variables, and the call's page."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from calls.models import Call, ScheduledCall
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_agent, make_phone_number
from tests.fakes.exchange_thread import ExchangeThread
from tests.pages.rows import make_call as make_ended_call
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
TO = "+12025550123"


@pytest.fixture
def world(exchange: ExchangeThread) -> Any:
    developer = make_account()
    agent = make_agent(
        developer=developer,
        name="Baker",
        model_slug="local-offline",
        system_prompt="Remind {{name}} of {{what|the bread}} at {{shop}}.",
        default_variables={"shop": "Ours"},
    )
    number = make_streaming_number(developer, model_slug="local-offline")
    exchange.exchange.own(number.e164)
    return developer, agent, number


def page_of(client: Client, **query: object) -> str:
    html = client.get(f"/calls/new?{urlencode(query)}").content.decode()
    assert_valid_page(html)
    return html


def test_the_call_is_placed_and_its_page_shown(world: Any) -> None:
    developer, agent, number = world
    client = signed_in_client(developer)
    form = {
        "to": "+1 (202) 555-0123",
        "number": number.pk,
        "agent": agent.pk,
        "variable.name": "Ada",
        "variable.what": "",
    }
    answer = client.post("/calls/new", form)
    call = Call.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/calls/{call.pk}")
    assert (call.direction, call.to_number, call.from_number, call.agent) == ("outbound", TO, number.e164, agent)
    assert call.settings.system_prompt == "Remind Ada of the bread at Ours."
    html = client.get(answer["Location"]).content.decode()
    assert "Call to" in html
    assert 'id="call-live" hx-get' in html


def test_a_call_with_missing_variables_is_not_placed(world: Any) -> None:
    developer, agent, number = world
    client = signed_in_client(developer)
    html = client.post("/calls/new", {"to": TO, "number": number.pk, "agent": agent.pk}).content.decode()
    assert "Enter a value for name." in html
    assert "Enter a value for what." not in html
    assert not Call.objects.exists()
    looked = client.post(
        "/calls/new", {"action": "look", "to": "12", "number": number.pk, "agent": agent.pk, "variable.name": "Eve"}
    ).content.decode()
    assert 'value="Eve"' in looked
    assert 'value="Ours"' in looked
    assert "errorlist" not in looked
    assert not Call.objects.exists()


def test_a_call_is_scheduled_in_a_time_zone_and_listed(world: Any) -> None:
    developer, agent, number = world
    client, year = signed_in_client(developer), timezone.now().year + 1
    form = {"to": TO, "number": number.pk, "agent": agent.pk, "variable.name": "Ada", "when": "later"}
    zone = {"time_zone": "Europe/Berlin"}
    wrong = {
        "": "Enter a date and a time.",
        "tomorrow": "Enter a date and a time.",
        "0001-01-01T00:00": "Enter a date and a time.",
        "9999-12-31T23:59": "Choose a time in the future, within a year.",
        f"{year - 2}-03-01T10:00": "Choose a time in the future, within a year.",
        "2027-03-28T02:30": "The clocks in that time zone skip this time.",
    }
    for typed, text in wrong.items():
        assert text in client.post("/calls/new", {**form, **zone, "time": typed}).content.decode(), typed
    assert "Choose a time zone." in client.post("/calls/new", {**form, "time": "2027-03-01T10:00"}).content.decode()
    assert not ScheduledCall.objects.exists()
    soon = (timezone.now() + timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)
    local = soon.astimezone(ZoneInfo("Europe/Berlin"))
    answer = client.post("/calls/new", {**form, **zone, "time": f"{local:%Y-%m-%dT%H:%M}"}, follow=True)
    row = ScheduledCall.objects.get()
    assert (row.due_at, row.to_number, row.agent, row.dynamic_variables["name"]) == (soon, TO, agent, "Ada")
    assert f"{local:%b} {local.day}, {local:%Y, %H:%M} (Europe/Berlin)." in answer.content.decode()
    assert not Call.objects.exists()
    assert "Scheduled (1)" in client.get("/calls").content.decode()
    assert signed_in_client(make_account()).post(f"/calls/scheduled/{row.pk}/cancel").status_code == 404
    html = client.post(f"/calls/scheduled/{row.pk}/cancel", follow=True).content.decode()
    assert_valid_page(html)
    assert "Scheduled call canceled." in html
    row.refresh_from_db()
    assert row.status == "canceled"
    ScheduledCall.objects.update(status="not_dialed", detail="Your balance is too low.")
    assert "Your balance is too low." in client.get("/calls/scheduled").content.decode()


def test_an_account_with_many_scheduled_calls(world: Any) -> None:
    developer, _, number = world
    due = datetime(2027, 10, 31, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, which occurs again an hour later
    ScheduledCall.objects.bulk_create(
        ScheduledCall(
            developer=developer, phone_number=number, has_own_agent=False, to_number=f"+1202555{at:04}",
            due_at=due + timedelta(hours=at), time_zone="Europe/Berlin",
        )
        for at in range(52)
    )  # fmt: skip
    client, found = signed_in_client(developer), list[str]()
    address: str | None = "/calls/scheduled"
    while address:
        html = client.get(address).content.decode()
        assert_valid_page(html)
        assert len(html) < 60_000
        found += re.findall(r">(\+1 202-555-\d{4})</strong>", html)
        later = re.search(r'href="(\?after=\d+)"', html)
        address = f"/calls/scheduled{later[1]}" if later else None
    assert found == [f"+1 202-555-{at:04}" for at in range(52)]
    html = client.get("/calls/scheduled").content.decode()
    for when in (
        "Oct 31, 2027, 02:30 CEST (Europe/Berlin)",
        "Oct 31, 2027, 02:30 CET (Europe/Berlin)",
        "03:30 (Europe",
    ):
        assert when in html
    assert_valid_page(client.get("/calls/scheduled?after=x").content.decode())


def test_the_user_is_called_first(world: Any) -> None:
    developer, _, number = world
    client = signed_in_client(developer)
    form = {"to": TO, "number": number.pk, "agent": "me", "own_phone": ""}
    assert "Enter the number of your phone" in client.post("/calls/new", form).content.decode()
    later = {**form, "own_phone": "+1 202 555 0100", "when": "later", "time": "2027-03-01T10:00", "time_zone": "UTC"}
    assert "Choose an agent to schedule a call." in client.post("/calls/new", later).content.decode()
    assert "Enter a number other than" in client.post("/calls/new", {**form, "own_phone": TO}).content.decode()
    assert not Call.objects.exists()
    client.post("/calls/new", {**form, "own_phone": "+1 202 555 0100"})
    call = Call.objects.get()
    assert (call.to_number, call.connect_to, call.mode) == ("+12025550100", TO, "webhook")
    assert 'value="+12025550100"' in page_of(client)  # prefilled next time


def test_the_form_selects_the_agent_s_number(world: Any) -> None:
    developer, agent, number = world
    silent = make_phone_number(developer=developer)
    client = signed_in_client(developer)
    assert f'<option value="{number.pk}" selected>' in page_of(client)
    number_of_agent = make_streaming_number(developer, agent=agent, model_slug="local-offline")
    html = page_of(client, agent=agent.pk)
    assert f'<option value="{number_of_agent.pk}" selected>' in html
    assert f'<option value="{agent.pk}" selected>Baker</option>' in html
    assert "Baker (answers this number)" in html
    refused = client.post("/calls/new", {"to": TO, "number": silent.pk, "agent": ""}).content.decode()
    assert "Choose an agent. Nobody answers this number yet." in refused
    assert page_of(client, number="x", agent="9" * 30, to="<b>").count("&lt;b&gt;") == 1
    assert not Call.objects.exists()


def test_numbers_and_agents_of_other_accounts_are_not_offered(world: Any) -> None:
    _, agent, number = world
    stranger = make_account()
    own = make_streaming_number(stranger)
    client = signed_in_client(stranger)
    html = page_of(client, number=number.pk, agent=agent.pk)
    assert f'<option value="{own.pk}" selected>' in html
    assert "Baker" not in html
    client.post("/calls/new", {"to": TO, "number": number.pk, "agent": agent.pk})
    assert not Call.objects.exists()


def test_the_pages_of_calls_numbers_and_agents_link_to_it(world: Any) -> None:
    developer, agent, number = world
    client = signed_in_client(developer)
    inbound = make_ended_call(developer, number, from_number=TO)
    outbound = make_ended_call(developer, number, direction="outbound", to_number=TO, agent=agent)
    withheld = make_ended_call(developer, number, from_number="anonymous")
    running = make_call(number, inbound.started_at)
    there = f"/calls/new?to=%2B12025550123&amp;number={number.pk}"
    links = {
        f"/calls/{inbound.pk}": f'href="{there}"',
        f"/calls/{outbound.pk}": f'href="{there}&amp;agent={agent.pk}"',
        f"/numbers/{number.pk}": f'href="/calls/new?number={number.pk}"',
        f"/agents/{agent.pk}": f'href="/calls/new?agent={agent.pk}"',
        "/calls": 'href="/calls/new"',
    }
    for path, link in links.items():
        assert link in client.get(path).content.decode(), path
    for call in (withheld, running):
        assert "/calls/new" not in client.get(f"/calls/{call.pk}").content.decode()


def test_without_a_number_the_page_says_what_is_needed() -> None:
    assert "You need a number to call from" in page_of(signed_in_client(make_account()))
