"""A clock, and each carrier in turn."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from phone_numbers.carriers.registry import forget_carriers
from tests.calls.control.dialects import BEGIN, DIALECTS, Dialect
from tests.fakes.recording_server import RecordingServer


class Clock:
    """Replaces `timezone.now`. `at` is in seconds from BEGIN."""

    at = 0.0

    def __call__(self) -> datetime:
        return BEGIN + timedelta(seconds=self.at)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)
    return clock


@pytest.fixture(params=list(DIALECTS))
def dialect(request: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, empty_redis: object) -> Iterator[Dialect]:
    """Commands that a state change causes are sent after the commit, which never happens in these tests."""
    for wait in (
        "DECISION_SECONDS",
        "FIRST_ORDERS_SECONDS",
        "SETTLING_SECONDS",
        "calls.LOOK_SECONDS",
        "client.PAUSE_SECONDS",
    ):
        monkeypatch.setattr(f"phone_numbers.carriers.twilio.{wait}", 0.0)
    monkeypatch.setattr("phone_numbers.carriers.telnyx.client.FIRST_PAUSE_SECONDS", 0.0)
    with RecordingServer() as server:
        yield DIALECTS[request.param](settings, server)
    forget_carriers()
