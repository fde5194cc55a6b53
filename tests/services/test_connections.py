"""Slow connections and large numbers of them, over real sockets: a single web process with shorter timeouts than in production."""

import contextlib
import http.client
import itertools
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from bubblyphone.core.network.http import network_of
from bubblyphone.server.client_speed import Flow
from calls.after_call import recording_access
from calls.models import Recording
from tests.services import web as web_process
from tests.waiting import eventually

DESCRIPTORS = 1024
HEADER_SECONDS, KEEP_ALIVE_SECONDS = 4, 6
LIMITS = {"REQUEST_HEADER_SECONDS": str(HEADER_SECONDS), "KEEP_ALIVE_SECONDS": str(KEEP_ALIVE_SECONDS)}
DATABASE_POOL = 80  # database connections of one process
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = b"GET /media/x HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


class Web:
    """A running web process."""

    def __init__(self, port: int, database: str) -> None:
        self.port, self.database = port, database
        self.pid = 0

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(address, 0))

    def health(self, address: str = "127.0.0.1", seconds: float = 5) -> float:
        """The response time of /healthz in seconds. Fails after the timeout."""
        began = time.monotonic()
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds, source_address=(address, 0))
        client.request("GET", "/healthz")
        assert client.getresponse().status == 200
        client.close()
        return time.monotonic() - began

    def resident(self) -> int:
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


def _start(**variables: str) -> Iterator[Web]:
    with web_process.running(descriptors=(256, DESCRIPTORS), **LIMITS, **variables) as (url, database, pid):
        web = Web(int(url.rpartition(":")[2]), database)
        web.pid = pid
        yield web


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    yield from _start()


@pytest.fixture(scope="module")
def web_behind_proxy() -> Iterator[Web]:
    yield from _start(TRUSTED_PROXIES="1", CONNECTIONS_PER_ADDRESS="5")


