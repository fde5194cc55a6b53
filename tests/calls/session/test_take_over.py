"""People on the page of a live call listen, whisper and take over from the agent. The test controls both ends."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from agents.cues import Cue, whispered
from agents.providers.base import ProviderError
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    OutputTranscript,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    TurnDone,
)
from bubblyphone.core.audio import AudioFormat
from calls.session.agent_output import MOST_AHEAD_MS
from calls.session.audio_monitor import PIECE_SECONDS
from calls.session.model_notices import TAKEN_OVER, given_back
from calls.session.take_over import LOST_SECONDS, Person
from phone_numbers.carriers.media_protocol import StreamStopped
from tests.calls.scripted import FRAME, audio
from tests.calls.session.conversations import Conversation, conversation
from tests.virtual_time import settled, until

pytestmark = pytest.mark.virtual_time

ADA, BOB = Person("1", "ada@example.com"), Person("2", "bob@example.com")
MICROPHONE = base64.b64encode(bytes(640)).decode()  # 20 ms of PCM16, 16 kHz
VOICE = base64.b64encode(b"\x00\x20" * 320).decode()


async def talk_into(talk: Conversation, seconds: float, person: Person = ADA) -> None:
    for _ in range(round(seconds * 50)):
        await talk.session.take_over.hear(person.id, VOICE)
        await asyncio.sleep(0.02)


async def test_a_person_takes_over_from_the_agent_and_returns_the_call() -> None:
    async with conversation(silence=10) as talk:
        model = await talk.model_session()
        over = talk.session.take_over
        model.queue.put_nowait(AudioDelta("a", audio(2000)))
        model.queue.put_nowait(OutputTranscript("a", "A very long story."))
        await until(lambda: talk.notes.transcripts)
        await asyncio.sleep(0.5)

        assert await over.begin(ADA) == ""
        assert model.truncated == [("a", 500)]  # cut off as by a barge-in
        assert (talk.caller.clears, talk.notes.interruptions) == (1, [("a", 500, 0.25)])
        assert await over.begin(ADA) == ""  # repeating it changes nothing
        assert await over.begin(BOB) == "ada@example.com has taken over this call."

        sent = len(talk.caller.sent)
        model.queue.put_nowait(AudioDelta("b", audio(200)))  # the agent is not heard
        model.queue.put_nowait(SpeechStarted())
        model.queue.put_nowait(SpeechStopped())
        model.queue.put_nowait(ToolCall("t1", "look", {}))
        talk.caller.incoming.put_nowait(audio(20))
        await talk_into(talk, 1)
        assert len(talk.caller.sent) == sent + 50
        assert all(
            len(base64.b64decode(each)) <= 160 for each in talk.caller.sent[sent:]
        )  # the size of telephone frames
        assert (talk.caller.clears, model.heard, talk.tools_run) == (1, [], [])
        assert model.results == [("t1", "look", {"error": TAKEN_OVER})]
        assert not await talk.session.speak("Hello!")
        await over.hear(BOB.id, VOICE)
        assert len(talk.caller.sent) == sent + 50

        await talk_into(talk, 15)  # no silence timeout, and no dead air
        assert not await over.end(BOB.id, "returned")
        assert await over.end(ADA.id, "returned")
        assert model.contexts == [given_back([])]
        assert model.replies == ["Greet the caller.", Cue.CALL_GIVEN_BACK]
        talk.caller.incoming.put_nowait(FRAME)
        model.queue.put_nowait(AudioDelta("c", audio(100)))
        await until(lambda: model.heard and talk.caller.sent[-1] == audio(100))
        assert talk.notes.events[2:] == [
            ("takeover.started", {"by": "ada@example.com"}),
            ("tool.returned", {"tool": "look", "ok": False, "latency_ms": 0, "reason": "taken_over"}),
            ("takeover.ended", {"by": "ada@example.com", "reason": "returned", "seconds": 16}),
        ]
        assert not talk.notes.turns  # a person's answers are not the agent's
        talk.caller.incoming.put_nowait(StreamStopped())
        await talk.task
        roles = [role for role, _, _ in talk.notes.speech]
        assert roles == ["model", "user", "human"]


class Words:
    """A transcriber that reports its words when it is closed."""

    def __init__(self, audio_format: AudioFormat, on_text: Callable[[str], None]) -> None:
        self.pieces: list[str] = []
        self.words = "My order is late." if audio_format.encoding == "pcmu" else "I am sorry to hear that."
        self.said = on_text

    def take(self, payload: str) -> None:
        self.pieces.append(payload)

    async def close(self, within_seconds: float) -> None:
        if self.pieces:
            self.said(self.words)


async def test_the_agent_and_later_models_learn_what_was_said() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        over = talk.session.take_over
        over.make_line_transcriber = Words
        model.queue.put_nowait(InputTranscript("Hi."))
        await over.begin(ADA)
        talk.caller.incoming.put_nowait(FRAME)
        await talk_into(talk, 0.1)
        assert await over.end(ADA.id, "returned")
        summary = ["Caller: My order is late.", "Colleague: I am sorry to hear that."]
        assert model.contexts == [given_back(summary)]
        assert [(role, text) for role, text, _ in talk.notes.transcripts[1:]] == [
            ("user", "My order is late."),
            ("human", "I am sorry to hear that."),
        ]
        model.queue.put_nowait(ProviderError("gone", retryable=True))
        later = await talk.model_session(1)
        assert [(turn.role, turn.text) for turn in later.config.history] == [
            ("user", "Hi."),
            ("user", "My order is late."),
            ("model", "(A colleague:) I am sorry to hear that."),
        ]


async def test_the_agent_gets_the_call_back_if_the_person_disappears() -> None:
    ends: list[tuple[Person, str]] = []
    async with conversation() as talk:
        model = await talk.model_session()
        talk.session.take_over.has_ended = lambda person, reason: ends.append((person, reason))
        await talk.session.take_over.begin(ADA)
        await talk_into(talk, 2)
        await asyncio.sleep(LOST_SECONDS + 1)
        assert ends == [(ADA, "connection_lost")]
        assert model.replies[-1] == Cue.CALL_GIVEN_BACK
        assert talk.notes.events[-1] == (
            "takeover.ended",
            {"by": "ada@example.com", "reason": "connection_lost", "seconds": 6},
        )
        assert await talk.session.take_over.begin(BOB) == ""
        talk.session.end("normal_clearing")
        assert await talk.task == "normal_clearing"
        assert talk.notes.events[-2:] == [
            ("takeover.ended", {"by": "bob@example.com", "reason": "call_ended", "seconds": 0}),
            ("stream.disconnected", {}),
        ]


async def test_during_a_takeover_the_agent_cannot_hang_up_and_can_be_lost() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(1000)))
        model.queue.put_nowait(ToolCall("t1", "end_call", {}))
        await asyncio.sleep(0.1)
        await talk.session.take_over.begin(ADA)
        await talk_into(talk, 2)
        assert model.results == [("t1", "end_call", {"error": TAKEN_OVER})]
        talk.model.refusals = [ProviderError("no", retryable=False)]
        model.queue.put_nowait(ProviderError("gone", retryable=False))
        await talk_into(talk, 3)
        assert not talk.task.done()
        await talk.session.take_over.end(ADA.id, "returned")
        assert await talk.task == "model_failed"


async def test_a_call_being_transferred_or_answered_by_a_machine_cannot_be_taken_over() -> None:
    async with conversation() as talk:
        await talk.model_session()
        await talk.session.transfer_begun()
        assert await talk.session.take_over.begin(ADA) == "The call is being transferred."
        await talk.session.transfer_failed("no_answer")
        talk.session.answering.machine()
        assert await talk.session.take_over.begin(ADA) == "No person has answered this call yet."
        assert "takeover.started" not in talk.notes.names()


@pytest.mark.parametrize("failure", [OSError("no database"), asyncio.CancelledError()], ids=["fails", "is_canceled"])
async def test_a_call_can_be_taken_over_if_requesting_its_transfer_failed(failure: BaseException) -> None:
    async def request_transfer(arguments: object, may_call: Callable[[], bool]) -> str:
        assert may_call()
        raise failure

    async with conversation(request_transfer=request_transfer) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(ToolCall("t1", "transfer_call", {}))
        await asyncio.sleep(3)
        assert await talk.session.take_over.begin(ADA) == ""


async def test_a_transfer_that_fails_leaves_the_call_with_the_person() -> None:
    async with conversation() as talk:
        await talk.model_session()
        await talk.session.take_over.begin(ADA)
        await talk.session.transfer_begun()
        sent = len(talk.caller.sent)
        await talk_into(talk, 0.1)
        assert len(talk.caller.sent) == sent  # the caller hears the ringing
        await talk.session.transfer_failed("no_answer")
        await talk_into(talk, 0.1)
        assert len(talk.caller.sent) == sent + 5


FALLBACK_AUDIO = base64.b64encode(b"\x22" * 160).decode()


async def fallback_voice(text: str) -> AsyncIterator[str]:
    for _ in range(100):
        await asyncio.sleep(0.02)
        yield FALLBACK_AUDIO


async def wait_for_the_silence_question(talk: Conversation) -> None:
    await until(lambda: "silence.asked" in talk.notes.names())


async def lose_the_model(talk: Conversation) -> None:
    talk.model.refusals = [ProviderError("no", retryable=False)]
    talk.model.sessions[0].queue.put_nowait(ProviderError("gone", retryable=False))
    await until(lambda: FALLBACK_AUDIO in talk.caller.sent)


async def start_a_slow_tool(talk: Conversation) -> None:
    talk.tool_waits["slow"] = asyncio.Event()
    talk.model.sessions[0].speaks_during_tools = False
    talk.model.sessions[0].queue.put_nowait(ToolCall("t1", "slow", {}))
    await until(lambda: talk.tools_run)


async def nothing(talk: Conversation) -> None: ...


async def report_a_machine(talk: Conversation) -> None:
    await talk.session.machine_answered()


async def report_screening(talk: Conversation) -> None:
    await talk.session.screening_detected()


@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [
        (wait_for_the_silence_question, nothing),
        (lose_the_model, nothing),
        (start_a_slow_tool, nothing),
        (nothing, report_a_machine),
        (nothing, report_screening),
    ],
)
async def test_nothing_talks_over_a_person_or_ends_their_call(
    before: Callable[[Conversation], Awaitable[None]], meanwhile: Callable[[Conversation], Awaitable[None]]
) -> None:
    async with conversation(silence=12, asks=True, fallback_tts=fallback_voice, leaves_message=False) as talk:
        await talk.model_session()
        await before(talk)
        assert await talk.session.take_over.begin(ADA) == ""
        sent = len(talk.caller.sent)
        await meanwhile(talk)
        await asyncio.sleep(3.5)  # nothing from the microphone yet
        assert talk.caller.sent[sent:] == []
        await talk_into(talk, 36)
        assert FALLBACK_AUDIO not in talk.caller.sent[sent:]
        assert not talk.task.done()
        await talk.session.take_over.end(ADA.id, "returned")
        await asyncio.sleep(1.5)  # a new silence or an apology has started
        assert not talk.task.done()


class SlowWords(Words):
    async def close(self, within_seconds: float) -> None:
        await asyncio.sleep(1)


async def test_the_agent_hears_the_caller_while_the_call_is_being_returned() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        over = talk.session.take_over
        over.make_line_transcriber = SlowWords
        await over.begin(ADA)
        talk.caller.incoming.put_nowait(audio(10))
        await talk_into(talk, 0.1)
        returning = asyncio.create_task(over.end(ADA.id, "returned"))
        await asyncio.sleep(0.5)
        talk.caller.incoming.put_nowait(audio(20))
        assert await returning
        talk.caller.incoming.put_nowait(audio(30))
        await until(lambda: len(model.heard) > 1)
        assert model.heard == [audio(20), audio(30)]


async def test_a_model_that_connects_after_the_call_was_returned_is_informed() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        await talk.session.take_over.begin(ADA)
        talk.model.gate = asyncio.Event()
        model.queue.put_nowait(ProviderError("gone", retryable=True))
        await talk_into(talk, 0.1)
        await talk.session.take_over.end(ADA.id, "returned")
        talk.model.gate.set()
        later = await talk.model_session(1)
        await until(lambda: later.replies)
        assert (model.contexts, later.contexts) == ([], [given_back([])])


async def test_microphone_audio_ahead_of_time_does_not_pile_up_on_the_line() -> None:
    async with conversation() as talk:
        await talk.model_session()
        await talk.session.take_over.begin(ADA)
        for _ in range(200):
            await talk.session.take_over.hear(ADA.id, MICROPHONE)
        assert len(talk.caller.sent) * 20 <= MOST_AHEAD_MS + 40


async def test_a_listener_hears_both_sides_in_time() -> None:
    heard: list[tuple[float, bytes, bytes]] = []
    now = asyncio.get_running_loop().time

    async def publish(caller: bytes, agent: bytes) -> None:
        heard.append((now(), caller, agent))

    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(1000)))
        await until(lambda: talk.caller.sent)
        await asyncio.sleep(0.4)  # this much was played before anybody listens
        tap = talk.session.tap(publish)
        listening = asyncio.create_task(tap.run())
        began = now()
        talk.caller.incoming.put_nowait(audio(20))
        await until(lambda: heard)
        assert now() - began <= PIECE_SECONDS + 0.001
        assert heard[0][1] == b"\x10" * 160
        assert 8 * 39 <= len(heard[0][2]) <= 8 * 40
        await asyncio.sleep(0.2)
        model.queue.put_nowait(SpeechStarted())  # listeners do not hear what the caller did not hear
        await settled()
        so_far = sum(len(agent) for _, _, agent in heard)
        await asyncio.sleep(1)
        assert sum(len(agent) for _, _, agent in heard) == so_far <= 8 * 260
        model.queue.put_nowait(AudioDelta("b", audio(2000)))  # in one chunk, long before it is played
        model.queue.put_nowait(TurnDone())
        began = now()
        await asyncio.sleep(0.4)
        played = sum(len(agent) for at, _, agent in heard if at > began)
        assert 8 * 300 <= played <= 8 * 400
        listening.cancel()
        talk.session.untap()
        assert (model.contexts, model.heard) == ([], [audio(20)])
        assert talk.session.monitor.tap is None


@pytest.mark.parametrize("is_quiet", [True, False])
async def test_a_whisper_is_followed_immediately_if_nobody_speaks(is_quiet: bool) -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(500)))
        model.queue.put_nowait(TurnDone())
        await asyncio.sleep(2 if is_quiet else 0.2)
        sent = list(talk.caller.sent)
        assert await talk.session.whisper("Offer a discount.", by="ada@example.com")
        assert model.contexts == [whispered("Offer a discount.")]
        assert model.replies == ["Greet the caller.", *([Cue.FOLLOW_WHISPER] if is_quiet else [])]
        assert talk.caller.sent == sent
        assert talk.notes.events[-1] == ("whisper.sent", {"by": "ada@example.com", "text": "Offer a discount."})
        talk.session.end("normal_clearing")
        await talk.task
        assert not await talk.session.whisper("Too late.", by="ada@example.com")
