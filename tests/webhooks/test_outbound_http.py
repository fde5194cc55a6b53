"""Which URLs webhooks can use, and the limits on bad endpoints."""

import asyncio
import time
from ipaddress import ip_address
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from tests.webhooks.receiver import Receiver
from webhooks.http.outbound_http import OutboundClient, validate_webhook_url
from webhooks.http.public_addresses import is_public

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255
172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255
2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808
"""
NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1
2001::1 2001:10::1 2001:db8::1 2002:7f00:1:: 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1
fe80::1%1 fec0::1 ff02::1 4000::1
"""


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.fixture
def production(settings: Any) -> None:
    settings.ALLOW_PRIVATE_WEBHOOKS = False
    settings.WEBHOOK_SCHEMES = ["https"]


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    "url",
    [
        "https://your-app.com/webhook",  # unknown to DNS here, and checked again at every connection
        "https://8.8.8.8/hook?a=1",
        "https://[2606:4700:4700::1111]:8443/",
        "https://bücher.example/hook",
        "https://xn--bcher-kva.example/",
        "https://my_host.example:/a?b=c@d#e",
        "https://example.com./",
        "https://" + "a" * 63 + ".example/",
        "https://" + "a." * 126 + "b/",
    ],
)
def test_accepted(url: str) -> None:
    validate_webhook_url(url)


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://8.8.8.8/",
        "ftp://8.8.8.8/",
        "javascript:alert(1)",
        "//8.8.8.8/",
        "/hook",
        "https://",
        "https:///path",
        "https://user:secret@8.8.8.8/",
        "https://user@8.8.8.8/",
        "https://8.8.8.8:0/",
        "https://8.8.8.8:65536/",
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://-example.com/",
        "https://127%2e0.0.1/",
        "https://localhost/",
        "https://localhost.:8443/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25lo]/",
        "https://8.8.8.8/" + "x" * 2000,
    ],
)
def test_refused_in_the_configuration(url: str) -> None:
    with pytest.raises(ValidationError):
        validate_webhook_url(url)


CHARACTERS = "The URL must not contain spaces, control characters, or backslashes."
HOST = "The host name in the URL is not valid."
USER = "The URL must not contain a user name or password."
PORT = "The port in the URL must be between 1 and 65535."
MALFORMED = "Must be a valid URL that starts with https:// or http://."
UNUSABLE = {
    "http://example..com/": HOST,
    "http://.example.com/": HOST,
    "http://example.com../": HOST,
    "http://./": HOST,
    "http://" + "a" * 64 + ".com/": HOST,
    "http://" + "a." * 127 + "com/": HOST,
    "http://a-.com/": HOST,
    "http://-a.com/": HOST,
    "http://exa%6dple.com/": HOST,
    "http://xn--zz.com/": HOST,
    "http://xn--.com/": HOST,
    "http://[fe80::1%25eth0]/": HOST,
    "http://[fe80::1%eth0]/": HOST,
    "http://1.2.3/": HOST,
    "http://1.2.3.4./": HOST,
    "http://a.0x7f/": HOST,
    "http://2130706433/": HOST,
    "http://example.com:\u0661/": HOST,
    "http://\u2603.com/": MALFORMED,
    "http://\u00fc" + "a" * 64 + ".de/": MALFORMED,
    "http://256.1.1.1/": MALFORMED,
    "http://[::1/": MALFORMED,
    "http:/example.com": MALFORMED,
    "http:example.com": MALFORMED,
    "http:///example.com": MALFORMED,
    "example.com": MALFORMED,
    "http://user:secret@example.com/": USER,
    "http://@example.com/": USER,
    "http://:@example.com/": USER,
    "http://example.com:0/": PORT,
    "http://example.com:99999/": PORT,
    "http://example.com/\u0085": CHARACTERS,
    "http://example.com/\u202e": CHARACTERS,
    "http://example.com/a\tb": CHARACTERS,
    "http://example.com\\@evil.example/": CHARACTERS,
    "http:\\\\example.com": CHARACTERS,
}


