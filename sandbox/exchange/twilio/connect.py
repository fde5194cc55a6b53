"""<Connect><Stream>: the call's audio goes to a WebSocket until that closes (https://www.twilio.com/docs/voice/twiml/stream)."""

import asyncio
import re
from typing import Any
from xml.etree.ElementTree import Element

from sandbox.exchange.media_stream import MediaStream
from sandbox.exchange.twilio.calls import Call
from sandbox.exchange.twilio.streams import stream_params
from sandbox.exchange.twilio.twiml import (
    INVALID_ATTRIBUTE,
    INVALID_DOCUMENT,
    Goto,
    Source,
    TwimlError,
    check_attributes,
    method_of,
)
from sandbox.exchange.twilio.values import now

INVALID_STREAM_URL, STREAM_FAILED = 21620, 31920


async def connect(call: Call, element: Element, source: Source) -> None:
    """Stream both ways until the platform closes the socket. Then continue with the `action`, or the next verb."""
    check_attributes(element, "action method")
    if len(element) != 1 or element[0].tag != "Stream":
        raise TwimlError(INVALID_DOCUMENT, "The built-in exchange only supports <Connect> with one <Stream>.")
    stream = element[0]
    check_attributes(stream, "url name track statusCallback statusCallbackMethod")
    url = stream.get("url", "")
    # Twilio only accepts wss. On one machine, ws is enough.
    if not re.fullmatch(r"wss?://[^?#\s]+", url):
        raise TwimlError(INVALID_STREAM_URL, "The url of <Stream> must be a wss URL without a query.")
    if stream.get("track", "inbound_track") != "inbound_track":
        raise TwimlError(INVALID_ATTRIBUTE, "A bidirectional stream only supports inbound_track.")
    await _stream(call, stream, url)
    if action := element.get("action"):
        raise Goto(source.at(action, method_of(element)))


async def _stream(call: Call, element: Element, url: str) -> None:
    parameters: dict[str, str] = {}
    for child in element:
        if child.tag != "Parameter":
            raise TwimlError(INVALID_DOCUMENT, f"<{child.tag}> is not allowed within <Stream>.")
        parameters[child.get("name", "")] = child.get("value", "")
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    started: list[MediaStream] = []

    def hear(event_type: str, about: dict[str, Any]) -> None:
        match event_type:
            case "streaming.started":
                _tell(call, element, started[0], "stream-started")
            case "streaming.stopped":
                _tell(call, element, started[0], "stream-stopped")
            case "streaming.failed":
                call.warn(STREAM_FAILED, f"Stream - WebSocket: {about['failure_reason']}")
                _tell(call, element, started[0], "stream-error", about["failure_reason"])
            case _:
                return
        if event_type != "streaming.started" and not over.done():
            over.set_result(None)

    with call.listening(hear):
        call.leg.start_stream(stream_params(url, parameters))
        if call.leg.stream is not None:
            started.append(call.leg.stream)
        try:
            await over
        finally:
            call.leg.stop_stream()


def _tell(call: Call, element: Element, stream: MediaStream, event: str, error: str = "") -> None:
    params = {
        "AccountSid": call.account.sid,
        "CallSid": call.sid,
        "StreamSid": stream.stream_id,
        "StreamName": element.get("name") or stream.stream_id,
        "StreamEvent": event,
        "Timestamp": now().isoformat().replace("+00:00", "Z"),
    }
    if error:
        params |= {"StreamError": error, "StreamErrorCode": str(STREAM_FAILED)}
    url, method = element.get("statusCallback", ""), method_of(element, "statusCallbackMethod")
    call.account.send(call.callbacks, url, method, params)
