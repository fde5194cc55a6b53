"""Test numbers with fixed behavior, for trying outbound calls. Any other number without a handset just rings.

+15005550001  a person: answers after a second, says a sentence, then listens
+15005550002  busy
+15005550003  nobody answers
+15005550004  declines the call
+15005550005  an answering machine: greeting, beep, then it records
+15005550006  an answering machine without a beep
+15005550007  echo: plays back what it hears, one second later
+15005550008  no such number
+15005550009  a person who answers and says nothing for six seconds
+15005550010  a phone that screens calls: asks who is calling, then its owner accepts
+15005550011  a phone that screens calls: asks who is calling, then its owner declines
"""

from collections import deque

from sandbox.exchange.audio.audio_queue import FRAME_SECONDS
from sandbox.exchange.audio.tones import melody
from sandbox.exchange.audio.tts import Tts
from sandbox.exchange.handsets.handset import Handset, Line
from sandbox.exchange.handsets.scripted import ScriptedHandset, Step
from sandbox.exchange.handsets.steps import Beep, EndGreeting, HangUp, Join, Say, ScreeningTone, Wait, WaitForSilence
from sandbox.exchange.tasks import Tasks

PERSON, BUSY, NOBODY, DECLINES = "+15005550001", "+15005550002", "+15005550003", "+15005550004"
MACHINE, MACHINE_WITHOUT_BEEP, ECHO, UNALLOCATED_NUMBER = "+15005550005", "+15005550006", "+15005550007", "+15005550008"
SLOW_PERSON = "+15005550009"
SCREENS_AND_ACCEPTS, SCREENS_AND_DECLINES = "+15005550010", "+15005550011"
PERSON_SENTENCE = "Hello, this is Alex speaking. Who is calling, please?"
GREETING = "Hi, you have reached Alex. I can't come to the phone right now. Please leave a message after the tone."
ECHO_DELAY_SECONDS = 1.0
SLOWNESS_SECONDS = 6.0
SCREENING_PROMPT = "Hi. If you record your name and reason for calling, I'll see if this person is available."
SCREENING_REPLY = "Thanks. Please stay on the line."
SCREENING_REFUSAL = "Sorry, this person is not available. Goodbye."
# How long the phone waits for the caller's introduction, and how long its owner then takes to decide.
SCREENING_PATIENCE_SECONDS = 20.0
THINKING_SECONDS = 2.0
RING_SECONDS = 1.0


class UnattendedPhone(Handset):
    """Rings until the caller hangs up."""

    def on_ringing(self, line: Line, *, inbound: bool) -> None: ...
    def on_answered(self) -> None: ...
    def next_frame(self) -> bytes | None:
        return None

    def play(self, frame: bytes) -> None: ...
    def on_dtmf(self, digit: str) -> None: ...
    def on_ended(self, cause: str) -> None: ...


class EchoPhone(UnattendedPhone):
    """Answers immediately, and plays back what it hears a second later."""

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self._frames: deque[bytes] = deque()

    def on_ringing(self, line: Line, *, inbound: bool) -> None:
        line.pick_up()

    def next_frame(self) -> bytes | None:
        return self._frames.popleft() if len(self._frames) * FRAME_SECONDS >= ECHO_DELAY_SECONDS else None

    def play(self, frame: bytes) -> None:
        self._frames.append(frame)


def make_answerer(number: str, tasks: Tasks, tts: Tts | None) -> Handset | None:
    """A new phone for a test number, or None for any other number. Without a `tts`, phones play tones instead of speech."""

    def says(text: str) -> Say:
        return Say(text=text) if tts else Say(pcm16=melody())

    match number:
        case "+15005550001":
            steps: list[Step] = [Wait(0.3), says(PERSON_SENTENCE)]
            return ScriptedHandset(number, steps, tasks=tasks, ring_seconds=RING_SECONDS, tts=tts)
        case "+15005550002":
            return ScriptedHandset(number, tasks=tasks, on_ring="busy", ring_seconds=0.0)
        case "+15005550003":
            return UnattendedPhone(number)
        case "+15005550004":
            return ScriptedHandset(number, tasks=tasks, on_ring="decline", ring_seconds=RING_SECONDS)
        case "+15005550005" | "+15005550006":
            end: Step = Beep() if number == MACHINE else EndGreeting()
            steps = [Wait(0.3), says(GREETING), end]
            return ScriptedHandset(number, steps, tasks=tasks, ring_seconds=RING_SECONDS, answerer="machine", tts=tts)
        case "+15005550007":
            return EchoPhone(number)
        case "+15005550009":
            steps = [Wait(SLOWNESS_SECONDS), says(PERSON_SENTENCE)]
            return ScriptedHandset(number, steps, tasks=tasks, ring_seconds=RING_SECONDS, answerer="silence", tts=tts)
        case "+15005550010" | "+15005550011":
            steps = [Wait(0.3), says(SCREENING_PROMPT), ScreeningTone()]
            steps += [WaitForSilence(1000, SCREENING_PATIENCE_SECONDS), says(SCREENING_REPLY), Wait(THINKING_SECONDS)]
            if number == SCREENS_AND_ACCEPTS:
                steps += [Join(), says(PERSON_SENTENCE)]
            else:
                steps += [says(SCREENING_REFUSAL), HangUp()]
            return ScriptedHandset(number, steps, tasks=tasks, ring_seconds=RING_SECONDS, answerer="screening", tts=tts)
    return None
