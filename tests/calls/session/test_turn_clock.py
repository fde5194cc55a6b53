"""When the caller spoke, how long the answer took, and how much of it was heard, with a clock that the test sets."""

import base64
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from agents.providers.base import Turn
from agents.providers.model_events import OutputTranscript
from bubblyphone.core.audio import PCM16_16K, PCMA_8K, PCMU_8K, AudioFormat, make_transcoder
from calls.session.conversation_history import ConversationHistory, cut_texts, spoken_part
from calls.session.turn_clock import TurnClock, TurnTimes
from calls.session.voice_activity import VoiceActivityDetector, is_silent, sound_begins_ms
from tests.calls.scripted import Notebook
from tests.calls.session.test_playback_clock import Clock


def sound(audio_format: AudioFormat, amplitude: float) -> str:
    """20 ms of a sine."""
    rate = audio_format.sample_rate
    samples = np.sin(2 * np.pi * 440 * np.arange(rate // 50) / rate) * amplitude
    pcm = base64.b64encode(samples.astype("<i2").tobytes()).decode()
    transcode = make_transcoder(AudioFormat("pcm16", rate), audio_format)
    return transcode(pcm) if transcode else pcm


def listen(vad: VoiceActivityDetector, clock: Clock, payload: str, pieces: int, **options: bool) -> None:
    for _ in range(pieces):
        clock.now += 0.02
        vad.hear(payload, **options)


@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K, PCM16_16K])
def test_speech_is_distinguished_from_silence_and_line_noise(audio_format: AudioFormat) -> None:
    clock = Clock()
    vad = VoiceActivityDetector(audio_format, clock)
    listen(vad, clock, sound(audio_format, 0), 10)
    assert vad.voiced_ms == 0
    listen(vad, clock, sound(audio_format, 4000), 20)
    ended = clock.now
    listen(vad, clock, sound(audio_format, 150), 30)
    assert (vad.voiced_ms, vad.voice_at) == (400, ended)
    listen(vad, clock, sound(audio_format, 4000), 5, counts=False)
    assert vad.voice_at == ended
    vad.forget()
    listen(vad, clock, "not base64!", 1)
    assert vad.voiced_ms == 0


# How words like "six" and "Smith" end: (amplitude, frames of 20 ms) after the vowel, and the frame in which the word ends.
ENDINGS = {
    "hiss": ([(100, 9)], 9),
    "hiss after a closure": ([(0, 5), (120, 7)], 12),
    "two hisses": ([(150, 3), (0, 5), (100, 6)], 14),
    "fading": ([(200, 3), (150, 3), (100, 3), (70, 2), (30, 2)], 11),
    "long breath": ([(120, 40)], 0),
    "breath after a pause": ([(0, 12), (120, 6)], 0),
    "too soft": ([(40, 8)], 0),
}


@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K, PCM16_16K])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("counts", [True, False])
def test_a_word_can_end_softly(audio_format: AudioFormat, ending: str, counts: bool) -> None:
    clock = Clock()
    heard = list[tuple[float, float]]()
    vad = VoiceActivityDetector(audio_format, clock, lambda begin, end: heard.append((begin, end)))
    zero = vad.voice_at
    silence = sound(audio_format, 0)
    listen(vad, clock, silence, 10)
    listen(vad, clock, sound(audio_format, 4000), 20, counts=counts)
    voice_ended = clock.now
    pieces, expected = ENDINGS[ending]
    for amplitude, count in pieces:
        listen(vad, clock, sound(audio_format, amplitude), count)
    listen(vad, clock, silence, 30)
    end = voice_ended + expected * 0.02
    assert vad.heard_at == pytest.approx(end)
    assert heard[-1][1] == pytest.approx(end)
    assert vad.voice_at == (pytest.approx(end) if counts else zero)
    assert vad.voiced_ms == (400 if counts else 0)


def test_line_noise_does_not_extend_a_word() -> None:
    clock = Clock()
    vad = VoiceActivityDetector(PCMU_8K, clock)
    listen(vad, clock, sound(PCMU_8K, 120), 200)
    listen(vad, clock, sound(PCMU_8K, 4000), 20)
    ended = clock.now
    for _ in range(20):
        listen(vad, clock, sound(PCMU_8K, 140), 3)
        listen(vad, clock, sound(PCMU_8K, 100), 3)
    assert vad.voice_at == ended


