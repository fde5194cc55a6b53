"""What settings can hold, and what a declaration of one says.

Each part of the product says once, by kind, what it makes of a setting: its column (`agents.models`), its validation
(`agents.serializers`), its schema (`agents.api.schema`), its input (`agents.agent_settings.inputs`), its words on a call's page
(`calls.dashboard.call_page`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeVar, cast

from django.db.models import TextChoices

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A number of seconds."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in USD."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values, each with its label in forms. `length` is the column's."""

    values: type[TextChoices]
    words: Mapping[str, str]
    length: int


@dataclass(frozen=True, slots=True)
class Text:
    """A single-line text, or a multi-line text if its input has `rows`. `suggestions` is the id of the list that its input offers."""

    max_length: int
    rows: int = 1
    suggestions: str = ""


@dataclass(frozen=True, slots=True)
class _Word:
    """A text whose subclass defines the rules it must satisfy."""

    max_length: int


class Language(_Word):
    """A BCP-47 tag."""


class Url(_Word):
    """A URL that webhooks can be sent to."""


class TransferNumber(_Word):
    """An E.164 number, or text with variables that becomes one in each call."""


class ModelSlug(_Word):
    """A catalog model, in either spelling of its slug."""


@dataclass(frozen=True, slots=True)
class OwnKey:
    """One of the developer's own model keys, by its id."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Function definitions."""


@dataclass(frozen=True, slots=True)
class Variables:
    """`{name: text}`."""


Kind = Flag | Whole | Amount | Choice | Text | Language | Url | TransferNumber | ModelSlug | OwnKey | Tools | Variables


@dataclass(frozen=True, slots=True)
class At:
    """Where a model provider expects a setting in the JSON of a session, with our values mapped to its own; None leaves it to the
    provider.
    """

    path: str  # keys, separated by dots
    values: Mapping[Any, Any] = field(default_factory=dict)  # values that are not listed are sent unchanged


class Group(Enum):
    """The form group that a setting belongs to."""

    MODEL = auto()
    CONVERSATION = auto()
    TOOLS = auto()
    AFTER = auto()
    LIMITS = auto()
    OPTIONS = auto()


@dataclass(frozen=True, slots=True)
class Setting:
    """A declaration. `{default}`, `{least}` and `{most}` in `about` and `hint` are filled in."""

    name: str
    default: Any
    kind: Kind
    group: Group
    label: str  # in forms
    about: str  # for the API description
    example: Any  # for the API description; derived from the default unless given
    hint: str = ""  # help text below its input
    placeholder: str = ""  # placeholder of its input; for a choice, the label of its default
    on_call_page: str = ""  # its label there; a call's page does not show those without
    # By AIModel.Provider; see `agents.agent_settings.provider_placement`.
    providers: Mapping[str, At] = field(default_factory=dict)

    def said(self, text: str) -> str:
        """A text of the declaration with the numbers filled in."""
        default = str(self.default).lower() if isinstance(self.default, bool) else str(self.default)
        bounds = {"{least}": self.kind.least, "{most}": self.kind.most} if isinstance(self.kind, Whole) else {}
        for token, value in {"{default}": default, **bounds}.items():
            text = text.replace(token, str(value))
        return text


def setting(default: T, kind: Kind, group: Group, **words: Any) -> T:
    """Declare a field of `DeclaredSettings`. `words` are the rest of `Setting`."""
    declared = {"kind": kind, "group": group, "example": default, **words}
    if isinstance(default, dict):
        return cast(T, field(default_factory=default.copy, metadata=declared))
    return field(default=default, metadata=declared)
