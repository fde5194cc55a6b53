"""<Say>, <Play> and <Pause>, on their own and within <Gather>."""

import asyncio
from typing import Any
from xml.etree.ElementTree import Element

from sandbox.exchange.announcements import Announcement
from sandbox.exchange.audio.audio_sources import played, spoken
from sandbox.exchange.twilio.calls import Call
from sandbox.exchange.twilio.twiml import (
    FETCH_FAILED,
    INVALID_DOCUMENT,
    Source,
    TwimlError,
    check_attributes,
    number_of,
)

MAX_SAY_CHARACTERS = 4096
KEY_SECONDS = 0.25
SPEAKERS = {"Say", "Play", "Pause"}


async def say(call: Call, element: Element, source: Source) -> None:
    """Say a text, without SSML tags, always in the same English voice."""
    check_attributes(element, "voice language loop")
    text = " ".join("".join(element.itertext()).split())
    if len(text) > MAX_SAY_CHARACTERS:
        raise TwimlError(INVALID_DOCUMENT, "The text of <Say> is longer than 4096 characters.")
    await _announce(call, Announcement("speak", spoken(text, call.leg.context.tts), plays=_plays(element)))


async def play(call: Call, element: Element, source: Source) -> None:
    """Play a WAV file, or press keys."""
    check_attributes(element, "loop digits")
    if digits := element.get("digits", ""):
        await call.leg.send_digits(digits, KEY_SECONDS)
        return
    url = source.at((element.text or "").strip(), "GET").url
    await _announce(
        call, Announcement("playback", played({"audio_url": url}, call.leg.context.http), plays=_plays(element))
    )


async def pause(call: Call, element: Element, source: Source) -> None:
    """Wait in silence."""
    check_attributes(element, "length")
    await asyncio.sleep(number_of(element, "length", 1))


def _plays(element: Element) -> int | None:
    """The number of repetitions. None, for `loop="0"`, means without end."""
    return number_of(element, "loop", 1, most=1000) or None


async def _announce(call: Call, announcement: Announcement) -> None:
    over: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    announcement.about = {"announcement": announcement}

    def hear(event_type: str, about: dict[str, Any]) -> None:
        if event_type.endswith(".ended") and about.get("announcement") is announcement and not over.done():
            over.set_result(about)

    with call.listening(hear):
        call.leg.announcer.add(announcement)
        try:
            about = await over
        finally:
            call.leg.announcer.stop("all")
    if detail := about.get("status_detail"):
        call.warn(FETCH_FAILED, detail)


async def prompt(call: Call, element: Element, source: Source) -> None:
    """Run the <Say>, <Play> and <Pause> children of <Gather>. Raises TwimlError for other children."""
    verbs = {"Say": say, "Play": play, "Pause": pause}
    for child in element:
        if child.tag not in verbs:
            raise TwimlError(INVALID_DOCUMENT, f"<{child.tag}> is not allowed within <{element.tag}>.")
        await verbs[child.tag](call, child, source)
