"""Call screening: the phone asks who is calling, the agent answers once, waits in silence, and greets the person who joins."""

import asyncio
from typing import Any

import pytest

from agents.cues import Cue, introduce, say_exactly
from agents.providers.base import ProviderError
from agents.providers.model_events import AudioDelta, InputTranscript
from calls.session.screening import DECISION_SECONDS, Overheard, ScreeningPlan
from calls.session.screening_transcriber import LISTEN_ONLY, REMEMBERED
from calls.session.screening_words import Speaker, asks_who_calls, speaker_of
from calls.session.voicemail import DOUBT_SECONDS, SILENCE_SECONDS
from tests.calls.scripted import ScriptedSession, audio
from tests.calls.session.test_voicemail import LOUD, Machine, machine
from tests.virtual_time import settled, until

pytestmark = pytest.mark.virtual_time
PLAN = ScreeningPlan("It is Example Ltd.")


async def test_the_agent_introduces_itself_waits_and_greets_the_person_who_joins() -> None:
    async with machine(screening=PLAN) as other_end:
        await other_end.detected()
        await other_end.talk.session.screening.begin()
        await until(lambda: other_end.model.replies)
        other_end.speak("who", 300)
        await until(lambda: other_end.talk.caller.sent)
        other_end.greet()
        await asyncio.sleep(DECISION_SECONDS / 2)  # longer than the silence that would end a greeting
        other_end.speak("too much", 300)
        await settled()
        assert (other_end.model.replies, other_end.model.heard) == ([say_exactly("It is Example Ltd.")], [])
        assert other_end.talk.caller.sent == [audio(300)]
        await other_end.talk.session.person_answered()
        await until(lambda: len(other_end.model.replies) == 2)
        other_end.speak("hello", 100)
        await until(lambda: len(other_end.talk.caller.sent) == 2)
        await until(lambda: other_end.model.heard)
        assert Cue.LEAVE_MESSAGE not in other_end.model.replies
        other_end.talk.session.end("normal_clearing")
        await other_end.ended()


async def test_the_call_ends_if_nobody_joins() -> None:
    async with machine(screening=PLAN) as other_end:
        await until(lambda: other_end.talk.model.sessions)
        await other_end.talk.session.screening.begin()
        await until(lambda: other_end.model.replies)
        other_end.speak("who", 300)
        began = asyncio.get_running_loop().time()
        assert await other_end.ended() == ("normal_clearing", False)
        assert DECISION_SECONDS <= asyncio.get_running_loop().time() - began <= DECISION_SECONDS + 1


async def test_the_default_text_is_said_in_the_agents_language() -> None:
    async with machine(screening=ScreeningPlan("This is Robin.", is_ours=True)) as other_end:
        await until(lambda: other_end.talk.model.sessions)
        await other_end.talk.session.screening.begin()
        await until(lambda: other_end.model.replies)
        assert other_end.model.replies == [introduce("This is Robin.")]


@pytest.mark.parametrize("is_spoken", [False, True])
async def test_a_reconnected_model_repeats_the_introduction_unless_it_was_spoken(is_spoken: bool) -> None:
    async with machine(screening=PLAN) as other_end:
        await other_end.detected()
        await other_end.talk.session.screening.begin()
        await until(lambda: other_end.model.replies)
        other_end.speak("who", 300, done=is_spoken)
        await until(lambda: other_end.talk.caller.sent)
        await settled()
        other_end.model.queue.put_nowait(ProviderError("gone", retryable=True))
        await until(lambda: len(other_end.talk.model.sessions) == 2)
        await asyncio.sleep(1)
        again = other_end.talk.model.sessions[1]
        assert again.replies == ([] if is_spoken else [say_exactly("It is Example Ltd.")])
        if not is_spoken:
            again.queue.put_nowait(AudioDelta("who again", audio(200)))
            await until(lambda: audio(200) in other_end.talk.caller.sent)
        other_end.talk.session.end("normal_clearing")
        await other_end.ended()


# --- carriers that do not detect screening ------------------------------------------------------------------------------
ASKS = "Hi. If you record your name and reason for calling, I'll see if this person is available."


class Overhearing:
    """Collects what the session concluded from the remote party's words."""

    def __init__(self) -> None:
        self.reported: list[Overheard] = []
        self.plan = ScreeningPlan("It is Example Ltd.", report=self._report)

    async def _report(self, heard: Overheard) -> None:
        self.reported.append(heard)

    async def listening_session(self, other_end: Machine) -> Any:
        """The model session that only listens."""
        other_end.talk.session.screening.listen()
        await until(lambda: len(other_end.talk.model.sessions) == 2)
        return other_end.talk.model.sessions[1]


