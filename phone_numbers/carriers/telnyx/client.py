"""Telnyx's REST API over one pool of connections, shared by all threads.

Only safe requests are repeated: commands with a `command_id`, which Telnyx carries out once, reads, and deletions. Orders have no such
key at Telnyx, so they are never repeated here.
"""

import random
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import orjson

from bubblyphone.core.json.documents import InvalidJSON, parse_foreign_json
from bubblyphone.core.monitoring import tracing
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.bounded_http import TOTAL_SECONDS, carrier_client, exchange

MAX_RETRIES = 2
FIRST_PAUSE_SECONDS = 0.25

# https://developers.telnyx.com/docs/overview/errors
REASONS: Mapping[str, str] = {
    "90015": "call_ended",  # an unknown or expired call_control_id
    "90018": "call_ended",
    "90054": "already_transcribing",
    "90034": "not_answered",
    "85000": "number_unavailable",  # not found by an earlier search
    "85001": "number_unavailable",
    "85006": "number_unavailable",  # reserved by another customer
}
# These only describe the last attempt; an earlier one may have been carried out.
SAYS_NOT_DONE = {"unreachable", "rejected", "unauthorized"}
Query = Mapping[str, str | int]


class TelnyxError(CarrierError):
    """A refusal, with the response's HTTP status."""

    def __init__(self, message: str, *, status: int, retryable: bool, reason: str, retry_after: float) -> None:
        super().__init__(message, retryable=retryable, reason=reason)
        self.status = status
        self.retry_after = retry_after


class TelnyxClient:
    """`base_url` is used unchanged, with or without a version."""

    def __init__(self, api_key: str, base_url: str) -> None:
        url = httpx2.URL(base_url.rstrip("/") + "/")
        headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/json"}
        self._http = carrier_client(url, base_url=url, headers=headers)

    def get(self, path: str, query: Query | None = None) -> Any:
        """The `data` of the response, or the whole response without this envelope. Raises CarrierError, like the other methods."""
        return self._repeat("GET", path, query=query)

    def delete(self, path: str) -> Any:
        return self._repeat("DELETE", path)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._repeat("PATCH", path, body=body)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a body. Repeated only if it has a `command_id`."""
        if "command_id" in body:
            return self._repeat("POST", path, body=body)
        return self._attempt("POST", path, time.monotonic() + TOTAL_SECONDS, body=body)

    def _repeat(self, method: str, path: str, *, query: Query | None = None, body: Any = None) -> Any:
        deadline = time.monotonic() + TOTAL_SECONDS
        may_be_done = False  # by an attempt without a response
        for retries_left in range(MAX_RETRIES, -1, -1):
            try:
                return self._attempt(method, path, deadline, query=query, body=body)
            except CarrierError as error:
                may_be_done = may_be_done or (method != "GET" and error.reason == "outcome_unknown")
                asked = error.retry_after if isinstance(error, TelnyxError) else 0.0
                pause = asked or FIRST_PAUSE_SECONDS * 2 ** (MAX_RETRIES - retries_left)
                pause *= random.uniform(1.0, 1.25)  # noqa: S311  (so that many do not come back at once)
                if not error.retryable or not retries_left or time.monotonic() + pause >= deadline:
                    if may_be_done and error.reason in SAYS_NOT_DONE:
                        error.reason = "outcome_unknown"
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _attempt(self, method: str, path: str, deadline: float, *, query: Query | None = None, body: Any = None) -> Any:
        content = None if body is None else orjson.dumps(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        options = {"params": query, "content": content, "headers": headers}
        about = {"http.request.method": method, "bubblyphone.command": path.rpartition("/")[2]}
        with tracing.span("telnyx", tracing.CLIENT, about):
            return _read(*exchange(self._http, method, path.lstrip("/"), deadline=deadline, **options))


def _read(response: httpx2.Response, content: bytes) -> Any:
    """The `data` of a successful response; requirement groups have no such envelope. Raises TelnyxError."""
    try:
        answer = parse_foreign_json(content) if content else {}
    except InvalidJSON:
        answer = None
    if response.status_code >= 400:
        raise _refusal(response, answer)
    if not isinstance(answer, dict | list) or not 200 <= response.status_code < 300:
        raise CarrierError("The carrier's response is not JSON.", retryable=True, reason="outcome_unknown")
    return answer.get("data", answer) if isinstance(answer, dict) else answer


def _refusal(response: httpx2.Response, answer: Any) -> TelnyxError:
    status = response.status_code
    errors = answer.get("errors") if isinstance(answer, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    usual = "unauthorized" if status == 401 else "rejected"
    reason = "outcome_unknown" if status >= 500 else REASONS.get(str(first.get("code")), usual)
    return TelnyxError(
        str(first.get("detail") or first.get("title") or f"The carrier responded with status {status}."),
        status=status,
        retryable=status in {408, 429} or status >= 500,
        reason=reason,
        retry_after=_retry_after(response) if status in {429, 503} else 0.0,
    )


def _retry_after(response: httpx2.Response) -> float:
    """Seconds; Telnyx never sends a date."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() else 0.0
