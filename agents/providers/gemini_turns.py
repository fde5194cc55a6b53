"""Turns of a Gemini Live conversation: translates its `serverContent` messages into our events. No I/O.

https://ai.google.dev/api/live#BidiGenerateContentServerContent
"""

from collections.abc import Mapping
from typing import Any

from agents.providers.base import SessionConfig, Turn
from agents.providers.message_fields import child, items, text
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    ModelEvent,
    OutputText,
    OutputTranscript,
    SpeechStarted,
    TurnDone,
)
from bubblyphone.core.audio import is_payload

HISTORY_TURNS = 40


class GeminiTurns:
    """The current turn and those before it, across connections."""

    def __init__(self, config: SessionConfig) -> None:
        self._is_text = config.is_text
        self.history = list(config.history)
        self.words_are_complete = True  # whether all words before the end of the input are known
        self._count = 0
        self._is_open = False
        self._is_reported = False  # TurnDone was sent for it
        self._is_interrupted = False  # further output of this turn is dropped
        self._is_thinking = False  # a model that thinks in the background has not given its final answer yet
        self._heard = ""  # words of the caller's utterance that are not reported yet
        self._said = ""  # words of the model's answer that are not reported yet

    @property
    def is_under_way(self) -> bool:
        """Whether someone is speaking, or waiting for an answer."""
        return bool(self._is_open or self._heard or self._is_thinking)

    @property
    def is_owed_an_answer(self) -> bool:
        """Whether words of the caller are unanswered, or their answer is incomplete."""
        return bool(self._heard or self._is_thinking or (self._is_open and not self._is_reported))

    @property
    def sounding_item(self) -> str:
        """The answer that the next piece of audio belongs to; "" if the piece does not simply continue one."""
        return self._item_id if self._is_open and not (self._is_interrupted or self._is_text) else ""

    def read(self, content: Mapping[str, Any]) -> list[ModelEvent]:
        """Translate one `serverContent`, which may combine several kinds of content."""
        events: list[ModelEvent] = []
        heard = child(content, "inputTranscription")
        self._heard += text(heard, "text")
        if heard.get("finished") is True:
            self.words_are_complete = True
        if status := text(content, "interactionStatus"):
            self._is_thinking = status == "IN_PROGRESS"
        if content.get("interrupted") is True:
            self.interrupted()
            events.append(SpeechStarted())
        said = text(child(content, "outputTranscription"), "text")
        parts = items(child(content, "modelTurn"), "parts")
        if said or parts:
            events += self._begin()
            self._said += said
        if self._is_text:  # the vendor's models only answer with audio, so the transcript is used
            events += [OutputText(self._item_id, said)] if said else []
        elif not self._is_interrupted:
            payloads = [child(part, "inlineData").get("data") for part in parts]
            events += [AudioDelta(self._item_id, payload) for payload in payloads if payload and is_payload(payload)]
        if content.get("generationComplete") is True:
            if not self._is_thinking:  # otherwise the end of the turn shows whether this was commentary
                events += self._report_said()
            events += self._report_turn_done()
        if content.get("turnComplete") is True:
            events += self._end()
        return events

    def interrupted(self) -> None:
        """The caller interrupted this turn: the rest of it is dropped."""
        self._is_interrupted = True

    def tool_called(self) -> list[ModelEvent]:
        """The model calls a tool: its words until then are complete."""
        return self._begin() + self._report_said()

    def connection_lost(self) -> list[ModelEvent]:
        """The connection was lost, which ends this turn."""
        events = self._end()
        self._is_thinking = False
        return events

    def unfinished(self) -> list[InputTranscript | OutputTranscript]:
        """The words transcribed last, without waiting for the rest."""
        said, self._said = self._said.strip(), ""
        heard, self._heard = self._heard.strip(), ""
        events: list[InputTranscript | OutputTranscript] = [OutputTranscript(self._item_id, said)] if said else []
        return [*events, InputTranscript(heard)] if heard else events

    def remember(self, role: str, words: str) -> None:
        """Add to the history for a new session."""
        self.history = [*self.history[1 - HISTORY_TURNS :], Turn(role, words)]

    @property
    def _item_id(self) -> str:
        return f"turn_{self._count}"

    def _begin(self) -> list[ModelEvent]:
        if self._is_open:
            return []
        self._is_open = True
        self._is_reported = False
        self._count += 1
        return self._report_heard()

    def _end(self) -> list[ModelEvent]:
        events = [*self._report_heard(), *self._report_said(), *self._report_turn_done()]
        self._is_open = self._is_interrupted = False
        return events

    def _report_turn_done(self) -> list[ModelEvent]:
        is_due = self._is_open and not self._is_reported
        self._is_reported = True
        return [TurnDone()] if is_due else []

    def _report_heard(self) -> list[ModelEvent]:
        words, self._heard = self._heard.strip(), ""
        if not words:
            return []
        self.remember("user", words)
        return [InputTranscript(words)]

    def _report_said(self) -> list[ModelEvent]:
        words, self._said = self._said.strip(), ""
        if not words:
            return []
        self.remember("model", words)
        return [OutputTranscript(self._item_id, words, self._is_thinking)]
