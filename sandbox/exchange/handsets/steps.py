"""The steps of a scripted handset, and their JSON format: a list of objects with one key each.

[{"wait_for_silence": 700}, {"say": "What are your opening hours?"}, {"wait_for_silence": 900}, {"hang_up": true}]
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.exchange.audio.audio_queue import FRAME_SECONDS
from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.scripted import ScriptedHandset, Step

DEFAULT_PATIENCE_SECONDS = 20.0
GREETING_SECONDS = 4.0
DIGIT_SECONDS = 0.2
BEEP_HZ, BEEP_SECONDS = 1000, 0.4
SCREENING_HZ, SCREENING_SECONDS = 1400, 0.3


def _frames(milliseconds: int) -> int:
    return round(milliseconds / 1000 / FRAME_SECONDS)


@dataclass(frozen=True, slots=True)
class Say:
    """Say a text with `tts`, or play 8 kHz PCM16 audio."""

    text: str = ""
    pcm16: bytes = b""

    async def perform(self, phone: ScriptedHandset) -> None:
        audio = self.pcm16 or await phone.voice(self.text)
        phone.note("says", self.text)
        await phone.speak(audio)
        phone.note("said", self.text)


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for some seconds."""

    seconds: float

    async def perform(self, phone: ScriptedHandset) -> None:
        end = len(phone.heard) + _frames(round(self.seconds * 1000))
        await phone.until(lambda: len(phone.heard) >= end)


@dataclass(frozen=True, slots=True)
class WaitForSilence:
    """Wait until the other party has spoken since our last word, and has then been silent for `milliseconds`."""

    milliseconds: int = 700
    timeout_seconds: float = DEFAULT_PATIENCE_SECONDS

    async def perform(self, phone: ScriptedHandset) -> None:
        silent = _frames(self.milliseconds)
        await phone.until(lambda: phone.has_heard_speech and phone.silent_frames >= silent, self.timeout_seconds)


@dataclass(frozen=True, slots=True)
class HearGreeting:
    """Wait for the end of the other party's greeting. Continue after four seconds without one."""

    milliseconds: int = 700

    async def perform(self, phone: ScriptedHandset) -> None:
        silent, end = _frames(self.milliseconds), len(phone.heard) + round(GREETING_SECONDS / FRAME_SECONDS)

        def is_over() -> bool:
            has_greeted = phone.has_heard_speech or len(phone.heard) >= end
            return has_greeted and phone.silent_frames >= silent

        await phone.until(is_over)


@dataclass(frozen=True, slots=True)
class WaitForSpeech:
    """Wait until the other party has been speaking for `milliseconds`, so that the next step interrupts it."""

    milliseconds: int = 400
    timeout_seconds: float = DEFAULT_PATIENCE_SECONDS

    async def perform(self, phone: ScriptedHandset) -> None:
        loud = _frames(self.milliseconds)
        await phone.until(lambda: phone.speech_frames >= loud, self.timeout_seconds)


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys, five per second."""

    digits: str

    async def perform(self, phone: ScriptedHandset) -> None:
        for digit in self.digits:
            if phone.line is not None:
                phone.line.press(digit)
                phone.note("pressed", digit)
            await Wait(DIGIT_SECONDS).perform(phone)


@dataclass(frozen=True, slots=True)
class Beep:
    """The tone at the end of an answering machine's greeting."""

    async def perform(self, phone: ScriptedHandset) -> None:
        if phone.line is not None:
            phone.line.signal("beep")
        phone.note("beep")
        await phone.speak(tone(BEEP_HZ, BEEP_SECONDS))


@dataclass(frozen=True, slots=True)
class EndGreeting:
    """The end of an answering machine's greeting without a tone."""

    async def perform(self, phone: ScriptedHandset) -> None:
        if phone.line is not None:
            phone.line.signal("no_beep")


@dataclass(frozen=True, slots=True)
class ScreeningTone:
    """The tone after which a phone that screens calls listens to the caller."""

    async def perform(self, phone: ScriptedHandset) -> None:
        if phone.line is not None:
            phone.line.signal("screening_tone")
        phone.note("screening tone")
        await phone.speak(tone(SCREENING_HZ, SCREENING_SECONDS))


@dataclass(frozen=True, slots=True)
class Join:
    """A person takes over from a machine."""

    async def perform(self, phone: ScriptedHandset) -> None:
        phone.answerer = "human"
        if phone.line is not None:
            phone.line.signal("person")
        phone.note("person")


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up."""

    async def perform(self, phone: ScriptedHandset) -> None:
        phone.hang_up()


def parse_steps(script: Any) -> list[Step]:
    """Parse steps from JSON. Raises ValueError with the position of the invalid step."""
    if not isinstance(script, list):
        raise ValueError("A script must be a list of steps.")
    return [_parse_step(index, step) for index, step in enumerate(script, start=1)]


def _parse_step(index: int, step: Any) -> Step:
    if not isinstance(step, Mapping) or len(step) != 1:
        raise ValueError(f"Step {index} must be an object with one key.")
    name, value = next(iter(step.items()))
    try:
        match name:
            case "say" if isinstance(value, str) and value:
                return Say(text=value)
            case "say_pcm":
                return Say(pcm16=base64.b64decode(value, validate=True))
            case "wait":
                return Wait(float(value))
            case "wait_for_silence":
                return WaitForSilence(int(value))
            case "hear_greeting":
                return HearGreeting(int(value))
            case "wait_for_speech":
                return WaitForSpeech(int(value))
            case "press" if isinstance(value, str) and set(value) <= set("0123456789ABCD*#"):
                return Press(value)
            case "beep":
                return Beep()
            case "end_greeting":
                return EndGreeting()
            case "hang_up":
                return HangUp()
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError(f"Step {index} ({name}) has an invalid value.") from error
    raise ValueError(f"Step {index} ({name}) is unknown or has an invalid value.")
