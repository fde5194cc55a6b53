"""Microphone audio that arrives late, in bursts or too fast: nothing is lost, and a delay does not last."""

import itertools

import pytest

from bubblyphone.core.audio import pcm16_to_mulaw
from sandbox.exchange.audio.audio_queue import FRAME_BYTES, SILENCE
from sandbox.exchange.audio.jitter import JitterBuffer
from sandbox.exchange.audio.tones import tone

SPEECH = pcm16_to_mulaw(tone(440, 1.0))
FRAMES = [SPEECH[at : at + FRAME_BYTES] for at in range(0, len(SPEECH), FRAME_BYTES)]


def through(*bursts: list[bytes]) -> list[bytes | None]:
    """The frame taken at each tick. One burst arrives before each tick."""
    buffer, taken = JitterBuffer(), list[bytes | None]()
    for burst in bursts:
        buffer.put(b"".join(burst))
        taken.append(buffer.take())
    return taken


def test_steady_audio_is_played_two_frames_later() -> None:
    assert through(*([word] for word in FRAMES)) == [None, *FRAMES[:-1]]


def test_a_gap_is_a_gap_and_nothing_is_lost() -> None:
    bursts = [[word] for word in FRAMES[:20]] + [[]] * 8 + [FRAMES[20:28]] + [[word] for word in FRAMES[28:]]
    taken = through(*bursts, *([[]] * 20))
    assert [word for word in taken if word] == FRAMES
    assert taken.index(None, 2) == 21  # one more than the frames buffered


def test_after_a_gap_more_frames_are_buffered() -> None:
    gap = [[word] for word in FRAMES[:20]] + [[]] * 3 + [FRAMES[20:23]]
    first = through(*gap)
    assert first.count(None) == 1 + 3
    again = through(*gap, *([word] for word in FRAMES[23:30]), *([[]] * 3), FRAMES[30:33])
    assert again[: len(gap)] == first
    assert None not in again[len(gap) :]


def test_a_delay_is_reduced_in_a_pause() -> None:
    pause = [SILENCE] * 30
    bursts = [[word] for word in FRAMES[:20]] + [[]] * 10 + [FRAMES[20:30]] + [[word] for word in FRAMES[30:] + pause]
    taken = through(*bursts, *([[SILENCE]] * 5))
    assert [word for word in taken if word and word != SILENCE] == FRAMES
    heard_until = max(at for at, word in enumerate(taken) if word == FRAMES[-1])
    sent_at = 20 + 10 + 1 + 20 - 1
    assert heard_until - sent_at == 9  # as late as before
    again = through(*bursts, *([word] for word in FRAMES), *([[SILENCE]] * 20))
    assert max(at for at, word in enumerate(again) if word == FRAMES[-1]) - (len(bursts) + len(FRAMES) - 1) == 8


def test_a_short_word_is_played_however_many_frames_are_buffered() -> None:
    bursts = [[word] for word in FRAMES[:20]] + [[]] * 8 + [FRAMES[20:40]] + [[]] * 60 + [FRAMES[40:41]] + [[]] * 10
    assert [word for word in through(*bursts) if word] == FRAMES[:41]


def test_a_flood_of_audio_is_dropped() -> None:
    flood = itertools.chain.from_iterable([FRAMES] * 3)
    taken = through(list(flood), *([[]] * 120))
    assert len([word for word in taken if word]) == 2


@pytest.mark.parametrize("frames", [5, 10, 25, 50])
@pytest.mark.parametrize("late", [0, 2])
def test_audio_sent_in_large_chunks_is_played_without_gaps(frames: int, late: int) -> None:
    sentence = [*FRAMES[:20], *[SILENCE] * 10, *FRAMES[20:], *[SILENCE] * 40, *FRAMES, *[SILENCE] * 30]  # four seconds
    pieces = [sentence[at : at + frames] for at in range(0, len(sentence), frames)]
    bursts = list[list[bytes]]()
    for number, piece in enumerate(pieces):
        bursts += [[]] * (late if number == 1 else 0) + [piece] + [[]] * (frames - 1)
    taken = through(*bursts, *([[]] * 60))
    while taken and taken[0] is None:
        del taken[0]
    assert [word for word in taken if word is not None] == sentence
    assert taken[: len(sentence)].count(None) <= 2 * late  # only where it arrived late
