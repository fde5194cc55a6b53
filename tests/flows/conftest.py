"""Two platforms for all flows: one without any key, one whose model vendors are fakes."""

import os
from collections.abc import Iterator

import pytest

from agents import speech
from tests.flows.platform import Platform
from tests.flows.vendors import Vendors
from tests.flows.voices import Voices

# Each platform has both carriers, which the exchange is in the protocols of Telnyx and Twilio. Calls of tests that name none go over
# Telnyx's; with `FLOWS_CARRIER=twilio` over Twilio's, and with `FLOWS_CARRIER=exchange,twilio` the account's numbers are at both.
CARRIERS = os.environ.get("FLOWS_CARRIER", "exchange").split(",")
BOTH = {"CARRIER": "twilio"}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform as `make run` starts it: no key, the built-in exchange, the offline model."""
    started = Platform(tmp_path_factory.mktemp("offline"), carriers=CARRIERS, **BOTH)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def vendors() -> Iterator[Vendors]:
    """OpenAI and Google on this machine."""
    with Vendors() as running:
        yield running


@pytest.fixture(scope="session")
def vendor_platform(tmp_path_factory: pytest.TempPathFactory, vendors: Vendors) -> Iterator[Platform]:
    """The platform with keys of both vendors."""
    started = Platform(tmp_path_factory.mktemp("vendors"), carriers=CARRIERS, **BOTH, **vendors.environment)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def voices() -> Iterator[Voices]:
    """A caller's voice, and an ear for the agent's."""
    if not speech.is_installed():
        pytest.skip("the offline extra is not installed")
    with Voices() as running:
        yield running
