"""Many calls at once on one dollar, in four server processes: only calls that can be paid for start, and they end in time."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from billing import ledger, ledger_verification
from bubblyphone.core.errors import InsufficientFunds
from bubblyphone.services.ports import find_free
from calls.charging import balance_holds
from calls.clock import metering
from calls.models import Call, Transfer
from tests.calls.rows import KNOWN, make_account, make_call, make_streaming_number
from tests.factories import make_api_key
from tests.long_runs import how_many

PROCESSES, CALLS, CLIENTS = 4, how_many(60, long=200), 16
START_SECONDS = 150


@contextmanager
def servers() -> Iterator[list[int]]:
    """The ports of server processes that use the test's database."""
    database = connection.settings_dict
    login = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    environment = {**os.environ, "DATABASE_URL": f"postgresql://{login}/{database['NAME']}", "LOG_LEVEL": "ERROR"}
    ports = [find_free() for _ in range(PROCESSES)]
    command = [sys.executable, "-m", "tests.calls.four_servers", *(str(port) for port in ports)]
    started = subprocess.Popen(command, env=environment)
    try:
        for port in ports:
            wait_for(port)
        yield ports
    finally:
        started.terminate()
        started.wait(60)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=10).request("GET", "/healthz")
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("a server process did not start")


def start_call(port: int, key: str, number_id: int) -> tuple[int, str]:
    """The status code, and the reason if the call was refused."""
    connected = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connected.request("POST", "/api/v1/sandbox/calls", json.dumps({"phone_number_id": number_id}), headers)
    response = connected.getresponse()
    body = json.loads(response.read())
    connected.close()
    return response.status, body.get("reason", "")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_calls_at_once_on_one_dollar(empty_redis: object) -> None:
    developer = make_account("1")
    number = make_streaming_number(developer)
    keys = [make_api_key(developer)[1] for _ in range(4)]  # each is limited to 100 requests per minute
    with servers() as ports, ThreadPoolExecutor(CLIENTS) as clients:
        answers = Counter(
            clients.map(lambda turn: start_call(ports[turn % 4], keys[turn // 4 % 4], number.pk), range(CALLS))
        )
    # Each call holds its first minute, $0.04 for the model. The last one left less than $0.50 available.
    assert answers == {(201, ""): 13, (402, "insufficient_balance"): CALLS - 13}
    assert ledger.balance(developer.pk) == 1
    assert balance_holds.held(developer.pk) == Decimal("0.52")

    answered = timezone.now()
    Call.objects.update(status="answered", answered_at=answered, model_spoke_at=answered)
    second = 90
    while Call.objects.filter(status="answered").exists():
        second += 1
        metering.meter_once(answered + timedelta(seconds=second))
    ended = set(Call.objects.values_list("status", "hangup_cause", "duration_seconds"))
    assert ended == {("completed", "insufficient_balance", 114)}
    # 13 times $0.076. One second later the calls would have cost $1.001, more than the balance.
    assert ledger.balance(developer.pk) == 1 - 13 * Decimal("0.076")
    assert ledger_verification.find_problems() in ([], KNOWN)


@pytest.mark.django_db
def test_holds_of_many_calls_are_read_at_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    number = make_streaming_number(make_account("1"))
    for _ in range(3):
        make_call(number, timezone.now())
    with django_assert_num_queries(1):
        assert balance_holds.held(number.developer_id) == Decimal("0.24")


@pytest.mark.django_db
def test_no_call_holds_more_than_the_quick_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    number = make_streaming_number(make_account("1"))
    limited = make_streaming_number(
        number.developer, e164="+12025550177", max_cost_per_call="0.01", max_call_duration=60
    )
    ago = [now - timedelta(seconds=seconds) for seconds in (0, 54.9, 55, 55.1, 120, 3700)]
    kinds: list[dict[str, Any]] = [
        {},
        {"answered_at": None, "status": "ringing"},
        {"model_rate": Decimal("0.0333")},
        {"mode": "webhook", "model_rate": 0},
        {"mode": "webhook", "speech_transcribed": True, "model_rate": 0},
        {"end_requested_at": now - timedelta(seconds=30), "end_requested_cause": "max_duration"},
        {"transferred_at": now - timedelta(seconds=20), "transfer_rate": Decimal("0.15")},
        {"demo": True},
    ]
    for row in (number, limited):
        for began in ago:
            for kind in kinds:
                call = make_call(row, began, **kind)
                assert balance_holds.held_at_most(number.developer_id) >= balance_holds.held(number.developer_id) > -1
                Call.objects.exclude(pk=call.pk).update(status="completed", ended_at=now)
    ringing = make_call(number, now)
    Transfer.objects.create(call=ringing, key="rings", to_number="+12025550101", rate=Decimal("0.50"))
    Transfer.objects.create(call=ringing, key="failed", to_number="+12025550101", rate=Decimal(9), failed_at=now)
    Call.objects.exclude(pk=ringing.pk).update(status="completed", ended_at=now)
    assert balance_holds.held(number.developer_id) == Decimal("0.58")
    assert balance_holds.held_at_most(number.developer_id) == Decimal("0.5805")
    assert balance_holds.held_at_most(number.developer_id, "phone_number", number.pk) == Decimal("0.5805")
    assert balance_holds.held_at_most(number.developer_id, "phone_number", limited.pk) == 0


@pytest.mark.django_db
def test_exact_holds_decide_if_the_quick_limit_does_not() -> None:
    """The call may run for an hour at $0.08 a minute, but by its own limit, $0.10, it ends after one."""
    developer = make_account("1")
    number = make_streaming_number(developer, max_cost_per_call="0.10")
    make_call(number, timezone.now() - timedelta(seconds=3000))
    assert balance_holds.held_at_most(developer.pk) == Decimal("4.0805")
    ledger.require_balance(developer.pk, Decimal("0.92"))
    with pytest.raises(InsufficientFunds, match=r"\$0.92 available, \$0.921 required"):
        ledger.require_balance(developer.pk, Decimal("0.921"))


@pytest.mark.django_db
def test_many_calls_are_admitted_without_reading_their_configurations(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    number = make_streaming_number(make_account("10"))
    for _ in range(3):
        make_call(number, timezone.now())
    with django_assert_num_queries(3) as queries:  # holds of calls and of purchases, balance
        ledger.require_balance(number.developer_id, Decimal("9.50"))
    assert not any("config" in query["sql"] for query in queries.captured_queries)
