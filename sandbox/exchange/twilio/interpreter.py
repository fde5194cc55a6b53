"""Runs TwiML: one verb after the other, until the document ends, and the call with it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from xml.etree.ElementTree import Element

from sandbox.exchange.twilio.calls import Call
from sandbox.exchange.twilio.connect import connect
from sandbox.exchange.twilio.dial import dial
from sandbox.exchange.twilio.gather import gather
from sandbox.exchange.twilio.speaking import pause, play, say
from sandbox.exchange.twilio.twiml import (
    FETCH_FAILED,
    INVALID_DOCUMENT,
    INVALID_TYPE,
    INVALID_VERB,
    VOICE_TYPES,
    Goto,
    Source,
    TwimlError,
    check_attributes,
    method_of,
    parse_document,
)

logger = logging.getLogger(__name__)

# Documents that redirect in circles end the call.
MAX_DOCUMENTS = 1000


async def carry_out(call: Call, source: Source, *, ends_call: bool = True) -> None:
    """Fetch a document and run it. At its end the call is hung up, unless `ends_call` is false."""
    try:
        for _ in range(MAX_DOCUMENTS):
            try:
                await _perform(call, source, await _load(call, source))
                break
            except Goto as goto:
                source = goto.source
    except TwimlError as error:
        logger.warning("twilio call ended by an application error: %d %s", error.code, error)
        call.warn(error.code, str(error))
        call.answer()
        call.leg.hang_up()
        return
    if ends_call:
        call.answer()
        call.leg.hang_up()


async def _load(call: Call, source: Source) -> Element:
    if source.text:
        return parse_document(source.text)
    try:
        return await _fetch(call, source.url, source.method, dict(source.params))
    except TwimlError as error:
        if not source.fallback_url:
            raise
        call.warn(error.code, str(error))
        about = {"ErrorCode": str(error.code), "ErrorUrl": source.url}
        return await _fetch(call, source.fallback_url, source.fallback_method, about)


async def _fetch(call: Call, url: str, method: str, params: dict[str, str]) -> Element:
    account = call.account
    reply = await account.callbacks.fetch(account.auth_token, url, method, call.params() | params)
    if not reply.is_success:
        raise TwimlError(FETCH_FAILED, f"HTTP retrieval failure: status {reply.status}.")
    if not reply.text.strip():
        return parse_document("<Response/>")
    if reply.content_type not in VOICE_TYPES:
        raise TwimlError(INVALID_TYPE, f"Invalid Content-Type: {reply.content_type}.")
    return parse_document(reply.text)


async def _perform(call: Call, source: Source, document: Element) -> None:
    for position, element in enumerate(document):
        verb = VERBS.get(element.tag)
        if verb is None:
            raise TwimlError(INVALID_VERB, f"The built-in exchange does not support <{element.tag}>.")
        if element.tag == "Pause" and position == 0 and call.status == "ringing":
            # A pause at the start delays the answer.
            await pause(call, element, source)
            continue
        if element.tag not in UNANSWERED_VERBS:
            call.answer()
        await verb(call, element, source)


async def _hang_up(call: Call, element: Element, source: Source) -> None:
    check_attributes(element, "")
    call.leg.hang_up()
    await asyncio.sleep(0)


async def _reject(call: Call, element: Element, source: Source) -> None:
    check_attributes(element, "reason")
    reason = element.get("reason", "rejected")
    if reason not in {"rejected", "busy"}:
        raise TwimlError(INVALID_DOCUMENT, "reason of <Reject> must be rejected or busy.")
    if call.status != "ringing":
        raise TwimlError(INVALID_DOCUMENT, "<Reject> must be the first verb of an inbound call.")
    call.leg.reject("USER_BUSY" if reason == "busy" else "CALL_REJECTED")
    await asyncio.sleep(0)


async def _redirect(call: Call, element: Element, source: Source) -> None:
    check_attributes(element, "method")
    raise Goto(source.at((element.text or "").strip(), method_of(element)))


Verb = Callable[[Call, Element, Source], Awaitable[None]]
VERBS: dict[str, Verb] = {
    "Connect": connect,
    "Dial": dial,
    "Gather": gather,
    "Hangup": _hang_up,
    "Pause": pause,
    "Play": play,
    "Redirect": _redirect,
    "Reject": _reject,
    "Say": say,
}
# These do not answer the call first: <Dial> answers it itself, later if it has answerOnBridge="true".
UNANSWERED_VERBS = frozenset({"Reject", "Redirect", "Dial"})
