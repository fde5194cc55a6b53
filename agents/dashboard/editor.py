"""The agent editor: the form, its previews, and the changes it would make.

Every button of the editor posts the whole form. "save" publishes, "draft" keeps it as it is; the others render the page again from
the input, so that the editor works without JavaScript, and with it exchanges parts of the page.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.http import QueryDict

from agents import secrets, selectors, services, variables
from agents.agent_settings.form import parse_tools
from agents.dashboard.forms import READY_MADE, AgentForm, analysis_fields
from agents.dashboard.variable_fields import VALUE_PREFIX
from agents.model_catalog.custom_models import is_custom
from agents.models import Agent, AIModel, ModelKey
from agents.providers.base import ToolSpec
from agents.tools.definitions import example_arguments, tool_problems, widen
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.json.ordered_field import is_same

CALLER = "test-caller"
PUBLISH, DRAFT, LOOK = "save", "draft", "look"
# Fields of the posted form that are not part of a draft.
NOT_KEPT = ("csrfmiddlewaretoken", "action", "press", "tool", "test-mode")
MAX_ID_DIGITS = 18
ADD_ROW, REMOVE_ROW = "add-field", "remove-field-"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a prompt; for a variable, with its name and sample value."""

    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolCheck:
    """A checked tool as the model sees it, with example arguments."""

    name: str
    description: str
    parameters: list[tuple[str, str, bool]]  # name, type, whether required
    example: str


