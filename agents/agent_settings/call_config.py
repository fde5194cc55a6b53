"""The settings of one call, with where each value came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from agents.agent_settings.declarations import DeclaredSettings
from bubblyphone.core.money import format_money


class Source(StrEnum):
    """Where a value came from."""

    REQUEST = "request"
    AGENT = "agent"
    NUMBER_AGENT = "number_agent"
    NUMBER = "number"
    LOOKUP = "lookup"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class CallConfig(DeclaredSettings):
    """The declared settings as `resolution` resolves them for a call."""

    analysis_schema: Mapping[str, Any] | None = None  # agents' alone
    sources: Mapping[str, str] = field(default_factory=dict)  # field → Source
    unusable_transfer_number: str = (
        ""  # the text that a `transfer_number` with variables resolved to, if it cannot be called
    )

    def to_json(self) -> dict[str, dict[str, Any]]:
        """`{field: {"value": …, "source": …}}`, the format of Call.config."""
        names = (*FIELDS, UNUSABLE) if self.unusable_transfer_number else FIELDS
        return {
            name: {"value": _plain(getattr(self, name)), "source": self.sources.get(name, Source.DEFAULT.value)}
            for name in names
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Mapping[str, Any]]) -> "CallConfig":
        """Read the output of `to_json`. Fields that an older call lacks get their defaults; unknown ones are ignored."""
        values = {name: stored[name]["value"] for name in (*FIELDS, UNUSABLE) if name in stored}
        if "tools" in values:
            values["tools"] = tuple(values["tools"])
        if values.get("max_cost_per_call") is not None:
            values["max_cost_per_call"] = Decimal(values["max_cost_per_call"])
        return cls(**values, sources={name: str(stored[name]["source"]) for name in values})


UNUSABLE = "unusable_transfer_number"  # set by the call itself; not a user setting
FIELDS = tuple(entry.name for entry in fields(CallConfig) if entry.name not in ("sources", UNUSABLE))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format_money(value)
    return list(value) if isinstance(value, tuple) else value
