"""Twilio's REST API by its own SDK, over an HTTP client of ours with limits and a deadline.

Only safe requests are repeated: reads, deletions, and requests that were not sent. Creating a call and buying a number have no
idempotency key (`phone_numbers.carriers.twilio.calls`).
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from bubblyphone.core.monitoring import tracing
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.bounded_http import TOTAL_SECONDS, carrier_client, exchange

TRIES = 3
PAUSE_SECONDS = 0.25
API_HOST = "api.twilio.com"  # in every URL of the SDK

# https://www.twilio.com/docs/api/errors
REASONS: Mapping[int, str] = {
    20003: "unauthorized",
    20404: "call_ended",  # an unknown or expired call
    21220: "call_ended",  # its state does not allow changes
    21421: "number_unavailable",
    21422: "number_unavailable",
    21452: "number_unavailable",
}


class BoundedHttp(HttpClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's HTTP client. Raises CarrierError without a response."""

    def __init__(self, base_url: str) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False, timeout=TOTAL_SECONDS)
        self._base_url = base_url.rstrip("/")
        self._http = carrier_client(self._base_url)

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """The signature is the SDK's; `timeout` and `allow_redirects` are ignored."""
        parts = urlsplit(uri)
        address = (
            uri.replace(f"{parts.scheme}://{parts.netloc}", self._base_url, 1) if parts.netloc == API_HOST else uri
        )
        deadline = time.monotonic() + TOTAL_SECONDS
        sent = {"params": params, "data": data, "headers": headers, "auth": auth}
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                with tracing.span("twilio", tracing.CLIENT, {"http.request.method": method}):
                    answer, body = exchange(self._http, method, address, deadline=deadline, **sent)
            except CarrierError as error:
                is_harmless = method in {"GET", "DELETE"} or error.reason == "unreachable"
                if not tries_left or not is_harmless or time.monotonic() + PAUSE_SECONDS >= deadline:
                    raise
            else:
                is_repeated = method in {"GET", "DELETE"} and (answer.status_code == 429 or answer.status_code >= 500)
                if not tries_left or not is_repeated or time.monotonic() + PAUSE_SECONDS >= deadline:
                    return Response(answer.status_code, body.decode(errors="replace"), answer.headers)
            time.sleep(PAUSE_SECONDS)
        raise AssertionError("unreachable")


def make_client(account_sid: str, auth_token: str, base_url: str) -> Client:
    """A client for the whole process. It is thread-safe."""
    return Client(account_sid, auth_token, http_client=BoundedHttp(base_url))


@contextmanager
def refusals() -> Iterator[None]:
    """Raises the SDK's exceptions in the block as CarrierError."""
    try:
        yield
    except (TwilioRestException, TwilioServiceException) as error:
        raise _refusal(error) from error
    except (TwilioException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable() from error


def _refusal(error: TwilioRestException | TwilioServiceException) -> CarrierError:
    """A 404 means that the call has ended only with Twilio's own code: a proxy in between can also answer 404."""
    status = error.status if isinstance(error.status, int) else 0  # RFC 9457: as the server wrote it
    code = error.code if isinstance(error.code, int) else 0
    usual = "unauthorized" if status == 401 else "rejected"
    reason = "outcome_unknown" if status >= 500 or not status else REASONS.get(code, usual)
    text = error.msg if isinstance(error, TwilioRestException) else error.detail or error.title
    return CarrierError(str(text), retryable=status in {408, 429} or status >= 500, reason=reason)


def unreadable() -> CarrierError:
    """For a response that says success but not what we asked."""
    return CarrierError("The carrier's response could not be read.", reason="outcome_unknown")


def sid_of(resource: Any) -> str:
    """The id in the response, for which the SDK returns None if it is missing. Raises CarrierError."""
    if not isinstance(resource.sid, str) or not resource.sid:
        raise unreadable()
    return str(resource.sid)
