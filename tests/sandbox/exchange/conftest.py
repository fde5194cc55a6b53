"""An exchange and a platform that talk to each other, and Telnyx's SDK as the platform's client."""

from collections.abc import AsyncIterator

import pytest
from telnyx import AsyncTelnyx

from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.platform import FakePlatform
from tests.sandbox.exchange.specification import Specification


@pytest.fixture
async def platform() -> AsyncIterator[FakePlatform]:
    async with FakePlatform() as platform:
        yield platform


@pytest.fixture
async def exchange(platform: FakePlatform) -> AsyncIterator[Exchange]:
    async with Exchange(webhook_url=platform.webhook_url) as exchange:
        exchange.own(OWNED)
        yield exchange


@pytest.fixture
async def telnyx(exchange: Exchange) -> AsyncIterator[AsyncTelnyx]:
    async with AsyncTelnyx(
        api_key=exchange.api_key, base_url=exchange.base_url, public_key=exchange.public_key, max_retries=0
    ) as client:
        yield client


@pytest.fixture(scope="session")
def specification() -> Specification:
    return Specification()
