"""Speech recognition and synthesis with the real models."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from agents import speech
from agents.speech import Speech, SpeechBegan, TurnDetector, Utterance
from agents.speech.resample import resample
from agents.speech.sentences import split_for_speech, split_sentences, take_sentence
from tests.speech.conftest import phone_line, quiet

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not speech.is_installed(), reason="needs the offline packages"),
]


async def hear(detector: TurnDetector, pcm: bytes) -> tuple[SpeechBegan | Utterance, Utterance]:
    """Both events of a sentence, fed faster than real time."""
    events = detector.events()
    detector.feed(quiet(0.5) + pcm + quiet(2))
    began = await asyncio.wait_for(anext(events), 15)
    ended = await asyncio.wait_for(anext(events), 15)
    assert isinstance(ended, Utterance)
    return began, ended


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("What are your opening hours?", {"what", "opening"}),
        ("I would like to book a table for four people.", {"book", "table", "four"}),
        ("No.", {"no"}),
    ],
)
async def test_understands_a_sentence_over_a_phone_line(engine: Speech, sentence: str, words: set[str]) -> None:
    detector = TurnDetector(engine)
    try:
        began, utterance = await hear(detector, await phone_line(sentence))
    finally:
        await detector.close()
    assert began == SpeechBegan()
    assert words <= set(utterance.text.lower().strip(".?!").replace(",", "").split())
    assert utterance.confidence > 0.7


async def test_without_variation_a_sentence_always_sounds_the_same(engine: Speech) -> None:
    assert settings.VOICE_VARIATION == 0
    first = await speech.say_8k("We are open from nine to five.")
    assert len(first) > 8000
    assert await speech.say_8k("We are open from nine to five.") == first


async def test_noise_and_clicks_are_not_speech(engine: Speech) -> None:
    click = (np.random.default_rng(1).normal(0, 3000, 480) * np.hanning(480)).astype("<i2").tobytes()
    detector = TurnDetector(engine)
    try:
        detector.feed(quiet(0.5) + click + quiet(0.5) + click + quiet(2))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(detector.events()), 2)
    finally:
        await detector.close()


async def test_a_sentence_ends_when_the_audio_stops(engine: Speech) -> None:
    detector = TurnDetector(engine)
    detector.feed(await phone_line("Good morning everybody."))
    try:
        events = detector.events()
        assert await anext(events) == SpeechBegan()
        ended = await asyncio.wait_for(anext(events), 8)
    finally:
        await detector.close()
    assert isinstance(ended, Utterance)
    assert "morning" in ended.text.lower()


async def test_four_concurrent_callers_are_understood(engine: Speech) -> None:
    sentences = ["The blue car is fast.", "My dog is hungry.", "We need more coffee.", "The train leaves at noon."]
    detectors = [TurnDetector(engine) for _ in sentences]
    try:
        lines = await asyncio.gather(*(phone_line(sentence) for sentence in sentences))
        heard = await asyncio.gather(*(hear(detector, line) for detector, line in zip(detectors, lines, strict=True)))
    finally:
        for detector in detectors:
            await detector.close()
    texts = [utterance.text.lower() for _, utterance in heard]
    assert [word in text for word, text in zip(["car", "dog", "coffee", "train"], texts, strict=True)] == [True] * 4


async def test_both_workers_restart_after_a_crash(engine: Speech) -> None:
    detector = TurnDetector(engine)
    try:
        await hear(detector, await phone_line("Hello there."))
        for worker in (engine.stt, engine.tts):
            assert worker.process_id is not None
            os.kill(worker.process_id, signal.SIGKILL)
        pcm = await phone_line("Is anybody listening?")
        _, utterance = await hear(detector, pcm)
    finally:
        await detector.close()
    assert "listening" in utterance.text.lower()


async def test_a_pending_request_survives_a_crash(engine: Speech) -> None:
    pcm = await phone_line("The quick brown fox.")
    request = asyncio.create_task(engine.transcribe(pcm * 8))
    await asyncio.sleep(0.02)
    assert engine.stt.process_id is not None
    os.kill(engine.stt.process_id, signal.SIGKILL)
    assert "fox" in (await request).text.lower()


async def test_long_speech_is_split_and_rejoined(engine: Speech) -> None:
    sentence = await phone_line("The meeting was moved to the second floor of the building. ")
    transcription = await engine.transcribe((sentence + quiet(0.4)) * 6)
    assert transcription.text.lower().count("meeting") == 6


async def test_workers_end_with_their_parent() -> None:
    code = """
        import asyncio, sys
        from agents.speech import get_speech, warm_up

        async def main():
            await warm_up()
            print(get_speech().stt.process_id, get_speech().tts.process_id, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """
    parent = subprocess.Popen(  # noqa: ASYNC220 - nothing else is running on this loop
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    workers = [int(number) for number in (await asyncio.to_thread(parent.stdout.readline)).split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while any(_is_running(pid) for pid in workers) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert not any(_is_running(pid) for pid in workers)


def _is_running(pid: int) -> bool:
    """Whether the process is alive and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("target", "hertz", "level"),
    [(8_000, 1_000, 0.7071), (8_000, 6_000, 0), (16_000, 9_500, 0), (24_000, 8_000, 0.7071)],
)
async def test_resampling_keeps_only_frequencies_that_the_rate_supports(target: int, hertz: int, level: float) -> None:
    seconds = np.arange(22_050) / 22_050
    out = resample(np.sin(2 * np.pi * hertz * seconds).astype(np.float32), 22_050, target)
    assert len(out) == target
    inner = out[target // 10 : -target // 10]
    assert float(np.sqrt(np.mean(inner**2))) == pytest.approx(level, abs=1e-3)


async def test_text_is_split_at_natural_pauses() -> None:
    text = "Dr. Smith opens at 9 a.m. on Monday. Really? Yes!\nPrices: 4.50 dollars"
    assert split_sentences(text) == ["Dr. Smith opens at 9 a.m. on Monday.", "Really?", "Yes!", "Prices: 4.50 dollars"]
    assert take_sentence("It costs 4.", final=False) == ("", "It costs 4.")
    assert take_sentence("It costs 4.50. And", final=False) == ("It costs 4.50.", " And")
    long = "To confirm: book a table, for four people, on Friday the twenty-seventh of November, at half past seven."
    assert split_for_speech(long) == [
        "To confirm: book a table, for four people,",
        "on Friday the twenty-seventh of November, at half past seven.",
    ]
