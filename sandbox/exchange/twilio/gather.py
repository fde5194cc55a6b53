"""<Gather>: keys and speech of the person (https://www.twilio.com/docs/voice/twiml/gather)."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from sandbox.exchange.transcription import TranscriptionParams
from sandbox.exchange.twilio.calls import Call
from sandbox.exchange.twilio.speaking import prompt
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

KNOWN = (
    "input action method timeout speechTimeout numDigits finishOnKey partialResultCallback partialResultCallbackMethod"
    " language hints speechModel enhanced profanityFilter actionOnEmptyResult bargeIn"
)
STABILITY = "0.9"
# Noise without words can start a sentence that never ends.
MAX_SPEECH_SECONDS = 60.0


@dataclass(slots=True)
class _Input:
    """The input so far: keys, finished sentences, and the number of partial results."""

    digits: str = ""
    sentences: list[str] = field(default_factory=list)
    confidence: float = 0.0
    partials: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


async def gather(call: Call, element: Element, source: Source) -> None:
    """Prompt and listen at the same time. After input, continue with the `action`. After silence, with the next verb."""
    check_attributes(element, KNOWN, "dtmfDetection debug")
    wanted = set(element.get("input", "dtmf").split())
    if not wanted or not wanted <= {"dtmf", "speech"}:
        raise TwimlError(INVALID_ATTRIBUTE, "input of <Gather> must be dtmf, speech or both.")
    if "speech" in wanted and call.leg.context.recognizer is None:
        raise TwimlError(INVALID_DOCUMENT, "The built-in exchange has no recognizer installed for <Gather>.")
    found = _Input()

    def hear(event_type: str, about: dict[str, Any]) -> None:
        if event_type == "call.dtmf.received" and "dtmf" in wanted:
            found.digits += about["digit"]
        elif event_type == "call.transcription" and "speech" in wanted:
            _hear_speech(call, element, source, found, about["transcription_data"])
        else:
            return
        found.changed.set()

    with call.listening(hear):
        if "speech" in wanted:
            call.leg.start_transcription(TranscriptionParams(is_interim=True))
        try:
            params = await _listen(call, element, source, found)
        finally:
            call.leg.stop_transcription()
    if params or flag_of(element, "actionOnEmptyResult", default=False):
        raise Goto(source.at(element.get("action", ""), method_of(element), params))


def _hear_speech(call: Call, element: Element, source: Source, found: _Input, data: dict[str, Any]) -> None:
    if data["is_final"]:
        found.sentences.append(data["transcript"])
        found.confidence = max(found.confidence, data["confidence"])
        return
    if callback := element.get("partialResultCallback"):
        params = call.params() | {
            "UnstableSpeechResult": data["transcript"],
            "StableSpeechResult": "",
            "Stability": STABILITY,
            "SequenceNumber": str(found.partials),
            "Language": element.get("language", "en-US"),
        }
        method = method_of(element, "partialResultCallbackMethod")
        call.account.send(call.callbacks, source.at(callback, method).url, method, params)
    found.partials += 1


async def _listen(call: Call, element: Element, source: Source, found: _Input) -> dict[str, str]:
    """The result's parameters, empty without input. Speech and keys stop the prompt, unless `bargeIn` is false."""
    prompting = asyncio.create_task(prompt(call, element, source))
    changed = asyncio.create_task(found.changed.wait())
    try:
        if flag_of(element, "bargeIn", default=True):
            await asyncio.wait({prompting, changed}, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.wait({prompting})
        if prompting.done():
            prompting.result()
        prompting.cancel()
        if not await _has_begun(call, element, found):
            return {}
        if found.digits and not found.sentences and not found.partials:
            return await _finish_digits(call, element, found)
        return await _finish_speech(call, element, found)
    finally:
        prompting.cancel()
        changed.cancel()


async def _has_begun(call: Call, element: Element, found: _Input) -> bool:
    """Whether input comes within `timeout`. Words count from their beginning, although their first result comes later."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(number_of(element, "timeout", 5)):
            await found.changed.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MAX_SPEECH_SECONDS):
            await _next_result(call, found)
    return found.changed.is_set()


async def _next_result(call: Call, found: _Input) -> None:
    """Wait for input as long as the person is speaking. Noise ends without a result."""
    if call.leg.transcription is None:
        return
    waiting = [asyncio.create_task(found.changed.wait()), asyncio.create_task(call.leg.transcription.until_silent())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _finish_digits(call: Call, element: Element, found: _Input) -> dict[str, str]:
    finish, count = element.get("finishOnKey", "#"), number_of(element, "numDigits", 0)
    while True:
        for key in finish:
            if key in found.digits:
                return {"Digits": found.digits.partition(key)[0], "FinishedOnKey": key}
        if 0 < count <= len(found.digits):
            return {"Digits": found.digits[:count]}
        found.changed.clear()
        if not await _has_begun(call, element, found):
            return {"Digits": found.digits}


async def _finish_speech(call: Call, element: Element, found: _Input) -> dict[str, str]:
    """`auto` ends after the first sentence, a number after that many seconds of silence."""
    silence = element.get("speechTimeout", "auto")
    if silence != "auto" and not silence.isdecimal():
        raise TwimlError(INVALID_ATTRIBUTE, "speechTimeout of <Gather> must be auto or a number of seconds.")
    try:
        async with asyncio.timeout(MAX_SPEECH_SECONDS):
            while not found.sentences:
                found.changed.clear()
                await _next_result(call, found)
                if not found.changed.is_set():
                    return {}
    except TimeoutError:
        return {}
    while silence != "auto":
        found.changed.clear()
        try:
            async with asyncio.timeout(int(silence)):
                await found.changed.wait()
        except TimeoutError:
            break
    text = " ".join(found.sentences)
    return {"SpeechResult": text, "Confidence": str(found.confidence)}
