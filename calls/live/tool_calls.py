"""The tools of a call: the developer's, by a signed POST to `tool_webhook_url`, and the built-in ones that act on the phone line."""

import asyncio
import re
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from agents.tools.definitions import SEND_DTMF
from bubblyphone.core.api.views import format_time
from bubblyphone.core.monitoring.logs import in_context
from calls.live import tool_requests
from calls.live.tool_results import ToolAnswer
from calls.session.interfaces import ToolRunner
from calls.session.keys import key_tones
from calls.session.transport import MediaTransport
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.registry import CarrierCall, get_carrier, takes_keys_as_sound
from webhooks.sending import body_encoding
from webhooks.sending.request_log import LoggedRequest
from webhooks.sending.signing import SigningKeys

KEYS = re.compile(r"[0-9A-D*#wW]{1,50}")
_threads = ThreadPoolExecutor(4, thread_name_prefix="telephone-tools")
EVENT = "call.tool_call"


async def no_tools(name: str, arguments: Mapping[str, Any], call_id: str = "") -> Mapping[str, Any]:
    """The model called a tool, although no URL is configured that could run one."""
    return {"error": "This is not available in this call."}


class TelephoneTools:
    """The built-in tools that act on a carrier's call; all other calls go to the developer's."""

    def __init__(self, call: CarrierCall, others: ToolRunner, line: MediaTransport | None) -> None:
        """`line`: where keys are played for carriers that take them as sound."""
        self._call = call
        self._others = others
        self._line = line

    async def __call__(self, name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
        if name != SEND_DTMF.name:
            return await self._others(name, arguments, call_id)
        digits = str(arguments.get("digits", "")).replace(" ", "")
        if not KEYS.fullmatch(digits):
            return {"error": "The digits must be 1 to 50 of 0-9, *, #, A-D, and w."}
        try:
            if self._line is not None and takes_keys_as_sound(self._call.carrier):
                await self._line.send_audio(key_tones(digits, self._line.audio_format))
            else:
                await asyncio.get_running_loop().run_in_executor(_threads, in_context(self._press, digits))
        except CarrierError as error:
            return {"error": f"The keys could not be pressed: {error}"}
        return {"result": f"The keys {digits} are being pressed."}

    def _press(self, digits: str) -> None:
        get_carrier(self._call, CallControl).send_dtmf(
            carrier_call_id=self._call.carrier_call_id or "", command_id=str(uuid.uuid4()), digits=digits
        )


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the developer's server learns about the call with each tool call."""

    call_id: str
    from_number: str
    to_number: str
    direction: str
    variables: dict[str, str] = field(default_factory=dict)  # which tools can extend
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """The account that sends a tool request: the keys that sign it, and the IDs for its log entry."""

    keys: SigningKeys
    developer_id: int
    signing_secret_id: int


@dataclass(kw_only=True, eq=False, repr=False)
class ToolWebhook:
    """Runs the tools of one call concurrently; each is recorded in the call's webhook log (`calls.live.tool_requests`)."""

    facts: CallFacts
    url: str
    signing_identity: SigningIdentity

    async def __call__(self, name: str, arguments: Mapping[str, Any], call_id: str = "") -> Mapping[str, Any]:
        return (await self.send(name, arguments)).result

    async def send(
        self, name: str, arguments: Mapping[str, Any], judge: tool_requests.Judge | None = None
    ) -> ToolAnswer:
        """The same; `judge` can reject the response."""
        now = timezone.now()
        request = LoggedRequest(
            developer_id=self.signing_identity.developer_id,
            signing_secret_id=self.signing_identity.signing_secret_id,
            subject=f"call:{self.facts.call_id}",
            event_type=EVENT,
            webhook_id=str(uuid.uuid4()),
            url=self.url,
            body=tool_call_body(self.facts, name, arguments, at=now),
            started_at=now,
        )
        return await tool_requests.send(request, self.signing_identity.keys, judge)


def tool_call_body(facts: CallFacts, name: str, arguments: Mapping[str, Any], *, at: datetime) -> str:
    """The event sent to the developer's server."""
    return body_encoding.encode_body(
        {
            "event": EVENT,
            "call_id": facts.call_id,
            "tool": name,
            "arguments": dict(arguments),
            **({"variables": dict(facts.variables)} if facts.variables else {}),
            "from": facts.from_number,
            "to": facts.to_number,
            "direction": facts.direction,
            "metadata": dict(facts.metadata),
            "timestamp": format_time(at),
        }
    )
