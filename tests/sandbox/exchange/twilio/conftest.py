"""An exchange and a platform that talk to each other in Twilio's protocol, with Twilio's SDK as the platform's client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from twilio.rest import Client

from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.twilio.platform import TwilioPlatform

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
OTHER_SID = "AC" + "f" * 32
AUTH_TOKEN = "twilio-auth-token"
OWNED = "+14155550100"
CALLER = "+12025550123"
PERSON, BUSY, NOBODY, DECLINES = "+15005550001", "+15005550002", "+15005550003", "+15005550004"
MACHINE, MACHINE_WITHOUT_BEEP, ECHO, UNALLOCATED = "+15005550005", "+15005550006", "+15005550007", "+15005550008"

SCREENS = "+15005550010"


class Twilio:
    """The SDK's client. Its blocking requests run on threads."""

    def __init__(self, url: str, sid: str = ACCOUNT_SID, token: str = AUTH_TOKEN) -> None:
        self.client = Client(sid, token)
        self.client.api.base_url = url

    async def __call__(self, request: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(request, self.client)


@pytest.fixture
async def platform() -> AsyncIterator[TwilioPlatform]:
    async with TwilioPlatform(AUTH_TOKEN) as platform:
        yield platform
        assert platform.invalid == []


@pytest.fixture
async def exchange(platform: TwilioPlatform) -> AsyncIterator[Exchange]:
    async with Exchange(twilio_accounts={ACCOUNT_SID: AUTH_TOKEN, OTHER_SID: "another"}) as exchange:
        exchange.twilio.own(
            OWNED, ACCOUNT_SID, voice_url=platform.url("voice", "?number=1"), status_callback=platform.url("ended")
        )
        yield exchange


@pytest.fixture
def twilio(exchange: Exchange) -> Twilio:
    return Twilio(exchange.url)
