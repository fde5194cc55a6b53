"""What a model of the catalog can do. Data of its row (`AIModel.capabilities`), which staff edit; code asks these fields and
never the model's name."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agents.model_catalog.languages import nearest_code

CUSTOM_VOICE_PREFIX = "voice_"


class Capabilities(BaseModel):
    """One model's. Empty: it has none of these, or does not state them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    reasoning_efforts: tuple[str, ...] = ()  # the lowest first
    noise_reduction: tuple[Literal["near_field", "far_field"], ...] = ()
    semantic_turns: bool = False  # detects the end of a turn by what was said
    async_tools: bool = False  # can speak while it waits for the result of a tool
    content_updates: bool = False  # takes notes in mid-session without speaking at once
    languages: tuple[str, ...] = ()  # codes as the vendor writes them; the first of a language stands for it
    voices: tuple[str, ...] = ()  # names as the vendor writes them; the first is the default
    custom_voices: bool = False  # also takes the vendor's ids of an account's own voices ("voice_…")

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Capabilities":
        """Read a row's. Fields of a later release are ignored. Raises pydantic.ValidationError."""
        known = {name: value for name, value in stored.items() if name in cls.model_fields}
        lists = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        return cls.model_validate(lists)

    def find_voice(self, name: str) -> str | None:
        """The voice of that name in the vendor's spelling, ignoring case; None if the model has no such voice."""
        if self.custom_voices and name.startswith(CUSTOM_VOICE_PREFIX):
            return name
        return next((voice for voice in self.voices if voice.casefold() == name.casefold()), None)

    def session_voice(self, name: str) -> str:
        """The voice for a session: the one of that name, else the default; empty if the model has no choice of voices."""
        return self.find_voice(name) or next(iter(self.voices), "")

    def lacks(self, setting: str, value: str) -> bool:
        """Whether it is a setting that only some models have, with a value that this one does not take."""
        taken = {"reasoning_effort": self.reasoning_efforts, "noise_reduction": self.noise_reduction}.get(setting)
        return taken is not None and bool(value) and value not in taken

    def session_language(self, language: str) -> str:
        """The vendor's code for a BCP-47 language; empty if it has none, which leaves the language to the model."""
        return nearest_code(language, self.languages)
