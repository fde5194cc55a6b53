"""`manage.py demo`, and the webhook of its agents' tools."""

import json
import stat
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import ApiKey, Developer
from agents.agent_settings import resolution
from agents.tools.definitions import build_toolset, tool_problems
from billing import ledger
from bubblyphone.core.crypto import hash_secret
from phone_numbers.carriers.registry import forget_carriers
from phone_numbers.charging import purchases
from phone_numbers.models import PhoneNumber
from sandbox import demo, demo_agents, demo_tool
from tests import carriers
from tests.fakes.exchange_thread import ExchangeThread


@pytest.fixture
def exchange(settings: Any) -> Iterator[ExchangeThread]:
    with ExchangeThread() as running:
        carriers.configure(settings, running.carrier_options())
        settings.EXCHANGE_URL = running.exchange.url
        yield running
    forget_carriers()


def owned_numbers(exchange: ExchangeThread) -> list[str]:
    return sorted(exchange.exchange.state.phone_numbers)


@pytest.mark.django_db
def test_a_demo_account_is_ready_to_use(exchange: ExchangeThread, tmp_path: Path, settings: Any) -> None:
    path = tmp_path / "data" / "demo.json"
    access = demo.load(path)
    assert json.loads(path.read_text()) == asdict(access)
    assert list(asdict(access)) == ["url", "email", "password", "staff_email", "staff_password", "api_key", "numbers"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["demo.json"]
    developer = authenticate(username=access.email, password=access.password)
    assert isinstance(developer, Developer)
    staff = authenticate(username=access.staff_email, password=access.staff_password)
    assert isinstance(staff, Developer)
    assert (developer.is_staff, staff.is_staff, staff.is_superuser) == (False, True, True)
    assert ApiKey.objects.get(developer=developer).secret_hash == hash_secret(access.api_key)
    # $25 test credit, minus the setup fee and first month of two US numbers.
    assert ledger.balance(developer.pk) == Decimal(13)
    assert access.numbers == ["+14155550100", "+17165550100"]
    assert owned_numbers(exchange) == access.numbers
    for number in PhoneNumber.objects.filter(developer=developer):
        config = resolution.resolve(request={}, request_agent=None, number=number)
        assert resolution.problems(config, streaming=True) == {}
        assert (number.mode, config.model_slug) == ("streaming", "local-offline")
        assert config.tool_webhook_url == f"{settings.PUBLIC_URL}/sandbox/demo-tool"
        assert build_toolset(config)


@pytest.mark.django_db
def test_a_second_run_changes_nothing(exchange: ExchangeThread, tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    first = demo.load(path)
    PhoneNumber.objects.filter(e164=first.numbers[0]).update(system_prompt="Mine.")
    assert demo.load(path) == first
    assert PhoneNumber.objects.get(e164=first.numbers[0]).system_prompt == "Mine."
    assert owned_numbers(exchange) == first.numbers
    assert ledger.balance(Developer.objects.get(email=first.email).pk) == Decimal(13)


@pytest.mark.django_db
def test_a_lost_file_is_written_again(exchange: ExchangeThread, tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    first = demo.load(path)
    path.write_text("{")
    second = demo.load(path)
    assert second.numbers == first.numbers
    assert second.password != first.password
    assert authenticate(username=second.email, password=second.password)
    assert not authenticate(username=first.email, password=first.password)
    valid = ApiKey.objects.filter(revoked_at=None)
    assert [key.secret_hash for key in valid] == [hash_secret(second.api_key)]


@pytest.mark.django_db
def test_a_released_number_is_not_bought_again(exchange: ExchangeThread, tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    first = demo.load(path)
    PhoneNumber.objects.filter(e164=first.numbers[1]).update(status="released")
    assert demo.load(path).numbers == first.numbers[:1]


@pytest.mark.django_db
def test_without_an_exchange_there_are_no_numbers(tmp_path: Path, settings: Any) -> None:
    settings.EXCHANGE_URL = ""
    access = demo.load(tmp_path / "demo.json")
    assert access.numbers == []
    assert ledger.balance(Developer.objects.get(email=access.email).pk) == Decimal(25)


@pytest.mark.django_db
def test_an_exchange_that_starts_late_is_retried(exchange: ExchangeThread, tmp_path: Path) -> None:
    faults = exchange.exchange.faults.rest
    faults["available_phone_numbers"] = 503
    threading.Timer(2, lambda: faults.pop("available_phone_numbers")).start()
    assert len(demo.load(tmp_path / "demo.json").numbers) == 2


@pytest.mark.django_db
def test_a_number_confirmed_late_is_not_ordered_again(
    exchange: ExchangeThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purchases, "WAIT_SECONDS", 0.0)  # no order is confirmed in time
    monkeypatch.setattr(purchases, "RECONCILE_AFTER", timedelta(0))
    access = demo.load(tmp_path / "demo.json")
    assert access.numbers == owned_numbers(exchange) == ["+14155550100", "+17165550100"]
    assert ledger.balance(Developer.objects.get(email=access.email).pk) == Decimal(13)


def test_demo_is_refused_in_production(settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="not for production"):
        call_command("demo")


# --- the agents and their tool ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("agent", [agent for _, agent in demo_agents.NUMBERS])
def test_the_agents_tools_are_valid_and_answered(agent: dict[str, Any]) -> None:
    assert tool_problems(agent["tools"]) == {}
    for tool in agent["tools"]:
        assert "error" not in demo_tool.answer(tool["name"], {"date": "2026-11-24", "time": "19:00", "name": "Ann"})


def call_tool(body: object) -> tuple[int, Any]:
    response = Client().post("/sandbox/demo-tool", json.dumps(body), content_type="application/json")
    return response.status_code, response.json()


def test_free_times_are_the_same_for_the_same_day() -> None:
    body = {
        "event": "call.tool_call",
        "call_id": "1",
        "tool": "check_availability",
        "arguments": {"date": "2026-11-24"},
    }
    expected = {
        "date": "2026-11-24",
        "slots": ["17:30", "18:30", "19:30"],
        "message": "We have tables at 5:30 p.m., 6:30 p.m. and 7:30 p.m.",
    }
    assert call_tool(body) == (200, {"result": expected})
    assert call_tool(body) == (200, {"result": expected})
    assert demo_tool.free_slots("2026-11-25") != expected["slots"]


def test_a_booking_has_a_code() -> None:
    arguments = {"date": "2026-11-24", "time": "19:00", "name": "Ann", "party_size": 4}
    status, answer = call_tool({"tool": "book_table", "arguments": arguments})
    code = answer["result"]["confirmation_code"]
    assert (status, len(code), code.isdecimal()) == (200, 4, True)
    assert answer["result"]["message"] == f"It is booked for Ann. The confirmation code is {' '.join(code)}."


def test_unknown_tools_and_invalid_requests() -> None:
    assert call_tool({"tool": "launch", "arguments": {}}) == (
        200,
        {"result": {"error": "The tool launch does not exist."}},
    )
    for body in ([], "x", {"tool": "book_table"}, {"tool": "book_table", "arguments": []}):
        assert call_tool(body)[0] == 422
    assert Client().get("/sandbox/demo-tool").status_code == 405
