"""Fixtures that configure the built-in exchange as the carrier."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Developer
from phone_numbers.carriers.registry import forget_carriers
from phone_numbers.carriers.telnyx import client
from phone_numbers.charging import purchases
from phone_numbers.models import VerificationDocument
from sandbox.exchange.telnyx import numbers_api
from tests import carriers
from tests.factories import make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import LossyProxy


@pytest.fixture
def developer() -> Developer:
    return make_developer()


@pytest.fixture
def configure_carrier(settings: Any) -> Iterator[Callable[[dict[str, str]], None]]:
    """Configure the carrier with these options until the test ends."""

    def configure(options: dict[str, str]) -> None:
        carriers.configure(settings, options)

    yield configure
    forget_carriers()


@pytest.fixture
def exchange(
    configure_carrier: Callable[[dict[str, str]], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ExchangeThread]:
    """An exchange that delivers numbers immediately, with short polling and retry pauses."""
    monkeypatch.setattr(numbers_api, "ORDER_SECONDS", 0.01)
    monkeypatch.setattr(purchases, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.02)
    with ExchangeThread() as running:
        configure_carrier(running.carrier_options())
        yield running


@pytest.fixture
def lossy_proxy(exchange: ExchangeThread, configure_carrier: Callable[[dict[str, str]], None]) -> Iterator[LossyProxy]:
    """A proxy to the exchange that drops the responses to the requests in its `lost`."""
    with LossyProxy(exchange.exchange.url, set()) as proxy:
        configure_carrier(exchange.carrier_options(f"{proxy.url}/v2"))
        yield proxy


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder for uploaded documents of this test."""
    # Changes the field's own storage, because the one in `storages` is recreated when a test changes the settings.
    monkeypatch.setattr(VerificationDocument._meta.get_field("file").storage, "location", str(tmp_path / "documents"))
    return tmp_path / "documents"
