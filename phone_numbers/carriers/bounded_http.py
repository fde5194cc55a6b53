"""HTTP requests to a carrier, limited in time and size."""

import time
from typing import Any

import httpx2

from bubblyphone.core.network.waiting import http_client
from phone_numbers.carriers.base import CarrierError

CONNECT_SECONDS = 3.0
# From the first attempt to the last byte of the last one.
TOTAL_SECONDS = 10.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024


def carrier_client(server: str | httpx2.URL, **options: Any) -> httpx2.Client:
    """One pool of connections, shared by all threads."""
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)
    return http_client(server, limits=limits, **options)


def exchange(
    client: httpx2.Client, method: str, url: str, *, deadline: float, **options: Any
) -> tuple[httpx2.Response, bytes]:
    """The response and its body; `deadline` as in time.monotonic.

    Raises CarrierError: "unreachable" if nothing was sent, "outcome_unknown" without a complete response.
    """
    left, received = max(0.1, deadline - time.monotonic()), bytearray()
    timeout = httpx2.Timeout(left, connect=min(left, CONNECT_SECONDS))
    try:
        with client.stream(method, url, timeout=timeout, **options) as response:
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                    raise CarrierError(
                        "The carrier's response was incomplete.", retryable=True, reason="outcome_unknown"
                    )
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise CarrierError("The carrier could not be reached.", retryable=True, reason="unreachable") from error
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        raise CarrierError("The carrier did not respond.", retryable=True, reason="outcome_unknown") from error
    return response, bytes(received)