class Editor:
    """One rendering of an agent's form. `data` is the posted data."""

    def __init__(self, data: QueryDict | None, *, agent: Agent) -> None:
        self.agent = agent
        self.has_draft = data is None and bool(agent.draft)
        if self.has_draft:
            data = QueryDict(f"{agent.draft}&action={LOOK}")
        self.action = data.get("action", PUBLISH) if data is not None else LOOK
        self._data = with_rows(data, self.action) if data is not None else None
        self.form = AgentForm(self._data, agent=agent)
        self.analysis = analysis_fields(self._data, agent.analysis_schema)

    def is_valid(self) -> bool:
        """Whether the form was submitted for publishing and is valid."""
        return self.action == PUBLISH and self.is_sound()

    def is_sound(self) -> bool:
        """Whether the submitted form is valid, whatever it was submitted for."""
        return all([self.form.is_valid(), self.analysis.is_valid()])

    def is_refused(self) -> bool:
        """Whether the form was submitted for publishing and is invalid."""
        return self._data is not None and self.action == PUBLISH and not self.is_valid()

    def as_draft(self) -> str:
        """The submitted form, as `agents.services.save_draft` stores it; "" if it equals the live version."""
        if self._data is None or (self.is_sound() and not self.changes() and not any(self.values.values())):
            return ""
        kept = self._data.copy()
        for name in NOT_KEPT:
            kept.pop(name, None)
        return kept.urlencode()

    def draft_with(self, tools: Sequence[Any]) -> str:
        """Like `as_draft`, with additional tools. Raises InvalidRequest if these or the existing tools have errors."""
        try:
            there = parse_tools(self._text("tools")) or []
        except forms.ValidationError as error:
            raise InvalidRequest({"The agent's tools": error.messages}) from error
        wanted = [*there, *tools] if isinstance(there, list) else there
        if problems := tool_problems(wanted):
            raise InvalidRequest({f"tools.{path}": texts for path, texts in problems.items()})
        data = self._as_posted() if self._data is None else self._data.copy()
        data["tools"] = json.dumps(wanted, indent=2, ensure_ascii=False)
        return Editor(data, agent=self.agent).as_draft()

    def _as_posted(self) -> QueryDict:
        """What a browser would post for the form as shown."""
        data = QueryDict(mutable=True)
        shown = [self.form, self.analysis.management_form, *self.analysis.forms]
        for field in (field for form in shown for field in form):
            value = field.value()
            if value not in (None, False):
                data[field.html_name] = "on" if value is True else str(value)
        return data

    def tested_agent(self) -> Agent:
        """The agent with the submitted settings, not saved. Raises InvalidRequest, including the form's errors."""
        if self.is_sound():
            return services.preview(agent=self.agent, changes=self.changes())
        found: dict[str, list[str]] = {}
        for name, texts in self.form.errors.items():
            found[self._label(name)] = [str(text) for text in texts]
        if not self.analysis.is_valid():
            found["After the call"] = ["The fields have errors."]
        raise InvalidRequest(found)

    def changes(self) -> dict[str, Any]:
        """The changes for `agents.services`."""
        schema = self.analysis.schema()
        is_kept = is_same(schema, self.agent.analysis_schema)
        return {**self.form.changes, **({} if is_kept else {"analysis_schema": schema})}

    # --- the look of what is typed ------------------------------------------------------------------------------------

    @cached_property
    def values(self) -> dict[str, str]:
        """The variables of prompt and greeting, with the typed values."""
        texts = (self._text("system_prompt"), self._text("greeting_message"), self._text("transfer_number"))
        typed: Mapping[str, str] = self._data or {}
        return {name: typed.get(VALUE_PREFIX + name, "") for name in variables.defaults_in(texts)}

    def _label(self, name: str) -> str:
        return str(self.form.fields[name].label) if name in self.form.fields else name

    def model_as_typed(self) -> Agent:
        """An agent with only the chosen model and key."""
        key = self._text("model_key_id")
        key_id = int(key) if key.isdecimal() and len(key) < MAX_ID_DIGITS else None
        return Agent(developer=self.agent.developer, model_slug=self._text("model_slug") or None, model_key_id=key_id)

    @cached_property
    def model(self) -> AIModel | None:
        """The chosen model, otherwise the one that calls would use."""
        slug = self._text("model_slug")
        return selectors.find_model(slug) if slug else selectors.default_model()

    def voices(self) -> list[tuple[str, bool]]:
        """The voices of that model, each with whether callers hear it."""
        if self.model is None:
            return []
        heard = self.model.can.session_voice(self._text("voice").strip())
        return [(voice, voice == heard) for voice in self.model.can.voices]

    def has_samples(self) -> bool:
        """Whether the account has a key by which these voices can be heard."""
        if self.model is None or is_custom(self.model):
            return False
        return ModelKey.objects.filter(developer=self.agent.developer, provider=self.model.provider).exists()

    @property
    def caller(self) -> str:
        """The typed caller number of a test."""
        return str(self._data.get(CALLER, "")).strip() if self._data is not None else ""

    def prompt_pieces(self) -> list[Piece]:
        return self._pieces("system_prompt")

    def greeting_pieces(self) -> list[Piece]:
        return self._pieces("greeting_message")

    def _pieces(self, field: str) -> list[Piece]:
        found = variables.split(self._text(field))
        return [Piece((name and self.values.get(name)) or text, name) for text, name in found]

    def defaults(self) -> Mapping[str, str]:
        """The variable values if a test provides none: the typed default variables, otherwise the defaults in the texts."""
        texts = (self._text("system_prompt"), self._text("greeting_message"), self._text("transfer_number"))
        return {**variables.defaults_in(texts), **self.form.default_variables()}

    def variables(self) -> list[tuple[str, str, str]]:
        """The variables of the texts: name, typed value, default."""
        defaults = self.defaults()
        return [(name, value, defaults.get(name, "")) for name, value in self.values.items()]

    @cached_property
    def tool_trouble(self) -> list[str]:
        """The errors of the tools as typed."""
        try:
            tools = parse_tools(self._text("tools"))
        except forms.ValidationError as error:
            return list(error.messages)
        found = tool_problems(tools or [])
        return [f"{path}: {text}" if path else text for path, texts in found.items() for text in texts]

    def ready_made(self) -> list[forms.BoundField]:
        """The switches of built-in tools."""
        return [self.form[name] for name in READY_MADE]

    def secrets(self) -> list[str]:
        """The names of the account's secrets, which headers may use."""
        return list(secrets.secrets_of(self.agent.developer).values_list("name", flat=True))

    def tools(self) -> list[ToolCheck]:
        """The typed tools; empty if they have errors."""
        if self.tool_trouble:
            return []
        return [_checked(widen(tool)) for tool in parse_tools(self._text("tools")) or []]

    def _text(self, field: str) -> str:
        return str(self.form[field].value() or "")


def with_rows(data: QueryDict, action: str) -> QueryDict:
    """The posted data with one row of the analysis schema added or removed, depending on the button."""
    changed = data.copy()
    if action == ADD_ROW:
        count = str(data.get("analysis-TOTAL_FORMS", "0"))
        changed["analysis-TOTAL_FORMS"] = str(int(count) + 1) if count.isdecimal() else "1"
    elif action.startswith(REMOVE_ROW):
        for part in ("name", "options", "description"):
            changed[f"analysis-{action.removeprefix(REMOVE_ROW)}-{part}"] = ""
    return changed


def _checked(tool: ToolSpec) -> ToolCheck:
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    required = tool.parameters.get("required", [])
    example = example_arguments(tool.parameters)
    shown = [(name, _kind(inner), name in required) for name, inner in properties.items()]
    return ToolCheck(tool.name, tool.description, shown, json.dumps(example, indent=2, ensure_ascii=False))


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "any")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{text}: {', '.join(map(str, schema['enum']))}" if schema.get("enum") else text
