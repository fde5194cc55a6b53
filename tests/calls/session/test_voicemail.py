"""An answering machine takes an outbound call, and the agent leaves a message. The test controls both ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agents.cues import Cue
from agents.providers.model_events import AudioDelta, ToolCall, TurnDone
from calls.session.voicemail import GREETING_SECONDS, POLL_SECONDS, SILENCE_SECONDS
from calls.session.who_answered import Answering
from phone_numbers.carriers.media_protocol import StreamStopped
from tests.calls.scripted import FRAME, audio
from tests.calls.session.conversations import Conversation, conversation
from tests.virtual_time import settled, until

LOUD = audio(20)
LEFT = "voicemail.message_left"

pytestmark = pytest.mark.virtual_time


class Machine:
    """The answering machine, and the model that leaves a message."""

    def __init__(self, talk: Conversation, answering: Answering) -> None:
        self.talk, self.answering = talk, answering
        self._greeting: asyncio.Task[None] | None = None

    @property
    def model(self) -> Any:
        return self.talk.model.sessions[0]

    def greet(self) -> None:
        """Start a greeting that does not end."""
        self._greeting = asyncio.create_task(self._talk())

    async def _talk(self) -> None:
        while True:
            self.talk.caller.incoming.put_nowait(LOUD)
            await asyncio.sleep(0.02)

    def fall_silent(self) -> None:
        if self._greeting is not None:
            self._greeting.cancel()

    async def detected(self) -> None:
        await until(lambda: self.talk.model.sessions)
        await self.talk.session.voicemail.begin()

    async def asked(self, times: int = 1) -> None:
        await until(lambda: self.model.replies.count(Cue.LEAVE_MESSAGE) == times)

    def speak(self, item_id: str, milliseconds: int, *, done: bool = True) -> None:
        self.model.queue.put_nowait(AudioDelta(item_id, audio(milliseconds)))
        if done:
            self.model.queue.put_nowait(TurnDone())

    async def ended(self) -> tuple[str, bool]:
        """Why the session ended, and whether a message was left."""
        cause = await self.talk.task
        return cause, LEFT in self.talk.notes.names()

    def reason(self) -> str:
        """Why the greeting was considered to be over."""
        return next(str(data["reason"]) for name, data in self.talk.notes.events if name == "voicemail.recording")


@asynccontextmanager
async def machine(*, agent_begins: bool = True, **options: Any) -> AsyncIterator[Machine]:
    answering = Answering(detects=True, now=asyncio.get_running_loop().time)
    async with conversation(answering=answering, agent_begins=agent_begins, **options) as talk:
        other_end = Machine(talk, answering)
        yield other_end
        other_end.fall_silent()


async def test_the_message_starts_at_the_reported_end_of_the_greeting() -> None:
    async with machine(silence=2) as other_end:
        other_end.greet()
        await other_end.detected()
        await asyncio.sleep(
            2 * SILENCE_SECONDS
        )  # longer than the silence timeout, and than the silence that ends a greeting
        assert (other_end.model.replies, other_end.talk.caller.sent, other_end.model.heard) == ([], [], [])
        other_end.answering.greeting_ended()
        await other_end.asked()
        other_end.speak("m", 300)
        assert await other_end.ended() == ("normal_clearing", True)
        assert (other_end.talk.caller.sent, other_end.model.heard) == ([audio(300)], [])
        assert other_end.reason() == "greeting_ended"


async def test_without_a_report_the_message_starts_after_silence() -> None:
    async with machine() as other_end:
        other_end.greet()
        await other_end.detected()
        await asyncio.sleep(2 * SILENCE_SECONDS)
        assert other_end.model.replies == []
        other_end.fall_silent()
        began = asyncio.get_running_loop().time()
        await other_end.asked()
        # The last sound was up to one frame earlier. The silence is noticed at the next poll.
        assert -0.02 <= asyncio.get_running_loop().time() - began - SILENCE_SECONDS <= POLL_SECONDS
        other_end.speak("m", 100)
        assert await other_end.ended() == ("normal_clearing", True)
        assert other_end.reason() == "silence"


async def test_without_a_report_or_silence_the_message_starts_after_a_timeout() -> None:
    async with machine() as other_end:
        other_end.greet()
        await other_end.detected()
        await asyncio.sleep(GREETING_SECONDS - 0.1)
        assert other_end.model.replies == []
        await asyncio.sleep(0.1 + POLL_SECONDS)
        assert other_end.model.replies == [Cue.LEAVE_MESSAGE]
        other_end.speak("m", 100)
        assert await other_end.ended() == ("normal_clearing", True)
        assert other_end.reason() == "timeout"


async def test_a_greeting_end_reported_before_the_verdict_counts() -> None:
    async with machine() as other_end:
        other_end.greet()
        await until(lambda: other_end.talk.model.sessions)
        other_end.answering.greeting_ended()
        await asyncio.sleep(1)
        assert other_end.model.replies == []
        await other_end.detected()
        await other_end.asked()
        other_end.speak("m", 100)
        assert await other_end.ended() == ("normal_clearing", True)


async def test_repeated_reports_give_one_message() -> None:
    async with machine() as other_end:
        await other_end.detected()
        await other_end.detected()
        other_end.answering.greeting_ended()
        await other_end.asked()
        other_end.answering.greeting_ended()
        other_end.speak("m", 200, done=False)
        await settled()
        other_end.answering.greeting_ended()
        other_end.model.queue.put_nowait(TurnDone())
        assert await other_end.ended() == ("normal_clearing", True)
        assert (other_end.model.replies, other_end.talk.caller.clears) == ([Cue.LEAVE_MESSAGE], 1)


async def test_a_message_started_in_a_pause_of_the_greeting_is_repeated() -> None:
    async with machine() as other_end:
        await other_end.detected()
        await other_end.asked()  # after silence
        other_end.speak("m", 400, done=False)
        await asyncio.sleep(0.1)
        other_end.answering.greeting_ended()
        await other_end.asked(2)
        other_end.speak("m", 200)  # the rest of the first attempt
        other_end.speak("n", 150)
        assert await other_end.ended() == ("normal_clearing", True)
        assert other_end.talk.caller.sent == [audio(400), audio(150)]


async def test_a_late_report_of_the_greeting_end_changes_nothing() -> None:
    async with machine() as other_end:
        await other_end.detected()
        await other_end.asked()
        other_end.speak("m", 300, done=False)
        await until(lambda: other_end.talk.caller.sent)
        other_end.answering.greeting_ended(seconds_ago=30)
        other_end.model.queue.put_nowait(TurnDone())
        assert await other_end.ended() == ("normal_clearing", True)
        assert other_end.model.replies == [Cue.LEAVE_MESSAGE]


@pytest.mark.parametrize("all_generated", [True, False])
async def test_a_message_that_is_cut_off_is_not_left(all_generated: bool) -> None:
    async with machine() as other_end:
        await other_end.detected()
        other_end.answering.greeting_ended()
        await other_end.asked()
        other_end.speak("m", 2000, done=all_generated)
        await until(lambda: other_end.talk.caller.sent)
        await asyncio.sleep(0.2)
        other_end.talk.caller.incoming.put_nowait(StreamStopped())
        assert await other_end.ended() == ("", False)


@pytest.mark.parametrize("cause", ["max_duration", "insufficient_balance", "canceled"])
async def test_a_message_that_we_cut_off_is_not_left(cause: str) -> None:
    async with machine() as other_end:
        await other_end.detected()
        other_end.answering.greeting_ended()
        await other_end.asked()
        other_end.speak("m", 2000)
        await until(lambda: other_end.talk.caller.sent)
        other_end.talk.session.end(cause)
        assert await other_end.ended() == (cause, False)


async def test_words_for_a_person_are_not_the_message() -> None:
    async with machine() as other_end:
        other_end.answering.person()  # the first verdict
        await other_end.talk.model_session()
        other_end.speak("greeting", 2000, done=False)
        await until(lambda: other_end.talk.caller.sent)
        await other_end.detected()
        other_end.answering.greeting_ended()
        await other_end.asked()
        other_end.speak("greeting", 500)
        await asyncio.sleep(0.2)
        assert not other_end.talk.task.done()
        other_end.speak("m", 100)
        assert await other_end.ended() == ("normal_clearing", True)
        assert (other_end.talk.caller.sent, other_end.talk.caller.clears) == ([audio(2000), audio(100)], 1)


async def test_a_model_that_ends_the_call_says_its_message_first() -> None:
    async with machine() as other_end:
        await other_end.detected()
        other_end.answering.greeting_ended()
        await other_end.asked()
        other_end.model.queue.put_nowait(ToolCall("c1", "end_call", {}))
        other_end.model.queue.put_nowait(TurnDone())  # no message yet
        await asyncio.sleep(2)
        assert not other_end.talk.task.done()
        other_end.speak("m", 100)
        assert await other_end.ended() == ("normal_clearing", True)


async def test_a_silent_model_is_prompted_again() -> None:
    async with machine(silence=2) as other_end:
        other_end.greet()
        await other_end.detected()
        await asyncio.sleep(30)
        assert other_end.model.replies == []  # nothing is expected of the model while the machine talks
        other_end.fall_silent()
        other_end.answering.greeting_ended()
        await other_end.asked(2)
        other_end.speak("m", 100)
        assert await other_end.ended() == ("normal_clearing", True)


async def test_the_maximum_duration_applies_to_answering_machines() -> None:
    async with machine(max_duration=30) as other_end:
        other_end.greet()
        await other_end.detected()
        assert await other_end.ended() == ("max_duration", False)


async def test_silence_before_the_verdict_counts() -> None:
    async with machine() as other_end:
        other_end.talk.caller.incoming.put_nowait(FRAME)
        await asyncio.sleep(SILENCE_SECONDS - 0.1)  # the verdict can take at least this long
        await other_end.detected()
        await asyncio.sleep(0.1 + POLL_SECONDS)
        assert other_end.model.replies == [Cue.LEAVE_MESSAGE]


async def test_without_a_message_the_call_ends_with_the_greeting() -> None:
    async with machine(leaves_message=False) as other_end:
        other_end.greet()
        await other_end.detected()
        await asyncio.sleep(SILENCE_SECONDS)
        other_end.answering.greeting_ended()
        assert await other_end.ended() == ("voicemail", False)
        assert other_end.model.replies == []
        assert "stream.connected" not in other_end.talk.notes.names()
