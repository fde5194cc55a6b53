"""How much of each answer was heard, with a clock that the test sets."""

import pytest

from calls.session.playback_clock import Cut, PlaybackClock


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def heard_ms(playout: PlaybackClock) -> list[int]:
    """The heard milliseconds of each unfinished answer."""
    return [cut.heard_ms for cut in playout.cuts()]


def test_playback_follows_the_clock_and_ends_with_the_audio_sent() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    playout.sent("a", 1000)
    clock.now += 0.3
    assert (playout.cuts(), playout.is_playing()) == ([Cut("a", 300, 1000)], True)
    clock.now += 5
    assert (playout.cuts(), playout.is_playing()) == ([], False)


def test_a_mark_corrects_the_clock_if_playback_started_late() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    playout.sent("a", 500)
    mark = playout.next_mark()
    assert mark == "m1"
    playout.sent("a", 500)
    clock.now += 0.8  # the clock alone would say 800 ms
    playout.reached(mark)
    assert heard_ms(playout) == [500]


def test_marks_are_sent_every_240_ms_and_at_the_end_of_an_answer() -> None:
    playout = PlaybackClock(Clock())
    playout.sent("a", 200)
    assert playout.next_mark() is None
    assert playout.next_mark(final=True) == "m1"
    assert playout.next_mark(final=True) is None
    playout.sent("a", 240)
    assert playout.next_mark() == "m2"


def test_a_mark_that_is_half_a_minute_late_is_ignored() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    marks = []
    for _ in range(1200):  # a carrier that returns no marks
        playout.sent("a", 240)
        marks.append(playout.next_mark())
        clock.now += 0.24
    playout.sent("a", 5000)
    assert playout.remaining_ms() == pytest.approx(5000)
    playout.reached(str(marks[-130]))  # 31 s ago
    assert playout.remaining_ms() == pytest.approx(5000)
    playout.reached(str(marks[-120]))  # playback is that far behind
    assert playout.remaining_ms() == pytest.approx(119 * 240 + 5000)


def test_marks_returned_after_a_clear_are_ignored() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    playout.sent("a", 2000)
    mark = playout.next_mark()
    clock.now += 0.5
    playout.cleared()
    assert playout.is_playing() is False
    playout.sent("b", 1000)
    assert mark is not None
    playout.reached(mark)
    clock.now += 0.1
    assert playout.cuts() == [Cut("b", 100, 1000)]


def test_answers_play_one_after_the_other() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    playout.sent("a", 1000)
    playout.sent("b", 1000)
    clock.now += 0.5
    assert playout.cuts() == [Cut("a", 500, 1000), Cut("b", 0, 1000)]
    clock.now += 1.0
    assert playout.cuts() == [Cut("b", 500, 1000)]


def test_silence_at_the_end_of_an_answer_does_not_count() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    playout.sent("a", 1000, silent_from_ms=800)
    playout.sent("a", 400, silent_from_ms=0)
    clock.now += 0.6
    assert playout.cuts() == [Cut("a", 600, 800)]
    playout.sent("a", 200)
    assert playout.cuts() == [Cut("a", 600, 1600)]


def test_unplayed_chunks_of_a_broken_line_are_known() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    for name in "abcde":
        playout.sent("answer", 100, name)
    clock.now += 0.25
    assert playout.take_unplayed() == [("answer", "c"), ("answer", "d"), ("answer", "e")]
    assert (playout.is_playing(), playout.take_unplayed()) == (False, [])
    playout.sent("answer", 300, "again")
    clock.now += 0.1
    assert playout.cuts([("answer", 200), ("next", 50)]) == [Cut("answer", 300, 700), Cut("next", 0, 50)]
    assert playout.cuts() == [Cut("answer", 300, 500)]
    clock.now += 5
    assert playout.take_unplayed() == []


def play(clock: Clock, playout: PlaybackClock, item_id: str, length_ms: float, *, sound_ms: float | None = None) -> str:
    playout.sent(item_id, length_ms, sound_ms=sound_ms)
    mark = playout.next_mark(final=True)
    assert mark is not None
    return mark


def test_a_short_sentence_is_not_confused_with_the_next_one() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    began = clock.now
    first = play(clock, playout, "one moment", 200, sound_ms=30)
    second = play(clock, playout, "answer", 1000)
    clock.now = began + 0.05 + 0.2
    assert playout.reached(first) == pytest.approx(began + 0.05 + 0.03)
    clock.now += 1
    assert playout.reached(second) is None  # reported only once


def test_the_first_mark_after_a_sound_says_when_it_started() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    began = clock.now
    before = play(clock, playout, "greeting", 400)
    playout.sent("answer", 100, sound_ms=60)
    behind = play(clock, playout, "answer", 300)
    clock.now = began + 0.4
    assert playout.reached(before) is None
    clock.now = began + 0.8
    assert playout.reached(behind) == pytest.approx(began + 0.46)


def test_a_gap_within_an_answer_does_not_change_its_start() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    began = clock.now
    playout.sent("answer", 100, sound_ms=0)
    clock.now += 0.6
    mark = play(clock, playout, "answer", 300)
    clock.now += 0.3
    assert playout.reached(mark) == pytest.approx(began)


def test_cleared_audio_did_not_start() -> None:
    clock = Clock()
    playout = PlaybackClock(clock)
    play(clock, playout, "answer", 300, sound_ms=0)
    playout.cleared()
    later = play(clock, playout, "other", 300)
    clock.now += 0.3
    assert playout.reached(later) is None