async def test_words_reveal_a_screening_phone_and_the_person_who_joins() -> None:
    overhearing = Overhearing()
    async with machine(screening=overhearing.plan) as other_end:
        await until(lambda: other_end.talk.model.sessions)
        for _ in range(REMEMBERED + 5):
            other_end.talk.caller.incoming.put_nowait(LOUD)
        await settled()
        await other_end.detected()
        listener = await overhearing.listening_session(other_end)
        await until(lambda: len(listener.heard) == REMEMBERED)
        other_end.talk.caller.incoming.put_nowait(LOUD)
        await until(lambda: len(listener.heard) == REMEMBERED + 1)
        config = listener.config
        assert (config.instructions, config.tools, config.listens_only) == (LISTEN_ONLY, (), True)
        assert other_end.model.heard == []

        for words in ("Hi.", ASKS.removeprefix("Hi. ")):
            assert overhearing.reported == []
            listener.queue.put_nowait(InputTranscript(words))
            await settled()
        assert overhearing.reported == ["screening"]
        await other_end.talk.session.screening.begin()
        await until(lambda: other_end.model.replies)
        listener.queue.put_nowait(InputTranscript("Hello?"))  # before the introduction was spoken
        other_end.speak("who", 300)
        await asyncio.sleep(1)
        for words in ("Thanks. Please stay on the line.", "Hello, this is Alex. Who is calling?"):
            assert overhearing.reported == ["screening"]
            listener.queue.put_nowait(InputTranscript(words))
            await settled()
        assert overhearing.reported == ["screening", "person"]
        await other_end.talk.session.person_answered()
        await until(lambda: "Greet the caller." in other_end.model.replies)
        assert listener.is_closed
        assert Cue.LEAVE_MESSAGE not in other_end.model.replies
        assert [entry for entry in other_end.talk.notes.transcripts if entry[0] == "user"] == []


async def test_listening_ends_when_a_message_is_recorded_and_never_starts_for_a_person() -> None:
    overhearing = Overhearing()
    async with machine(screening=overhearing.plan) as other_end:
        await other_end.detected()
        listener = await overhearing.listening_session(other_end)
        other_end.answering.greeting_ended()
        await other_end.asked()
        await until(lambda: listener.is_closed)
        other_end.talk.caller.incoming.put_nowait(LOUD)
        listener.queue.put_nowait(InputTranscript(ASKS))
        await settled()
        assert (overhearing.reported, listener.heard) == ([], [])
    async with machine(screening=overhearing.plan) as other_end:
        await until(lambda: other_end.talk.model.sessions)
        await other_end.talk.session.person_answered()
        other_end.talk.session.screening.listen()
        await settled()
        assert len(other_end.talk.model.sessions) == 1


@pytest.mark.parametrize("is_understood", [False, True])
async def test_pending_words_are_awaited_before_the_machine_verdict(
    monkeypatch: pytest.MonkeyPatch, is_understood: bool
) -> None:
    overhearing = Overhearing()
    async with machine(screening=overhearing.plan) as other_end:
        await other_end.detected()
        listener = await overhearing.listening_session(other_end)
        monkeypatch.setattr(ScriptedSession, "owes_words", True)
        began = asyncio.get_running_loop().time()
        if not is_understood:
            await other_end.asked()
            assert DOUBT_SECONDS <= asyncio.get_running_loop().time() - began <= DOUBT_SECONDS + 1
            return
        await asyncio.sleep(SILENCE_SECONDS + 2)
        listener.queue.put_nowait(InputTranscript(ASKS))
        monkeypatch.setattr(ScriptedSession, "owes_words", False)
        await asyncio.sleep(1)  # until the report has been stored and applied
        await other_end.talk.session.screening.begin()
        await until(lambda: other_end.model.replies)
        assert other_end.model.replies == [say_exactly("It is Example Ltd.")]


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (ASKS, True),
        ("hi if you record your name and reason for calling i'll see if this person is available", True),
        ("The person you're calling is using a screening service from Google. Go ahead and say your name and why you're calling.", True),
        ("Wenn du deinen Namen und den Grund deines Anrufs aufnimmst, sehe ich nach, ob die Person verfügbar ist.", True),
        ("Si vous enregistrez votre nom et le motif de votre appel, je verrai si cette personne est disponible.", True),
        ("Please leave your name and the reason for your call after the tone.", False),
        ("Hi, you have reached Alex. I can't come to the phone right now. Please leave a message after the tone.", False),
        ("Bitte hinterlassen Sie Ihren Namen und den Grund Ihres Anrufs nach dem Signalton.", False),
        ("Hello, this is Alex speaking. Who is calling, please?", False),
        ("", False),
    ],
)  # fmt: skip
def test_words_of_a_screening_phone_are_recognized(words: str, asks: bool) -> None:
    assert asks_who_calls(words) is asks


@pytest.mark.parametrize(
    ("words", "speaker"),
    [
        ("Hello, this is Alex speaking. Who is calling, please?", Speaker.PERSON),
        ("Ja bitte?", Speaker.PERSON),
        ("Thanks. Please stay on the line.", Speaker.PHONE),
        ("Sorry, this person is not available. Goodbye.", Speaker.PHONE),
        (ASKS, Speaker.PHONE),
        (" . ", Speaker.PHONE),
        ("Please leave a message after the tone.", Speaker.MAILBOX),
    ],
)
def test_the_next_speaker_is_recognized(words: str, speaker: Speaker) -> None:
    assert speaker_of(words) is speaker
