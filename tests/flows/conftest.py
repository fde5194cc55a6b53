"""Two platforms for all flows: one without any key, one whose model vendors are fakes."""

import os
from collections.abc import Iterator

import pytest

from agents import speech
from tests.flows.platform import Platform
from tests.flows.vendors import Vendors
from tests.flows.voices import Voices

# `FLOWS_CARRIER=twilio` has every call go over Twilio's protocol; by default over Telnyx's.
CARRIER = os.environ.get("FLOWS_CARRIER", "")


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform as `make run` starts it: no key, the built-in exchange, the offline model."""
    started = Platform(tmp_path_factory.mktemp("offline"), CARRIER=CARRIER)
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
    started = Platform(tmp_path_factory.mktemp("vendors"), CARRIER=CARRIER, **vendors.environment)
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