def test_a_loud_room_counts_as_noise() -> None:
    clock = Clock()
    vad = VoiceActivityDetector(PCMU_8K, clock)
    listen(vad, clock, sound(PCMU_8K, 900), 1500)  # half a minute
    vad.forget()
    listen(vad, clock, sound(PCMU_8K, 900), 50)
    assert vad.voiced_ms == 0
    listen(vad, clock, sound(PCMU_8K, 9000), 10)
    assert vad.voiced_ms == 200


def test_late_audio_is_distinguished_from_a_pause_of_the_sender() -> None:
    clock = Clock()
    vad = VoiceActivityDetector(PCMU_8K, clock)
    listen(vad, clock, sound(PCMU_8K, 4000), 5)
    clock.now += 0.06
    listen(vad, clock, sound(PCMU_8K, 4000), 1)
    assert vad.voice_lag_ms == pytest.approx(60)
    clock.now += 5
    listen(vad, clock, sound(PCMU_8K, 4000), 1)
    assert vad.voice_lag_ms == 0


@pytest.mark.parametrize("gap", [0.12, 0.4, 0.6, 0.95])
@pytest.mark.parametrize("is_reported", [True, False])
def test_missing_audio_does_not_count_as_late_forever(gap: float, is_reported: bool) -> None:
    clock = Clock()
    vad = VoiceActivityDetector(PCMU_8K, clock)
    listen(vad, clock, sound(PCMU_8K, 4000), 5)
    clock.now += gap
    if is_reported:
        vad.line_broke()
    listen(vad, clock, sound(PCMU_8K, 4000), 1)
    assert vad.voice_lag_ms == pytest.approx(0 if is_reported else gap * 1000)
    listen(vad, clock, sound(PCMU_8K, 4000), 30)
    assert vad.voice_lag_ms == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K, PCM16_16K])
def test_an_answer_without_sound_is_detected(audio_format: AudioFormat) -> None:
    silence, voice = sound(audio_format, 0), sound(audio_format, 4000)
    assert is_silent(silence, audio_format)
    assert sound_begins_ms(silence, audio_format) is None
    assert not is_silent(voice, audio_format)
    late = base64.b64encode(base64.b64decode(silence) + base64.b64decode(voice)).decode()
    assert sound_begins_ms(late, audio_format) == pytest.approx(20, abs=0.5)


def test_the_parts_of_a_turn_add_up() -> None:
    clock, reported = Clock(), list[TurnTimes]()
    turns = TurnClock(lambda times, _: reported.append(times), clock)
    voice_at = clock.now
    clock.now += 0.5
    turns.end_detected()
    clock.now += 0.1
    turns.tools_run(any_left=True)
    clock.now += 0.3
    turns.tools_run(any_left=False)
    clock.now += 0.2
    received_at = clock.now
    clock.now += 0.002
    turns.answered(voice_at, 15.0, received_at)
    sent_at = clock.now
    clock.now += 0.3
    turns.playback_began(sent_at + 0.06)
    turns.playback_began(sent_at + 9)
    expected = TurnTimes(carrier_in_ms=15, detection_ms=500, model_ms=300, tool_ms=300, own_ms=2, playout_ms=60)
    assert reported == [expected]
    assert expected.total_ms == 1177


def test_the_caller_continues_while_the_line_is_slow_to_take_the_answer() -> None:
    clock, reported = Clock(), list[TurnTimes]()
    turns = TurnClock(lambda times, _: reported.append(times), clock)
    turns.end_detected()
    received_at = clock.now
    clock.now += 0.3
    turns.answered(received_at + 0.25, 0.0, received_at)
    turns.finish()
    assert reported == [TurnTimes(0, None, 0, 0, 300, None)]


def test_a_model_that_does_not_report_the_end_of_the_turn() -> None:
    clock, reported = Clock(), list[TurnTimes]()
    turns = TurnClock(lambda times, _: reported.append(times), clock)
    turns.end_detected()
    turns.caller_spoke()  # the turn was not over
    clock.now += 1
    turns.answered(clock.now - 0.8, 0.0, clock.now)
    turns.finish()
    turns.finish()
    assert reported == [TurnTimes(0, None, 800, 0, 0, None)]


