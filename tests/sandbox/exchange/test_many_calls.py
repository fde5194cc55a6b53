"""Many calls at once, in real time: what is measured is how fast the machine gets through them."""

import asyncio
import time

from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.test_media_stream import RTP, echo


async def test_eight_calls_stay_on_time(exchange, platform, telnyx):
    """With eight calls at once, and the platform in the same process, no clock falls behind."""
    platform.on_frame = echo
    handsets = [exchange.handset(f"+120255501{index:02d}") for index in range(8)]
    for handset in handsets:
        await exchange.call(handset, OWNED)
    await platform.event("call.initiated", count=8)
    for event in list(platform.events):
        call_id = event["data"]["payload"]["call_control_id"]
        await telnyx.calls.actions.answer(call_id, stream_url=platform.media_url(), **RTP)
    await platform.stream(8)
    began = {handset.number: time.monotonic() - handset.at_seconds for handset in handsets}
    await asyncio.sleep(2)
    # Missed frames are caught up, so the clock of a line is never behind for long, whatever else the machine does.
    async with asyncio.timeout(30):
        while any(time.monotonic() - began[handset.number] - handset.at_seconds > 0.1 for handset in handsets):
            await asyncio.sleep(0.02)
    assert all(handset.at_seconds - (time.monotonic() - began[handset.number]) < 0.06 for handset in handsets)
