"""When one side was heard. Pure arithmetic on a clock; no I/O."""

from collections.abc import Callable

from calls.session.interfaces import Observer

# Shorter pauses are within a sentence.
PAUSE_SECONDS = 0.3
# A consonant is only recognized when it ends (calls.session.voice_activity).
KNOWN_AFTER_SECONDS = 0.6


class SpeechTimes:
    """Joins the sounds of one side. `report` receives begin and end of each stretch once it is over, as times of the clock."""

    def __init__(self, report: Callable[[float, float], None]) -> None:
        self._report = report
        self._stretches: list[tuple[float, float]] = []  # in order; includes audio that the far end has yet to play

    def sound(self, begin: float, end: float) -> None:
        """Add a sound, which is not earlier than the known ones."""
        stretches = self._stretches
        if stretches and begin - stretches[-1][1] <= PAUSE_SECONDS:
            stretches[-1] = (stretches[-1][0], end)
        else:
            stretches.append((begin, end))

    def cut(self, at: float) -> None:
        """Sounds after this time were never heard."""
        self._stretches = [(begin, min(end, at)) for begin, end in self._stretches if begin < at]

    def settle(self, now: float) -> None:
        """Report finished stretches."""
        while self._stretches and self._stretches[0][1] + KNOWN_AFTER_SECONDS < now:
            self._report(*self._stretches.pop(0))

    def finish(self, now: float) -> None:
        """The conversation is over."""
        self.cut(now)
        for stretch in self._stretches:
            self._report(*stretch)
        self._stretches = []


class BothSides:
    """When both sides were heard: `caller` from their audio, `agent` from playback."""

    def __init__(self, observer: Observer, now: Callable[[], float]) -> None:
        self._now = now
        self.caller = SpeechTimes(lambda begin, end: observer.spoke("user", now() - begin, now() - end))
        self.agent = SpeechTimes(lambda begin, end: observer.spoke(self._agent, now() - begin, now() - end))
        self._agent = "model"

    def agent_is(self, role: str) -> None:
        """Who speaks on the agent's side from now on: `model`, or `human` for a person who has taken over the call."""
        self.agent.finish(self._now())
        self._agent = role

    def settle(self) -> None:
        """Report finished stretches."""
        self.caller.settle(self._now())
        self.agent.settle(self._now())

    def finish(self) -> None:
        """The conversation is over."""
        self.caller.finish(self._now())
        self.agent.finish(self._now())