def is_open(connection: socket.socket) -> bool:
    """Whether the other side has neither closed nor reset the connection. Discards received data."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    while poll.poll(0):
        try:
            if not connection.recv(65536):
                return False
        except OSError:
            return False
    return True


def wait_until_open(connections: list[socket.socket], number: int) -> None:
    """Wait until the surplus connections are closed by the next check."""
    until = time.monotonic() + HEADER_SECONDS - 0.5
    while (still_open := sum(map(is_open, connections))) > number:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert still_open == number


def drip(web: Web, head: bytes, piece: bytes, every: float, address: str) -> tuple[float, bytes]:
    """Send a head, then a piece repeatedly. Returns the seconds until the server closes the connection, and its response."""
    connection = web.connect(address)
    connection.settimeout(every)
    began = time.monotonic()
    connection.sendall(head)
    received = b""
    while time.monotonic() - began < 20:
        try:
            if not (data := connection.recv(65536)):
                break
            received += data
        except TimeoutError:
            try:
                connection.sendall(piece)
            except OSError:
                break
        except OSError:
            break
    return time.monotonic() - began, received


SLOW: dict[str, tuple[bytes, bytes, float, bytes]] = {
    # name: head, piece, seconds between pieces, start of the response
    "nothing at all": (b"", b"", 1, b"HTTP/1.1 408"),
    "request line": (b"GET /healthz", b"x", 1, b"HTTP/1.1 408"),
    "header lines": (b"GET /healthz HTTP/1.1\r\n", b"X-A: b\r\n", 1, b"HTTP/1.1 408"),
    "one header": (b"GET /healthz HTTP/1.1\r\nX-A: ", b"b", 0.2, b"HTTP/1.1 408"),
    "handshake": (UPGRADE, b"X-A: b\r\n", 1, b"HTTP/1.1 408"),
    "body": (POST + b"Content-Length: 100000\r\n\r\n", b"{", 1, b"HTTP/1.1 408"),
    "body at half the rate": (POST + b"Content-Length: 1000000\r\n\r\n", b"{" * 50, 0.1, b"HTTP/1.1 408"),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n", 1, b"HTTP/1.1 408"),
    "chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"0", 1, b"HTTP/1.1 408"),
    "form": (
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 9000000\r\n\r\n",
        b"-",
        1,
        b"HTTP/1.1 408",
    ),
    "body of a page that takes none": (
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n",
        b"x",
        1,
        b"HTTP/1.1 408",
    ),
}


def after_an_answer(web: Web, piece: bytes, address: str) -> float:
    """Send a piece every second after the first response. Returns the seconds until the connection ends."""
    connection = web.connect(address)
    connection.sendall(HEALTH)
    assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    connection.settimeout(1)
    began = time.monotonic()
    while time.monotonic() - began < 20:
        try:
            connection.sendall(piece)
            if not connection.recv(65536):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


@pytest.mark.slow
def test_slow_requests_time_out(web: Web) -> None:
    with ThreadPoolExecutor(len(SLOW) + 2) as threads:
        dripping = threads.submit(after_an_answer, web, b"G", "127.0.2.1")
        idle = threads.submit(after_an_answer, web, b"", "127.0.2.2")
        ended = threads.map(
            lambda row: drip(web, row[1][0], row[1][1], row[1][2], f"127.0.1.{row[0]}"),
            enumerate(SLOW.values(), 1),
        )
        for name, (seconds, answer) in zip(SLOW, ended, strict=True):
            assert HEADER_SECONDS - 0.5 < seconds < HEADER_SECONDS * (2 if "half" in name else 1) + 4, name
            assert answer.startswith(SLOW[name][3]), name
        assert HEADER_SECONDS - 0.5 < dripping.result() < HEADER_SECONDS + 4
        assert KEEP_ALIVE_SECONDS - 0.5 < idle.result() < KEEP_ALIVE_SECONDS + 4


@pytest.mark.slow
def test_an_upload_at_the_minimum_rate_is_accepted(web: Web) -> None:
    connection = web.connect("127.0.3.1")
    size = 1000 * 10
    connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % size)
    for _ in range(10):  # 1 kB/s, for more than two windows
        connection.sendall(b"{" * 1000)
        time.sleep(1)
    assert connection.recv(65536).startswith(b"HTTP/1.1 422 ")


def test_flow() -> None:
    flow = Flow(0.0, 10)
    assert not flow.is_too_slow(10.0)
    flow.count(1_000_000)
    assert not flow.is_too_slow(20.0)
    flow.count(8_000)
    assert not flow.is_too_slow(30.0)
    flow.count(7_999)
    assert flow.is_too_slow(40.0)  # regardless of earlier data


@pytest.mark.slow
def test_connections_that_do_not_read_responses_are_closed(web: Web) -> None:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.bind(("127.0.4.1", 0))
    connection.connect(("127.0.0.1", web.port))
    connection.sendall(b"GET /api/v1/schema HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
    until = time.monotonic() + 40
    while web_has(web, connection):
        assert time.monotonic() < until
        time.sleep(0.5)


def test_a_slow_reader_s_download_is_not_buffered_in_memory(web: Web) -> None:
    """If it were, memory would grow by the whole file within a second."""
    path = signed_recording(web, 96 * 1024 * 1024)
    before = web.resident()
    with socket.create_connection(("127.0.0.1", web.port), timeout=60, source_address=("127.0.5.1", 0)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 200")
        grown = 0
        for _ in range(20):
            time.sleep(0.1)
            grown = max(grown, web.resident() - before)
        assert grown < 32 * 1024 * 1024
        received = len(head.partition(b"\r\n\r\n")[2])
        while piece := connection.recv(1024 * 1024):
            received += len(piece)
        assert received == 96 * 1024 * 1024


def signed_recording(web: Web, size: int) -> str:
    """The path of a sparse file with this many zeros, which uses no disk space."""
    file = Path(settings.DATA_DIR) / "recordings" / "slow.wav"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as empty:
        empty.truncate(size)
    recording = Recording(pk=1, call_id=1, maker="platform", status="ready", name=file.name, size_bytes=size)
    values = {
        field.column: field.get_prep_value(getattr(recording, field.attname)) for field in Recording._meta.local_fields
    }
    with psycopg.connect(web.database) as connection:
        connection.execute("SET session_replication_role = replica")  # without a row for its call
        columns, places = (sql.SQL(", ").join(map(kind, values)) for kind in (sql.Identifier, sql.Placeholder))
        insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})")
        connection.execute(insert.format(sql.Identifier(Recording._meta.db_table), columns, places), values)
    return urlsplit(recording_access.signed_url(recording).url).path


def web_has(web: Web, connection: socket.socket) -> bool:
    """Whether the server's end of this connection is established, according to the kernel."""
    port = connection.getsockname()[1]
    rows = Path(f"/proc/{web.pid}/net/tcp").read_text().splitlines()[1:]
    local, remote = f":{web.port:04X}", f":{port:04X}"
    return any((f := row.split())[1].endswith(local) and f[2].endswith(remote) and f[3] == "01" for row in rows)


