"""Helpers that set up calls."""

from sandbox.exchange.handsets.scripted import ScriptedHandset
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.platform import FakePlatform

OWNED = "+14155550100"
CALLER = "+12025550123"
COLLEAGUE = "+12025550177"


async def answered(exchange: Exchange, platform: FakePlatform, telnyx, *steps, **answer) -> tuple[ScriptedHandset, str]:
    """A call that has been answered: the caller's handset and the call's ID."""
    caller = exchange.handset(CALLER, steps)
    await exchange.call(caller, OWNED)
    call_id = (await platform.event("call.initiated"))["call_control_id"]
    await telnyx.calls.actions.answer(call_id, **answer)
    await platform.event("call.answered")
    return caller, call_id


def payloads(platform: FakePlatform, call_id: str) -> list[tuple[str, dict]]:
    """The event types and payloads of one leg, in order."""
    events = [(event["data"]["event_type"], event["data"]["payload"]) for event in platform.events]
    return [(kind, payload) for kind, payload in events if payload["call_control_id"] == call_id]


def types(platform: FakePlatform, call_id: str) -> list[str]:
    return [kind for kind, _ in payloads(platform, call_id)]
