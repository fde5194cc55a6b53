"""Two platforms for all flows: one without any API key, one with fake model vendors."""

import os
from collections.abc import Iterator

import pytest

from agents import speech
from tests.flows.platform import Platform
from tests.flows.vendors import Vendors
from tests.flows.voices import Voices

# Each platform has two carriers: the exchange in Telnyx's protocol and in Twilio's. Tests that name no carrier use Telnyx's,
# with `FLOWS_CARRIER=twilio` Twilio's. With `FLOWS_CARRIER=exchange,twilio` numbers are bought from both in turn.
CARRIERS = os.environ.get("FLOWS_CARRIER", "exchange").split(",")
BOTH = {"CARRIER": "twilio"}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform as `make run` starts it: without API keys, with the built-in exchange and the offline model."""
    started = Platform(tmp_path_factory.mktemp("offline"), carriers=CARRIERS, **BOTH)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def vendors() -> Iterator[Vendors]:
    """Fakes of OpenAI and Google on this machine."""
    with Vendors() as running:
        yield running


@pytest.fixture(scope="session")
def vendor_platform(tmp_path_factory: pytest.TempPathFactory, vendors: Vendors) -> Iterator[Platform]:
    """The platform with API keys of both vendors."""
    started = Platform(tmp_path_factory.mktemp("vendors"), carriers=CARRIERS, **BOTH, **vendors.environment)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def voices() -> Iterator[Voices]:
    """Text-to-speech for callers, and a recognizer for the agent's speech."""
    if not speech.is_installed():
        pytest.skip("the offline packages are not installed")
    with Voices() as running:
        yield running
