"""What a microphone sends late, in bursts or too fast is heard whole, and never for long behind."""

import itertools

import pytest

from bubblyphone.core.audio import pcm16_to_mulaw
from sandbox.exchange.audio.audio_queue import FRAME_BYTES, SILENCE
from sandbox.exchange.audio.jitter import JitterBuffer
from sandbox.exchange.audio.tones import tone

SPEECH = pcm16_to_mulaw(tone(440, 1.0))
WORDS = [SPEECH[at : at + FRAME_BYTES] for at in range(0, len(SPEECH), FRAME_BYTES)]


def through(*bursts: list[bytes]) -> list[bytes | None]:
    """What is taken at each tick, the bursts coming one before each."""
    buffer, taken = JitterBuffer(), list[bytes | None]()
    for burst in bursts:
        buffer.put(b"".join(burst))
        taken.append(buffer.take())
    return taken


def test_a_steady_microphone_is_heard_two_frames_later() -> None:
    assert through(*([word] for word in WORDS)) == [None, *WORDS[:-1]]


def test_a_gap_is_a_gap_and_nothing_is_lost() -> None:
    bursts = [[word] for word in WORDS[:20]] + [[]] * 8 + [WORDS[20:28]] + [[word] for word in WORDS[28:]]
    taken = through(*bursts, *([[]] * 20))
    assert [word for word in taken if word] == WORDS
    assert taken.index(None, 2) == 21  # one more than it was ahead


def test_who_has_had_a_gap_is_kept_further_ahead() -> None:
    gap = [[word] for word in WORDS[:20]] + [[]] * 3 + [WORDS[20:23]]
    first = through(*gap)
    assert first.count(None) == 1 + 3
    again = through(*gap, *([word] for word in WORDS[23:30]), *([[]] * 3), WORDS[30:33])
    assert again[: len(gap)] == first
    assert None not in again[len(gap) :]


def test_what_came_late_is_made_up_for_in_a_pause() -> None:
    pause = [SILENCE] * 30
    bursts = [[word] for word in WORDS[:20]] + [[]] * 10 + [WORDS[20:30]] + [[word] for word in WORDS[30:] + pause]
    taken = through(*bursts, *([[SILENCE]] * 5))
    assert [word for word in taken if word and word != SILENCE] == WORDS
    heard_until = max(at for at, word in enumerate(taken) if word == WORDS[-1])
    sent_at = 20 + 10 + 1 + 20 - 1
    assert heard_until - sent_at == 9  # as late as it was
    again = through(*bursts, *([word] for word in WORDS), *([[SILENCE]] * 20))
    assert max(at for at, word in enumerate(again) if word == WORDS[-1]) - (len(bursts) + len(WORDS) - 1) == 8


def test_a_short_word_is_heard_however_far_ahead_is_kept() -> None:
    bursts = [[word] for word in WORDS[:20]] + [[]] * 8 + [WORDS[20:40]] + [[]] * 60 + [WORDS[40:41]] + [[]] * 10
    assert [word for word in through(*bursts) if word] == WORDS[:41]


def test_who_sends_too_fast_is_not_heard_for_ever() -> None:
    flood = itertools.chain.from_iterable([WORDS] * 3)
    taken = through(list(flood), *([[]] * 120))
    assert len([word for word in taken if word]) == 2


@pytest.mark.parametrize("frames", [5, 10, 25, 50])
@pytest.mark.parametrize("late", [0, 2])
def test_a_microphone_that_gathers_is_heard_without_gaps(frames: int, late: int) -> None:
    sentence = [*WORDS[:20], *[SILENCE] * 10, *WORDS[20:], *[SILENCE] * 40, *WORDS, *[SILENCE] * 30]  # four seconds
    pieces = [sentence[at : at + frames] for at in range(0, len(sentence), frames)]
    bursts = list[list[bytes]]()
    for number, piece in enumerate(pieces):
        bursts += [[]] * (late if number == 1 else 0) + [piece] + [[]] * (frames - 1)
    taken = through(*bursts, *([[]] * 60))
    while taken and taken[0] is None:
        del taken[0]
    assert [word for word in taken if word is not None] == sentence
    assert taken[: len(sentence)].count(None) <= 2 * late  # where it came late, and nowhere else
