"""The agent settings that the agent form and the number form share, under the field names of the API."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.utils.text import slugify
from rest_framework import serializers

from accounts.models import Developer
from agents import selectors
from agents.agent_settings import kinds
from agents.agent_settings.declarations import SETTINGS
from agents.agent_settings.inputs import make_input
from agents.model_catalog.custom_models import custom_model
from agents.models import AgentSettings
from agents.serializers import AgentSettingsSerializer
from bubblyphone.core.json.documents import InvalidJSON, parse_json, parse_stored_json
from bubblyphone.core.json.ordered_field import is_same
from bubblyphone.core.money import format_money

SWITCHES = {entry.name: entry.default for entry in SETTINGS if isinstance(entry.kind, kinds.Flag)}
MODELS = {entry.name for entry in SETTINGS if isinstance(entry.kind, kinds.ModelSlug)}


class Section(NamedTuple):
    """A group of a form: the names of fields as wide as the page, of fields side by side, and a template to end it with."""

    title: str
    wide: tuple[str, ...] = ()
    narrow: tuple[str, ...] = ()
    template: str = ""


class ShownSection(NamedTuple):
    title: str
    anchor: str
    wide: list[forms.BoundField]
    narrow: list[forms.BoundField]
    template: str


class SettingsForm(forms.Form):
    """Agent settings.

    Once valid, `changes` holds what differs from the row, in the format of its service. An empty field sets nothing here: the next layer
    or the default applies.
    """

    serializer_class: ClassVar[type[AgentSettingsSerializer]] = AgentSettingsSerializer
    layout: ClassVar[tuple[Section, ...]] = ()
    slug_field: ClassVar[str] = "model_slug"  # the API's name for the model in these settings

    def __init__(self, data: Mapping[str, Any] | None = None, *, settings: AgentSettings, developer: Developer) -> None:
        super().__init__(data)
        self.changes: dict[str, Any] = {}
        self.fields |= {entry.name: make_input(entry) for entry in SETTINGS}
        self.order_fields([name for section in self.layout for name in (*section.wide, *section.narrow)])
        self.initial = {name: self._initial(settings, name) for name in self.fields}
        set_choices(
            self.fields[self.slug_field], "Default: first available", _model_choices(self.initial[self.slug_field])
        )
        for entry in SETTINGS:
            match entry.kind:
                case kinds.ModelSlug():
                    choices = _model_choices(self.initial[entry.name])
                    set_choices(self.fields[entry.name], entry.placeholder, choices)
                case kinds.OwnKey():
                    set_choices(self.fields[entry.name], entry.placeholder, _key_choices(developer))

    def _initial(self, settings: AgentSettings, name: str) -> Any:
        value: Any = settings.model_slug if name == self.slug_field else getattr(settings, name)
        if name in MODELS | {self.slug_field}:
            model = selectors.find_model(value) if value else None
            return model.slug if model else ""
        if name == "tools":
            return json.dumps(value, indent=2, ensure_ascii=False) if value else ""
        if name == "default_variables":
            return _lines_of(value or {})
        if isinstance(self.fields[name], forms.BooleanField):
            return SWITCHES[name] if value is None else value
        if isinstance(value, Decimal):
            return f"{value.normalize():f}"
        return "" if value is None else value

    def clean_tools(self) -> list[Any] | None:
        """Parse the JSON text."""
        return parse_tools(self.cleaned_data["tools"])

    def clean_default_variables(self) -> dict[str, str] | None:
        """Parse the lines into names and values."""
        return _variables_of(self.cleaned_data["default_variables"])

    def default_variables(self) -> dict[str, str]:
        """The variables as typed; empty if any line is invalid."""
        try:
            return _variables_of(str(self["default_variables"].value() or "")) or {}
        except forms.ValidationError:
            return {}

    def clean(self) -> dict[str, Any]:
        """Uses the API's own bounds, so page and API can never disagree."""
        values: dict[str, Any] = super().clean() or {}
        payload = {name: none_if_empty(value) for name, value in values.items() if self._differs(name, value)}
        self.changes = check_by(self.serializer_class(data=payload, partial=True), self)
        return values

    def _differs(self, name: str, value: Any) -> bool:
        before = self.initial[name]
        if name == "tools":
            before = parse_stored_json(before) if before else None
        if name == "default_variables":
            before = _variables_of(before)
        return not is_same(none_if_empty(value), none_if_empty(before))

    def voices(self) -> list[tuple[str, str]]:
        """Suggestions for the field `voice`: each voice and the models that have it."""
        models: dict[str, list[str]] = {}
        for model in selectors.list_models():
            for voice in model.can.voices if model.is_enabled else ():
                models.setdefault(voice, []).append(model.display_name)
        return [(voice, ", ".join(names)) for voice, names in sorted(models.items())]

    def sections(self) -> Iterator[ShownSection]:
        """The field groups shown on the page."""
        for title, wide, narrow, template in self.layout:
            yield ShownSection(
                title, slugify(title), [self[name] for name in wide], [self[name] for name in narrow], template
            )


def check_by(serializer: serializers.Serializer[Any], form: forms.Form) -> dict[str, Any]:
    """Run the form's values through the API's serializer; its errors become the form's errors."""
    if serializer.is_valid():
        return dict(serializer.validated_data)
    for name, detail in serializer.errors.items():
        for text in _texts(detail):
            form.add_error(name if name in form.fields else None, text)
    return {}


def parse_tools(text: str) -> list[Any] | None:
    """Raises forms.ValidationError for invalid JSON."""
    try:
        tools: list[Any] | None = parse_json(text) if text else None
    except InvalidJSON as error:
        raise forms.ValidationError(f"This is {error}.") from error
    return tools


def _variables_of(text: str) -> dict[str, str] | None:
    """Raises forms.ValidationError for a line without a name."""
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise forms.ValidationError(f"Enter one name = value per line, not “{line[:60]}”.")
        found[name.strip()] = value.strip().replace("\\n", "\n")
    return found or None


def _lines_of(values: Mapping[str, str]) -> str:
    return "\n".join(f"{name} = {value.replace(chr(10), chr(92) + 'n')}" for name, value in values.items())


def set_choices(field: forms.Field, empty: str, choices: list[tuple[Any, str]]) -> None:
    """Set a field's choices, after the empty choice."""
    if isinstance(field, forms.ChoiceField):
        field.choices = [("", empty), *choices]


def none_if_empty(value: Any) -> Any:
    return None if value in ("", None) else value


def _model_choices(current: str) -> list[tuple[str, str]]:
    """Available models plus the current one: otherwise saving another field would silently change the model."""
    return [
        (
            model.slug,
            f"{model.display_name} · ${format_money(model.price_per_minute)} per minute"
            + ("" if selectors.is_available(model) else " · requires your own key"),
        )
        for model in [*selectors.list_models(), *filter(None, [custom_model(current)])]
        if model.slug == current or selectors.in_service(model) is not None
    ]


def _key_choices(developer: Developer) -> list[tuple[int, str]]:
    keys = selectors.model_keys_of(developer)
    return [(key.pk, f"{key.label or key.get_provider_display()} …{key.last_four}") for key in keys]


def _texts(detail: Any, path: str = "") -> Iterator[str]:
    """The texts of nested errors, each prefixed with its path ("0.name: …")."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _texts(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list | tuple):
        for inner in detail:
            yield from _texts(inner, path)
    else:
        yield f"{path}: {detail}" if path else str(detail)
