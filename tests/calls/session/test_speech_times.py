"""The stretches of speech that a call's page shows as bars."""

import base64

import pytest

from bubblyphone.core.audio import PCM16_16K, PCMA_8K, PCMU_8K, AudioFormat
from calls.session.speech_times import SpeechTimes
from calls.session.transport import SILENCE
from calls.session.voice_activity import length_and_sounds
from tests.calls.session.test_turn_clock import sound

Stretch = tuple[float, float]


@pytest.mark.parametrize(
    ("sounds", "cut_at", "expected"),
    [
        ([], None, []),
        ([(1, 2)], None, [(1, 2)]),
        ([(1, 2), (2.1, 3)], None, [(1, 3)]),  # a breath
        ([(1, 2), (2.5, 3)], None, [(1, 2), (2.5, 3)]),
        ([(1, 2), (2.5, 4)], 3, [(1, 2), (2.5, 3)]),  # interrupted
        ([(1, 2), (2.5, 4)], 2.2, [(1, 2)]),
        ([(1, 2)], 0.5, []),
    ],
)
def test_sounds_become_stretches(sounds: list[Stretch], cut_at: float | None, expected: list[Stretch]) -> None:
    reported: list[Stretch] = []
    times = SpeechTimes(lambda begin, end: reported.append((begin, end)))
    for begin, end in sounds:
        times.sound(begin, end)
    if cut_at is not None:
        times.cut(cut_at)
    times.settle(0.4)
    assert reported == []
    times.settle(2.65)
    assert reported == [each for each in expected if each[1] <= 2]
    times.finish(10)
    times.finish(11)
    assert reported == expected


@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K, PCM16_16K])
def test_a_long_pause_splits_a_chunk(audio_format: AudioFormat) -> None:
    voice = base64.b64decode(sound(audio_format, 4000)) * 10
    width = 2 if audio_format.encoding == "pcm16" else 1
    silence = SILENCE[audio_format.encoding] * width * (audio_format.sample_rate // 2)
    piece = base64.b64encode(silence + voice + silence + voice + silence).decode()
    expected = [pytest.approx(each, abs=0.001) for each in [(0.5, 0.7), (1.2, 1.4)]]
    assert length_and_sounds(piece, audio_format)[1] == expected
    assert length_and_sounds(base64.b64encode(silence).decode(), audio_format)[1] == []
    assert length_and_sounds("not base64!", audio_format)[1] == []
