"""Following an account's events over the API, and forwarding them to a server on this machine, signed as webhooks are."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from bubblyphone.core.json.documents import InvalidJSON, parse_json
from webhooks.sending.body_encoding import encode_body
from webhooks.sending.signing import SigningKeys, signature_headers

POLL_SECONDS = 1.0  # an API key may send 100 requests a minute
MAX_WAIT_SECONDS = 5.0  # between tries while the server does not respond
FORWARD_TIMEOUT_SECONDS = 10.0  # as long as a webhook waits
PAGE_SIZE = 100


class Refused(Exception):
    """The API does not let this key read these events, in its words, or there is no API at this address."""


class Forgotten(Refused):
    """There is no event with the id to read on from. Events are kept for 30 days."""


class EventReader:
    """The events of the account that a key belongs to, each once, oldest first.

    They begin after the event `after`, else with what happens from now on. A server that is restarted, or cannot be reached, is
    asked again until it responds; `report` gets a sentence when that begins and ends.
    """

    def __init__(
        self,
        client: httpx2.Client,
        *,
        after: str = "",
        types: Sequence[str] = (),
        report: Callable[[str], None],
        sleep: Callable[[float], None],
    ) -> None:
        self._client, self._report, self._sleep = client, report, sleep
        self._query: dict[str, Any] = {"per_page": PAGE_SIZE, **({"type": ",".join(types)} if types else {})}
        self._after = after
        self._since = ""

    def open(self) -> str:
        """Wait for the server; the email address of the key's account. Raises Refused."""
        response = self._get("auth/me")
        if not self._after:
            self._since = _time_of(response)
        return str(_data_of(response)["email"])

    def follow(self) -> Iterator[dict[str, Any]]:
        """Never ends. Raises Refused."""
        while True:
            rows = self._next_page()
            for event in rows:
                yield event
                self._after, self._since = event["id"], event["created_at"]
            if len(rows) < PAGE_SIZE:
                self._sleep(POLL_SECONDS)

    def _next_page(self) -> list[dict[str, Any]]:
        """What follows the last event; if that one has expired meanwhile, what has happened since. Raises Refused."""
        try:
            place = {"after": self._after} if self._after else {"since": self._since}
            return list(_data_of(self._get("events", **self._query, **place)))
        except Forgotten:
            if not self._since:  # no event that we have read ourselves
                raise
        self._after = ""
        return list(_data_of(self._get("events", **self._query, since=self._since)))

    def _get(self, path: str, **query: Any) -> httpx2.Response:
        """The response, however long it takes until there is one. Raises Refused."""
        failures = 0
        while True:
            trouble, retry_after = "", ""
            try:
                response = self._client.get(f"/api/v1/{path}", params=query)
                if response.status_code >= 500 or response.status_code == 429:
                    trouble, retry_after = f"HTTP {response.status_code}", response.headers.get("Retry-After", "")
            except httpx2.UnsupportedProtocol as error:
                raise Refused("The server's URL must begin with http:// or https://.") from error
            except httpx2.TransportError as error:
                trouble = str(error) or type(error).__name__
            if not trouble:
                break
            if not failures:
                self._report(f"The server does not respond ({trouble}). Retrying.")
            failures += 1
            self._sleep(float(retry_after) if retry_after.isdecimal() else min(failures * 0.5, MAX_WAIT_SECONDS))
        if failures:
            self._report("Connected again.")
        if response.status_code != 200:
            is_forgotten = response.status_code == 422 and "after" in (_content_of(response).get("errors") or {})
            raise (Forgotten if is_forgotten else Refused)(_message_of(response))
        return response


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Sends events to a server on this machine. `secret` signs, like an endpoint's."""

    client: httpx2.Client
    url: str
    secret: str

    def forward(self, event: dict[str, Any]) -> str:
        """POST one; what came of it, in words. It is not sent again."""
        body = encode_body(event["data"])
        headers = signature_headers(SigningKeys(self.secret), body, event["id"], int(time.time()))
        begun = time.monotonic()
        try:
            response = self.client.post(self.url, content=body.encode(), headers=headers)
        except httpx2.TimeoutException:
            return f"no response within {FORWARD_TIMEOUT_SECONDS:.0f} s"
        except httpx2.HTTPError as error:
            return f"not delivered: {error}"
        return f"HTTP {response.status_code}, {(time.monotonic() - begun) * 1000:.0f} ms"


def _time_of(response: httpx2.Response) -> str:
    """The time by the server's clock, as ours may differ."""
    date = response.headers.get("Date")
    moment = parsedate_to_datetime(date) if date else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _data_of(response: httpx2.Response) -> Any:
    """Raises Refused for what is no response of our API."""
    content = _content_of(response)
    if "data" not in content:
        raise Refused(_message_of(response))
    return content["data"]


def _content_of(response: httpx2.Response) -> dict[str, Any]:
    """The JSON object; empty if there is none."""
    try:
        content = parse_json(response.content)
    except InvalidJSON:
        return {}
    return content if isinstance(content, dict) else {}


def _message_of(response: httpx2.Response) -> str:
    content = _content_of(response)
    errors = content.get("errors") or {}
    texts = [f"{name}: {text}" for name, found in errors.items() for text in found]
    other = f"{response.url} did not respond like this platform's API (HTTP {response.status_code}). Check --url."
    return " ".join(texts) or str(content.get("message") or other)
