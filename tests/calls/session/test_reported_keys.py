"""Keys pressed while there is no media stream. The carrier reports all keys separately, also those that the stream brings."""

import asyncio
import math

import pytest

from calls.session.dtmf_collector import PAUSE_SECONDS
from calls.session.transport import LineBack, LineBroken
from phone_numbers.carriers.media_protocol import DtmfPressed
from tests.calls.session.conversations import Conversation, conversation
from tests.virtual_time import BEGINS_AT, settled, until

pytestmark = pytest.mark.virtual_time
FIRST = (-math.inf, BEGINS_AT)


def pressed(talk: Conversation) -> str:
    return "".join(details["digit"] for name, details in talk.notes.events if name == "dtmf.received")


async def test_a_key_pressed_before_the_stream_counts() -> None:
    async with conversation(unheard=FIRST) as talk:
        model = await talk.model_session()
        await asyncio.sleep(1)
        talk.session.key_reported("e1", "4", seconds_ago=1.6)  # before the stream
        talk.session.key_reported("e1", "4", seconds_ago=1.6)  # reported again
        talk.caller.incoming.put_nowait(DtmfPressed("2"))
        talk.session.key_reported("e2", "2", seconds_ago=0.0)  # the stream brings it
        await asyncio.sleep(PAUSE_SECONDS + 0.1)
        assert pressed(talk) == "42"
        assert model.contexts == ["The caller pressed these keys on the phone: 42"]


async def test_a_key_pressed_while_the_line_is_broken_counts() -> None:
    async with conversation(unheard=FIRST) as talk:
        await talk.model_session()
        await asyncio.sleep(5)
        talk.caller.incoming.put_nowait(LineBroken())
        await asyncio.sleep(1)
        talk.session.key_reported("e1", "1", seconds_ago=0.5)
        await asyncio.sleep(1)
        talk.caller.incoming.put_nowait(LineBack())
        await asyncio.sleep(1)
        talk.session.key_reported("e2", "2", seconds_ago=1.5)
        for event, seconds_ago in (("e3", 0.5), ("e4", 4.0)):  # pressed while the stream was connected
            talk.session.key_reported(event, "9", seconds_ago=seconds_ago)
        await settled()
        assert pressed(talk) == "12"


@pytest.mark.parametrize(("seconds_ago", "keys"), [(1.0, "5"), (3.0, "")])
async def test_a_resumed_session_takes_the_keys_since_the_stream_broke(seconds_ago: float, keys: str) -> None:
    async with conversation(unheard=(BEGINS_AT - 2, BEGINS_AT)) as talk:
        await talk.model_session()
        talk.session.key_reported("e1", "5", seconds_ago=seconds_ago)
        await settled()
        assert pressed(talk) == keys


async def test_keys_wait_for_a_model() -> None:
    async with conversation() as talk:
        talk.model.gate = asyncio.Event()
        talk.caller.incoming.put_nowait(DtmfPressed("7"))
        await asyncio.sleep(PAUSE_SECONDS + 2)
        talk.model.gate.set()
        model = await talk.model_session()
        await until(lambda: model.contexts)
        assert model.contexts == ["The caller pressed these keys on the phone: 7"]


async def test_no_key_counts_after_the_end() -> None:
    async with conversation(unheard=FIRST) as talk:
        await talk.model_session()
        talk.session.end("normal_clearing")
        await talk.task
        talk.session.key_reported("e1", "4", seconds_ago=60)
        assert pressed(talk) == ""
