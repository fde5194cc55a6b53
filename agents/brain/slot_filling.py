"""Collecting a tool's arguments: ask for one after another, accept values volunteered early, confirm, and let the caller correct."""

from datetime import date
from enum import Enum, auto
from typing import Any

from agents.brain import phrases
from agents.brain.slots import READING_ORDER, Reader, Slot, slots_of
from agents.brain.text import content_words, label, plain
from agents.providers.base import ToolSpec

# A read-only tool is called without confirmation: a wrong lookup does no harm.
READING_VERBS = frozenset([
    "get", "check", "find", "list", "search", "look", "lookup", "show", "track", "read", "query", "estimate", "calculate",
])  # fmt: skip
# After this many answers without a usable value the form gives up.
PATIENCE = 3


class Outcome(Enum):
    """What an utterance means for a form."""

    ASK = auto()  # speak `prompt` and wait
    READY = auto()  # call the tool
    GIVEN_UP = auto()  # the caller does not want it, or cannot be understood
    NOT_MINE = auto()  # not an answer to this form: handle it elsewhere, then ask again


class Form:
    """One tool being filled in."""

    def __init__(self, tool: ToolSpec, today: date) -> None:
        self.tool = tool
        self.values: dict[str, Any] = {}
        self.slots = slots_of(tool.parameters)
        self.prompt = ""
        self._today = today
        self._is_confirming = self._is_changing = False
        self._misses = 0
        about = plain(f"{label(tool.name)} {tool.description}")
        self._is_evening_likely = bool(content_words(about) & content_words("table dinner restaurant party"))
        self.is_reading = label(tool.name).split()[0] in READING_VERBS if tool.name else False

    @property
    def title(self) -> str:
        """The tool's name in words."""
        return label(self.tool.name)

    @property
    def awaited(self) -> Slot | None:
        """The slot that was asked for; None while the whole form is being confirmed."""
        if self._is_confirming:
            return None
        return next((slot for slot in self.slots if slot.is_required and slot.name not in self.values), None)

    def begin(self, text: str) -> Outcome:
        """Take the values that the first sentence already contains."""
        self._take_values(text, awaited=None)
        return self._next(acknowledge="")

    def answer(self, text: str) -> Outcome:
        """Take an answer."""
        said = plain(text)
        if phrases.NEVER_MIND.search(said):
            return Outcome.GIVEN_UP
        if self._is_confirming:
            return self._answer_confirmation(text, said)
        awaited = self.awaited
        if not self._take_values(text, awaited):
            if phrases.QUESTION.search(said) or phrases.GOODBYE.search(said):
                return Outcome.NOT_MINE
            return self._miss()
        if awaited and awaited.name in self.values and (complaint := awaited.complaint(self.values[awaited.name])):
            del self.values[awaited.name]
            self.prompt = f"{complaint} {awaited.question}"
            return Outcome.ASK
        self._misses = 0
        return self._next(acknowledge="All right. " if self._is_changing else "")

    def _miss(self) -> Outcome:
        self._misses += 1
        if self._misses >= PATIENCE:
            return Outcome.GIVEN_UP
        if awaited := self.awaited:
            self.prompt = f"Sorry, I did not get the {awaited.label}. {awaited.question}"
        return Outcome.ASK

    def _answer_confirmation(self, text: str, said: str) -> Outcome:
        before = dict(self.values)
        rest = phrases.NO.sub("", phrases.YES.sub("", said))
        self._take_values(text, awaited=None, replace=True, is_bare=bool(rest.strip()))
        if self.values != before:
            return self._next(acknowledge="All right. ")
        if phrases.is_yes(said):
            return Outcome.READY
        if phrases.GOODBYE.search(said):
            return Outcome.NOT_MINE
        if phrases.is_no(said) or self._is_changing:
            return self._ask_what_to_change(said)
        if phrases.QUESTION.search(said):
            return Outcome.NOT_MINE
        self._misses += 1
        return Outcome.GIVEN_UP if self._misses >= PATIENCE else Outcome.ASK

    def _ask_what_to_change(self, said: str) -> Outcome:
        """Ask again for the slot that the caller named; otherwise ask which one is wrong."""
        words = content_words(said)
        for slot in self.slots:
            if slot.name in self.values and content_words(slot.label) & words:
                del self.values[slot.name]
                self._is_confirming, self._is_changing = False, True
                self.prompt = slot.question
                return Outcome.ASK
        self._misses += 1
        if self._misses >= PATIENCE:
            return Outcome.GIVEN_UP
        self._is_changing = True
        self.prompt = "What should I change?"
        return Outcome.ASK

    def _take_values(self, text: str, awaited: Slot | None, *, replace: bool = False, is_bare: bool = False) -> bool:
        """Read every open slot (or, when correcting, any slot); returns whether a value was found."""
        reader = Reader(text, self._today, is_evening_likely=self._is_evening_likely)
        wanted = [slot for slot in self.slots if replace or slot.name not in self.values]
        found = False
        if awaited is not None and (value := reader.read(awaited, is_awaited=True)) is not None:
            self.values[awaited.name] = value
            found = True
        for kind in READING_ORDER:
            for slot in (s for s in wanted if s.kind is kind and s is not awaited):
                is_meant = is_bare and kind.is_bare_number and sum(s.kind.is_bare_number for s in self.slots) == 1
                value = reader.read(slot, is_awaited=is_meant)
                if value is not None and not slot.complaint(value):
                    found = found or self.values.get(slot.name) != value
                    self.values[slot.name] = value
        return found

    def _next(self, acknowledge: str) -> Outcome:
        if awaited := self.awaited:
            self._is_confirming = False
            self.prompt = acknowledge + awaited.question
            return Outcome.ASK
        if self.is_reading or not self.values:
            return Outcome.READY
        self._is_confirming = True
        self._misses = 0
        listed = ", ".join(slot.describe(self.values[slot.name]) for slot in self.slots if slot.name in self.values)
        self.prompt = f"{acknowledge}To confirm: {self.title}, {listed}. Is that right?"
        return Outcome.ASK
