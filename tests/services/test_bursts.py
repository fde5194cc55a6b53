"""Many concurrent requests from one address take turns, and nobody else waits for them."""

import asyncio
import base64
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bubblyphone.server.request_turns import Turns
from tests.services import web as web_process

AT_ONCE = 10
BURST = 300
KEY = Ed25519PrivateKey.generate()
VARIABLES = {
    "CONNECTIONS_PER_ADDRESS": str(AT_ONCE),
    "TELNYX_API_KEY": "KEY0",
    "TELNYX_PUBLIC_KEY": base64.b64encode(KEY.public_key().public_bytes_raw()).decode(),
    "TELNYX_CONNECTION_ID": "1",
}
Web = tuple[int, str]  # port, database


def _start(**variables: str) -> Iterator[Web]:
    with web_process.running(descriptors=(256, 8192), **VARIABLES, **variables) as (url, database, _):
        yield int(url.rpartition(":")[2]), database


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    yield from _start()


@pytest.fixture(scope="module")
def web_behind_proxy() -> Iterator[Web]:
    yield from _start(TRUSTED_PROXIES="1")


def report(number: int, more: str = "") -> bytes:
    """A signed hangup report for an unknown call."""
    payload = {"call_control_id": f"v3:{number}", "connection_id": "1", "from": "+15551234567", "to": "+14155551234"}
    event = {"event_type": "call.hangup", "id": f"{number}", "occurred_at": "2026-11-22T03:30:00Z", "payload": payload}
    body = json.dumps({"data": {"record_type": "event", **event}, "meta": {"attempt": 1}}).encode()
    timestamp = str(int(time.time()))
    signature = base64.b64encode(KEY.sign(timestamp.encode() + b"|" + body)).decode()
    head = f"POST /webhooks/telnyx HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{more}"
    return f"{head}telnyx-timestamp: {timestamp}\r\ntelnyx-signature-ed25519: {signature}\r\n\r\n".encode() + body


def burst(port: int, address: str, more: str = "") -> list[int]:
    """Send all reports before reading the first response. Returns their statuses."""
    connections, reports = [], [report(number, more) for number in range(BURST)]
    for text in reports:
        connections.append(socket.create_connection(("127.0.0.1", port), 60, (address, 0)))
        connections[-1].sendall(text)
    answers = [connection.recv(65536) for connection in connections]
    for connection in connections:
        connection.close()
    return [int(answer.split()[1]) for answer in answers]


@pytest.mark.slow
def test_a_carrier_s_burst_is_answered(web: Web) -> None:
    assert burst(web[0], "127.0.9.1") == [200] * BURST


@pytest.mark.slow
def test_a_carrier_s_burst_through_a_proxy_is_answered(web_behind_proxy: Web) -> None:
    assert burst(web_behind_proxy[0], "127.0.9.2", "X-Forwarded-For: 203.0.113.7\r\n") == [200] * BURST


def ask(port: int, address: str, seconds: float = 60) -> int:
    """The status of a request with an unknown API key, which needs the database, or 0 after the timeout."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds, source_address=(address, 0))
    try:
        client.request("GET", "/api/v1/auth/me", headers={"Authorization": "Bearer bp_live_sk_unknown"})
        return client.getresponse().status
    except TimeoutError:
        return 0
    finally:
        client.close()


def wait_for_lock(database: str) -> Callable[[], int]:
    """Returns a function that counts the web process's connections waiting for a lock."""
    connection = psycopg.connect(database, autocommit=True)
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    def count() -> int:
        row: Any = connection.execute(query).fetchone()
        return int(row[0])

    return count


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_an_address_has_a_limited_number_of_running_requests_even_if_clients_leave(web: Web) -> None:
    port, database = web
    waiting = wait_for_lock(database)
    with ThreadPoolExecutor(60) as threads, psycopg.connect(database) as lock:
        lock.execute("LOCK TABLE accounts_apikey")
        abandoned = [threads.submit(ask, port, "127.0.9.3", 1.0) for _ in range(3 * AT_ONCE)]
        assert {request.result() for request in abandoned} == {0}
        assert waiting() == AT_ONCE
        patient = [threads.submit(ask, port, "127.0.9.3") for _ in range(2 * AT_ONCE)]
        other = threads.submit(ask, port, "127.0.9.4")
        until(lambda: waiting() == AT_ONCE + 1)
        with httpx2.Client(trust_env=False, timeout=10) as client:
            assert client.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        assert waiting() == AT_ONCE + 1
        lock.rollback()
        assert {request.result() for request in [*patient, other]} == {401}


async def test_turns() -> None:
    turns, started = Turns(2), list[str]()
    works: dict[str, asyncio.Future[None]] = {}

    def start(name: str, *, works_on: bool = True) -> Callable[[], asyncio.Future[None] | None]:
        def run() -> asyncio.Future[None] | None:
            started.append(name)
            works[name] = asyncio.get_running_loop().create_future()
            return works[name] if works_on else None

        return run

    for name in ("a1", "a2", "a3", "a4", "a5"):
        turns.ask("a", name, start(name, works_on=name != "a4"))
    turns.ask("b", "b1", start("b1"))
    assert started == ["a1", "a2", "b1"]
    turns.leave("a", "a3")
    turns.leave("a", "unknown")
    works["a2"].cancel()
    await asyncio.sleep(0)
    assert started == ["a1", "a2", "b1", "a4", "a5"]  # the fourth finished immediately
    turns.ask("a", "a6", start("a6"))
    works["a1"].set_result(None)
    await asyncio.sleep(0)
    assert started[5:] == ["a6"]