@pytest.mark.parametrize("url", UNUSABLE)
def test_refused_with_the_reason(url: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        validate_webhook_url(url)
    assert refusal.value.messages == [UNUSABLE[url]]


def test_development_allows_http_and_loopback() -> None:
    validate_webhook_url("http://127.0.0.1:9000/hook")
    with pytest.raises(ValidationError, match=r"starts with https:// or http://"):
        validate_webhook_url("ftp://127.0.0.1/")


class RebindingDNS:
    """Returns different addresses over time, like an attacker's name server."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> list[str]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def post(client: OutboundClient, url: str) -> Any:
    return await client.post(url, body=b"{}", headers={"Content-Type": "application/json"})


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["::1"]])
async def test_a_name_that_resolves_to_a_private_address_is_refused_when_connecting(addresses: list[str]) -> None:
    async with Receiver() as receiver:
        client = OutboundClient(RebindingDNS(addresses))
        result = await post(client, f"http://hooks.example.com:{receiver.port}/ok")
        await client.aclose()
    assert (result.status, result.error) == (None, "hooks.example.com does not resolve to a public address.")
    assert receiver.received == []


@pytest.mark.usefixtures("production")
async def test_an_address_in_the_url_is_checked_at_the_connection() -> None:
    async with Receiver() as receiver:
        client = OutboundClient()
        result = await post(client, f"{receiver.url}/ok")
        await client.aclose()
    assert (result.status, result.error) == (None, "127.0.0.1 does not resolve to a public address.")
    assert not result.is_unsent
    assert receiver.received == []


async def test_rebinding_after_a_public_address_is_refused(settings: Any) -> None:
    """The connection for the first address is not reused after the second DNS lookup."""
    async with Receiver() as receiver:
        client = OutboundClient(RebindingDNS(["127.0.0.1"]))
        assert (await post(client, f"http://hooks.example.com:{receiver.port}/ok")).is_success
        await client.aclose()
        settings.ALLOW_PRIVATE_WEBHOOKS = False
        client = OutboundClient(RebindingDNS(["127.0.0.1"]))
        assert not (await post(client, f"http://hooks.example.com:{receiver.port}/ok")).is_success
        await client.aclose()
    (request,) = receiver.received
    assert request.headers["Host"] == f"hooks.example.com:{receiver.port}"


async def test_the_next_address_is_tried() -> None:
    async with Receiver() as receiver:
        client = OutboundClient(RebindingDNS(["127.0.0.2", "127.0.0.1"]))
        result = await post(client, f"http://hooks.example.com:{receiver.port}/ok")
        await client.aclose()
    assert (result.status, result.body) == (200, '{"ok": true}')


async def test_misbehaving_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with Receiver() as receiver:
        client = OutboundClient(timeout_seconds=0.5)
        started = time.monotonic()
        for path in ("hang", "drip"):
            result = await post(client, f"{receiver.url}/{path}")
            assert result.error == "No complete response within 0.5 seconds."
            assert not result.is_success
            assert 490 <= result.latency_ms < 900
        assert time.monotonic() - started < 2
        large = await post(client, f"{receiver.url}/large")
        assert (large.status, len(large.body), large.is_success) == (200, 65536, True)
        redirect = await post(client, f"{receiver.url}/redirect")
        assert (redirect.status, redirect.is_success) == (302, False)
        assert redirect.error == "The server responded with a redirect. Redirects are not followed."
        nul = await post(client, f"{receiver.url}/nul")
        assert nul.body == "a\ufffdb\ufffd"
        assert [request.path for request in receiver.received] == ["/hang", "/drip", "/large", "/redirect", "/nul"]
        await client.aclose()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/", "Connection to 127.0.0.1 refused (port 1)."),
        ("http://no.such.name/", "Cannot resolve the host name no.such.name."),
        ("nonsense", "Invalid URL"),
        ("http://a b/", "Cannot resolve the host name a"),
        ("http://x:99999/", "Invalid URL: Port out of range 0-65535"),
        ("ftp://127.0.0.1/", "Invalid URL"),
    ],
)
async def test_an_unreachable_url_is_a_result_and_not_an_exception(url: str, error: str) -> None:
    client = OutboundClient()
    result = await post(client, url)
    await client.aclose()
    assert result.status is None
    assert (result.error or "").startswith(error)


class RawServer:
    """Gives the same bytes to each request, then closes the connection."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.requests: list[bytes] = []

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}/hook?a=b%20c&d"

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self._answer)
        writer.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_a_request_without_a_response_is_sent_once(method: str) -> None:
    """Also one that HTTP calls idempotent: a tool can book something with it."""
    server, client = RawServer(b""), OutboundClient()
    async with server as url:
        result = await client.request(method, url, body=b"", headers={"X-Webhook-Id": "evt_1"}, retries=1)
    await client.aclose()
    assert (result.status, result.error) == (None, "Server disconnected without sending a response.")
    (request,) = server.requests
    line, *headers = request.decode().rstrip().split("\r\n")
    assert line == f"{method} /hook?a=b%20c&d HTTP/1.1"
    expected = {f"Host: {url.split('/')[2]}", "X-Webhook-Id: evt_1", "Accept-Encoding: identity"}
    assert {*headers} - {"Content-Length: 0"} == expected


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 200, "Server disconnected before the end of the response."),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 60_000 + b"\r\nContent-Length: 2\r\n\r\nok", 200, None),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", None, "The response is not valid HTTP: Bad status line."),
    ],
)
async def test_responses_on_the_edge_of_the_protocol(answer: bytes, status: int | None, error: str | None) -> None:
    client = OutboundClient()
    async with RawServer(answer) as url:
        result = await post(client, url)
    await client.aclose()
    assert (result.status, result.error) == (status, error)
    assert result.is_success == (error is None)
