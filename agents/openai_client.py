"""Requests from jobs to OpenAI, or to a server with its API: one attempt each, with failures as the caller's own exceptions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from openai import APIConnectionError, APIStatusError, OpenAI, OpenAIError

from bubblyphone.core.network.waiting import http_client

RETRYABLE_STATUS = {408, 409, 429}


class Failure(Protocol):
    """An exception that says whether the same request can succeed later."""

    def __call__(self, message: str, *, retryable: bool) -> Exception: ...


def make_client(*, api_key: str, base_url: str, timeout_seconds: float) -> OpenAI:
    """A client without retries: jobs retry themselves."""
    client = http_client(base_url)
    return OpenAI(api_key=api_key, base_url=base_url, timeout=timeout_seconds, max_retries=0, http_client=client)


@contextmanager
def failing_as(failure: Failure, server: str) -> Iterator[None]:
    """Raise `failure` for every way a request can fail. `server` starts the sentence: "The model"."""
    try:
        yield
    except APIConnectionError as error:
        raise failure(f"{server} could not be reached.", retryable=True) from error
    except APIStatusError as error:
        is_passing = error.status_code >= 500 or error.status_code in RETRYABLE_STATUS
        raise failure(f"{server} responded with status {error.status_code}.", retryable=is_passing) from error
    except (
        OpenAIError,
        ValueError,
        RecursionError,
    ) as error:  # the last two: a body that is invalid or too deeply nested JSON
        raise failure(f"{server} returned an invalid response.", retryable=True) from error