@pytest.mark.parametrize(
    ("voice", "detected", "tools", "answered", "expected"),
    [
        (0, None, [], 800, (None, 800, 0)),
        (0, 500, [(510, 710)], 800, (500, 100, 200)),
        (0, 500, [(510, None)], 1200, (500, 10, 690)),  # still running while a sentence bridges the wait
        (0, 500, [(-900, -300)], 800, (500, 300, 0)),  # it answered the previous turn
        (0, None, [(-900, -300)], 800, (None, 800, 0)),
        (0, None, [(-400, 300)], 800, (None, 500, 300)),  # the caller spoke while it was running
        (0, 500, [(520, 620), (650, 750)], 800, (500, 100, 200)),
    ],
)
def test_a_tools_time_is_separate_and_belongs_to_one_turn(
    voice: int,
    detected: int | None,
    tools: list[tuple[int, int | None]],
    answered: int,
    expected: tuple[int | None, int, int],
) -> None:
    clock, reported = Clock(), list[tuple[TurnTimes, float]]()
    turns = TurnClock(lambda *turn: reported.append(turn), clock)
    zero = clock.now
    moments: list[tuple[int, Callable[[], None]]] = []
    if detected is not None:
        moments.append((detected, turns.end_detected))
    for begin, end in tools:
        moments.append((begin, partial(turns.tools_run, any_left=True)))
        if end is not None:
            moments.append((end, partial(turns.tools_run, any_left=False)))
    for at, happens in sorted(moments, key=lambda moment: moment[0]):
        clock.now = zero + at / 1000
        happens()
    clock.now = zero + answered / 1000
    turns.answered(zero + voice / 1000, 0.0, clock.now)
    turns.playback_began(clock.now + 0.04)
    clock.now += 0.2
    ((times, seconds_ago),) = reported
    assert (times.detection_ms, times.model_ms, times.tool_ms, times.playout_ms) == (*expected, 40)
    assert times.total_ms == answered + 40
    assert seconds_ago == pytest.approx(-0.04)


@pytest.mark.parametrize(
    ("text", "share", "spoken"),
    [
        ("It rains and it will rain.", 0.0, ""),
        ("It rains and it will rain.", 0.3, "It rains"),
        ("It rains and it will rain.", 1.0, "It rains and it will rain."),
        ("今天下雨明天也下雨", 0.45, "今天下雨"),
    ],
)
def test_only_spoken_words_are_kept(text: str, share: float, spoken: str) -> None:
    assert spoken_part(text, share) == spoken


def test_the_texts_of_an_answer_are_cut_as_one() -> None:
    assert cut_texts(["One moment.", "It is raining."], 0.44) == ["One moment.", ""]
    assert cut_texts(["One moment.", "It is raining."], 0.8) == ["One moment.", "It is"]


def test_the_history_contains_the_heard_part_of_an_interrupted_answer() -> None:
    notes = Notebook()
    talk = ConversationHistory(notes, [Turn("user", "Hello?")])
    talk.model_said(OutputTranscript("a", "We are open from nine to five."))
    talk.cut("a", 600, 1200)
    talk.cut("b", 0, 0)
    talk.model_said(OutputTranscript("b", "Nobody heard this."))
    talk.caller_said("Thanks.")
    assert notes.interruptions == [("a", 600, 0.5), ("b", 0, 0.0)]
    assert notes.transcripts == [("model", "We are open from nine to five.", False), ("user", "Thanks.", False)]
    assert talk.history() == (Turn("user", "Hello?"), Turn("model", "We are open from"), Turn("user", "Thanks."))


@pytest.mark.parametrize("arrives_in_time", [True, False])
def test_an_answer_waits_for_the_callers_words_in_the_transcript(arrives_in_time: bool) -> None:
    clock, notes = Clock(), Notebook()
    talk = ConversationHistory(notes, now=clock)
    talk.caller_finished()
    talk.model_said(OutputTranscript("a", "At nine."))
    talk.release_overdue()
    assert notes.transcripts == []
    clock.now += 1 if arrives_in_time else 2
    talk.release_overdue()
    talk.caller_said("When do you open?")
    talk.model_said(OutputTranscript("b", "Anything else?"))
    question, answer = ("user", "When do you open?", False), ("model", "At nine.", False)
    first, second = (question, answer) if arrives_in_time else (answer, question)
    assert notes.transcripts == [first, second, ("model", "Anything else?", False)]


def test_an_answer_without_a_transcribed_question_is_not_lost() -> None:
    notes = Notebook()
    talk = ConversationHistory(notes)
    talk.caller_finished()
    talk.model_said(OutputTranscript("a", "At nine in the morning."))
    talk.cut("a", 300, 500)
    talk.unheard("a", 500, heard_ms=300)
    assert talk.history() == (Turn("model", "At nine"),)
    assert notes.transcripts == [("model", "At nine", True)]