# --- limits on the number of connections ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "head",
    [b"", b"G", b"GET /healthz HTTP/1.1\r\n", UPGRADE, HEALTH],
    ids=["silent", "letter", "headers", "handshake", "idle"],
)
def test_an_address_can_have_fifty_connections(web: Web, head: bytes) -> None:
    address = "127.0.5.1"
    connections = []
    for _ in range(70):
        connection = web.connect(address)
        with contextlib.suppress(OSError):
            connection.sendall(head)
        connections.append(connection)
    if head == HEALTH:
        for connection in connections:  # idle after the response, which may take long on a busy machine
            with contextlib.suppress(OSError):
                connection.recv(65536)
    wait_until_open(connections, 50)
    assert web.health(address) < 2  # replaces the oldest one
    assert sum(map(is_open, connections)) == 49
    for connection in connections:
        connection.close()


def test_a_local_address_can_also_have_fifty_waiting_connections(web: Web) -> None:
    connections = [web.connect() for _ in range(1100)]
    assert web.health() < 3
    wait_until_open(connections, 50)
    assert web.health("127.0.0.7") < 2
    for connection in connections:
        connection.close()


def test_a_local_address_can_have_more_concurrent_requests(web: Web) -> None:
    """A local reverse proxy or the exchange sends everyone's requests from one address."""
    with psycopg.connect(web.database) as lock, ThreadPoolExecutor(60) as threads:
        lock.execute("LOCK TABLE accounts_apikey")
        headers = {"Authorization": "Bearer bp_live_sk_unknown"}

        def ask(_: int) -> int:
            with httpx2.Client(trust_env=False, timeout=30) as client:
                return client.get(f"http://127.0.0.1:{web.port}/api/v1/auth/me", headers=headers).status_code

        requests = [threads.submit(ask, number) for number in range(60)]
        time.sleep(2)
        assert not any(request.done() for request in requests)
        assert web.health() < 2
        lock.rollback()
        assert {request.result() for request in requests} == {401}


def seconds_until_answered(web: Web, address: str) -> float:
    """A new connection is refused while all others are less than a second old, so retry until then."""
    began = time.monotonic()
    while True:
        try:
            web.health(address)
        except (ConnectionResetError, http.client.RemoteDisconnected):
            assert time.monotonic() - began < 30
            time.sleep(0.1)
        else:
            return time.monotonic() - began


def test_many_addresses_leave_room_for_others(web: Web) -> None:
    """1,100 connections from 44 addresses. The process can open 1,024 descriptors."""
    connections = []
    for number in range(1100):
        connection = web.connect(f"127.0.6.{number % 44 + 1}")
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-A: b")
        connections.append(connection)
    assert seconds_until_answered(web, "127.0.7.1") < 5
    # Refused connections are closed a moment later.
    eventually(lambda: web.descriptors() <= DESCRIPTORS * 3 // 4 + DATABASE_POOL + 64)
    assert sum(map(is_open, connections)) <= DESCRIPTORS * 3 // 4
    for connection in connections:
        connection.close()
    assert web.health("127.0.7.1") < 2


def test_descriptor_limit_is_raised(web: Web) -> None:
    limits = Path(f"/proc/{web.pid}/limits").read_text()
    assert f"Max open files            {DESCRIPTORS}" in limits


# --- behind a proxy ---------------------------------------------------------------------------------------------------
def forwarded(client: str) -> bytes:
    return POST + f"X-Forwarded-For: 9.9.9.9, {client}\r\nContent-Length: 5\r\n\r\n".encode()


def test_behind_a_proxy_clients_are_counted_by_forwarded_address(web_behind_proxy: Web) -> None:
    web = web_behind_proxy
    idle = [web.connect("127.0.8.1") for _ in range(60)]
    assert web.health("127.0.8.1") < 2
    assert sum(map(is_open, idle)) == 60  # connections of the proxy itself

    def ask(client: str) -> socket.socket:
        connection = web.connect("127.0.8.1")
        connection.sendall(forwarded(client))
        return connection

    unfinished = [ask(f"2001:db8::{number}") for number in range(5)]  # all from one subscriber
    refused = ask("2001:db8::ffff")
    assert refused.recv(65536).startswith(b"HTTP/1.1 503 ")
    for connection, client in zip(unfinished, itertools.count(), strict=False):
        other = ask(f"2001:db8:0:{client + 1}::1")
        other.sendall(b"{}   ")
        assert other.recv(65536).startswith(b"HTTP/1.1 422 ")
        assert is_open(connection)
    unfinished[0].sendall(b"{}   ")
    assert unfinished[0].recv(65536).startswith(b"HTTP/1.1 422 ")
    unfinished[0].sendall(forwarded("2001:db8::6") + b"{}   ")  # its place is free again
    assert unfinished[0].recv(65536).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::1"),
        ("unix", "unix"),
    ],
)
def test_network_of(address: str, network: str) -> None:
    assert network_of(address) == network
