"""<Dial><Number> and <Dial><Conference>: https://www.twilio.com/docs/voice/twiml/dial."""

import asyncio
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from sandbox.exchange.bridging import Bridge
from sandbox.exchange.twilio import errors
from sandbox.exchange.twilio.calls import Call, StatusCallback
from sandbox.exchange.twilio.conferences import join
from sandbox.exchange.twilio.detection import Detection
from sandbox.exchange.twilio.recordings import RecordRequest, checked_events
from sandbox.exchange.twilio.twiml import (
    INVALID_ATTRIBUTE,
    INVALID_DOCUMENT,
    Goto,
    Source,
    TwimlError,
    check_attributes,
    flag_of,
    method_of,
    number_of,
)
from sandbox.exchange.validation import E164

KNOWN = (
    "action method timeout timeLimit callerId hangupOnStar answerOnBridge record recordingStatusCallback"
    " recordingStatusCallbackMethod recordingStatusCallbackEvent ringTone"
)
NUMBER = (
    "url method statusCallback statusCallbackMethod statusCallbackEvent sendDigits machineDetection amdStatusCallback"
    " amdStatusCallbackMethod machineDetectionTimeout"
)
INVALID_CALLER_ID = 13214
RECORDED = {
    "record-from-answer": 1,
    "record-from-answer-dual": 2,
    "record-from-ringing": 1,
    "record-from-ringing-dual": 2,
}


async def dial(call: Call, element: Element, source: Source) -> None:
    """Call someone and connect both, or join a conference. Then continue with the `action`, or the next verb."""
    check_attributes(element, KNOWN, "trim sequential referUrl recordingTrack")
    children = list(element)
    number = (element.text or "").strip()
    if len(children) > 1 or (children and number) or not (children or number):
        raise TwimlError(
            INVALID_DOCUMENT, "The built-in exchange only supports <Dial> with one number or one conference."
        )
    target = children[0] if children else None
    if target is not None and target.tag == "Conference":
        call.answer()
        result = await join(call, target, source)
    elif target is None or target.tag == "Number":
        result = await _Dialing(
            call, element, source, target, number or (target.text or "" if target is not None else "")
        ).run()
    else:
        raise TwimlError(INVALID_DOCUMENT, f"The built-in exchange does not support <{target.tag}> within <Dial>.")
    if action := element.get("action"):
        raise Goto(source.at(action, method_of(element), result))


class _Dialing:
    """One call to another number, from dialing to its end."""

    def __init__(self, call: Call, element: Element, source: Source, target: Element | None, number: str) -> None:
        self._call = call
        self._element = element
        self._source = source
        self._target = target if target is not None else Element("Number")
        self._number = number.strip()
        self._bridged_at = 0.0
        self._bridge: Bridge | None = None
        self._left = asyncio.Event()

    async def run(self) -> dict[str, str]:
        """Dial, wait for the end, and return the parameters for `action`."""
        call, element = self._call, self._element
        check_attributes(self._target, NUMBER, "byoc")
        child = self._child()
        if not flag_of(element, "answerOnBridge", default=False):
            call.answer()
        call.leg.transfer_to = child.leg
        child.begin_soon(number_of(element, "timeout", 30, 1, 600))
        over = [asyncio.create_task(child.ended.wait()), asyncio.create_task(self._left.wait())]
        try:
            with call.listening(self._hear_star(child)):
                await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in over:
                task.cancel()
            self._part(child)
        return self._result(child)

    def _child(self) -> Call:
        call, element, target = self._call, self._element, self._target
        if not E164.fullmatch(self._number):
            raise TwimlError(13224, f"Dial: invalid phone number {self._number}.")
        caller_id = element.get("callerId") or call.from_number
        if caller_id not in {call.from_number, call.to_number} and not call.account.owns(caller_id):
            raise TwimlError(INVALID_CALLER_ID, f"Dial: invalid callerId {caller_id}.")
        events = tuple(target.get("statusCallbackEvent", "completed").split())
        child = Call(
            account=call.account,
            direction="outbound-dial",
            handset=call.account.switch.phone_at(self._number),
            from_number=caller_id,
            to_number=self._number,
            parent=call,
            callback=StatusCallback(
                self._address(target, "statusCallback"), method_of(target, "statusCallbackMethod"), events
            ),
            detection=self._detection(),
            send_digits=target.get("sendDigits", ""),
            time_limit_seconds=number_of(element, "timeLimit", 14400, 1),
        )
        child.on_answer = lambda: self._answered(child)
        child.on_redirect = self._left.set
        return child

    def _address(self, element: Element, name: str) -> str:
        location = element.get(name, "")
        return self._source.at(location, "POST").url if location else ""

    def _detection(self) -> Detection | None:
        mode = self._target.get("machineDetection", "")
        if not mode:
            return None
        if mode not in {"Enable", "DetectMessageEnd"}:
            raise TwimlError(INVALID_ATTRIBUTE, "machineDetection must be Enable or DetectMessageEnd.")
        return Detection(
            "Enable" if mode == "Enable" else "DetectMessageEnd",
            number_of(self._target, "machineDetectionTimeout", 30, 3, 59),
            is_async=True,
            callback_url=self._address(self._target, "amdStatusCallback"),
            callback_method=method_of(self._target, "amdStatusCallbackMethod"),
        )

    def _answered(self, child: Call) -> None:
        url = self._address(self._target, "url")
        child.account.switch.context.tasks.start(self._whisper(child, url), "twiml dial")

    async def _whisper(self, child: Call, url: str) -> None:
        """Run a document for the callee first, then connect both."""
        if url:
            child.play(Source(url=url, method=method_of(self._target)), ends_call=False)
            await child.document_over()
        if child.status != "in-progress" or self._call.final_status or self._left.is_set():
            return
        self._call.answer()
        self._call.leg.transfer_to = None
        self._bridged_at = asyncio.get_running_loop().time()
        self._bridge = Bridge(self._call.leg, child.leg, is_first_parked=True)
        if channels := RECORDED.get(self._element.get("record", "")):
            self._call.recordings.start(self._record_request(channels))

    def _record_request(self, channels: int) -> RecordRequest:
        element = self._element
        try:
            events = checked_events(element.get("recordingStatusCallbackEvent", "").split())
        except errors.TwilioError as error:
            raise TwimlError(INVALID_ATTRIBUTE, error.message) from error
        return RecordRequest(
            "DialVerb",
            channels,
            self._address(element, "recordingStatusCallback"),
            method_of(element, "recordingStatusCallbackMethod"),
            events,
        )

    def _hear_star(self, child: Call) -> Callable[[str, dict[str, Any]], None]:
        has_star = flag_of(self._element, "hangupOnStar", default=False)

        def hear(event_type: str, about: dict[str, Any]) -> None:
            if has_star and event_type == "call.dtmf.received" and about["digit"] == "*":
                child.leg.hang_up()

        return hear

    def _part(self, child: Call) -> None:
        """The dialing has ended, or this call runs another document. The callee is hung up, unless it was redirected."""
        self._call.leg.transfer_to = None
        if self._bridge is not None:
            self._bridge.part_from(self._call.leg)
        if not self._left.is_set():
            child.leg.hang_up()

    def _result(self, child: Call) -> dict[str, str]:
        status = "completed" if self._bridged_at else child.status
        params = {
            "DialCallStatus": status,
            "DialCallSid": child.sid,
            "DialBridged": str(bool(self._bridged_at)).lower(),
        }
        if self._bridged_at:
            params["DialCallDuration"] = str(round(asyncio.get_running_loop().time() - self._bridged_at))
        return params
