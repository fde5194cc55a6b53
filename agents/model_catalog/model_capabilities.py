"""What a catalog model can do.

Stored in its row (`AIModel.capabilities`), which staff edit; code checks these fields, never the model's name.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agents.model_catalog.languages import nearest_code

CUSTOM_VOICE_PREFIX = "voice_"


class Capabilities(BaseModel):
    """The capabilities of one model. Empty: it has none of these, or they are unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    reasoning_efforts: tuple[str, ...] = ()  # the lowest first
    noise_reduction: tuple[Literal["near_field", "far_field"], ...] = ()
    semantic_turns: bool = False  # detects the end of a turn from the words
    async_tools: bool = False  # can speak while it waits for a tool result
    content_updates: bool = False  # accepts notes during a session without speaking immediately
    languages: tuple[str, ...] = ()  # the vendor's codes; the first code of a language is its default
    voices: tuple[str, ...] = ()  # the vendor's names; the first is the default
    custom_voices: bool = False  # also accepts the vendor's ids of an account's own voices ("voice_…")

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Capabilities":
        """Read the column. Fields of a later release are ignored. Raises pydantic.ValidationError."""
        known = {name: value for name, value in stored.items() if name in cls.model_fields}
        lists = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        return _shared(cls.model_validate(lists))

    def find_voice(self, name: str) -> str | None:
        """The voice of that name in the vendor's spelling, ignoring case; None if the model has no such voice."""
        if self.custom_voices and name.startswith(CUSTOM_VOICE_PREFIX):
            return name
        return next((voice for voice in self.voices if voice.casefold() == name.casefold()), None)

    def session_voice(self, name: str) -> str:
        """The voice for a session: the one of that name, else the default; empty if the model has no choice of voices."""
        return self.find_voice(name) or next(iter(self.voices), "")

    def lacks(self, setting: str, value: str) -> bool:
        """Whether `name` is a setting that only some models support, and this model does not support `value`."""
        taken = {"reasoning_effort": self.reasoning_efforts, "noise_reduction": self.noise_reduction}.get(setting)
        return taken is not None and bool(value) and value not in taken

    def session_language(self, language: str) -> str:
        """The vendor's code for a BCP-47 language; empty if it has none, which leaves the language to the model."""
        return nearest_code(language, self.languages)


@lru_cache(maxsize=100)
def _shared(capabilities: Capabilities) -> Capabilities:
    """One object for all calls of a model: its lists of voices and languages are some KB."""
    return capabilities
