"""What is kept out of the log, and what is not."""

import logging
from types import SimpleNamespace

import pytest
from django.core.exceptions import RequestAborted

from bubblyphone.core.logs import WorthALine


@pytest.mark.parametrize(
    ("name", "error", "path", "is_kept"),
    [
        ("django.request", None, "/readyz", False),
        ("django.request", None, "/api/v1/calls", True),
        ("asyncio", RequestAborted(), "", False),
        ("asyncio", ValueError(), "", True),
        ("django.request", RequestAborted(), "/", True),
    ],
)
def test_what_is_worth_a_line(name: str, error: Exception | None, path: str, is_kept: bool) -> None:
    exc_info = (type(error), error, None) if error else None
    record = logging.LogRecord(name, logging.ERROR, "", 0, "It failed.", (), exc_info)
    record.request = SimpleNamespace(path=path)
    assert WorthALine().filter(record) is is_kept
