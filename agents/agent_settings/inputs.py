"""The inputs of settings in the forms of agents and numbers."""

from typing import Any, assert_never

from django import forms

from agents.agent_settings import kinds
from agents.agent_settings.declarations import SETTINGS
from agents.agent_settings.kinds import Group, Setting

CODE = {"class": "code", "spellcheck": "false"}
LONGEST_SHORT_TEXT = 1000  # characters; longer texts get the full width of the page


def wide(group: Group) -> tuple[str, ...]:
    """Settings of a group whose inputs have the full width of the page."""
    return tuple(entry.name for entry in SETTINGS if entry.group == group and _is_wide(entry.kind))


def narrow(group: Group) -> tuple[str, ...]:
    """The settings of a group whose inputs are side by side."""
    return tuple(entry.name for entry in SETTINGS if entry.group == group and not _is_wide(entry.kind))


def make_input(setting: Setting) -> forms.Field:
    """The form field; the form adds the choices for models and keys."""
    common: dict[str, Any] = {"label": setting.label, "required": False, "help_text": setting.said(setting.hint)}
    match kind := setting.kind:
        case kinds.Flag():
            return forms.BooleanField(**common)
        case kinds.Whole():
            return forms.IntegerField(**common, min_value=kind.least, max_value=kind.most)
        case kinds.Choice():
            return forms.ChoiceField(**common, choices=[("", setting.placeholder), *kind.words.items()])
        case kinds.ModelSlug():
            return forms.ChoiceField(**common)
        case kinds.OwnKey():
            return forms.TypedChoiceField(**common, coerce=int, empty_value=None)
        case kinds.Text() | kinds.Language() | kinds.Url() | kinds.TransferNumber():
            common["max_length"] = kind.max_length
        case kinds.Amount():
            common["max_length"] = 20
        case kinds.Tools() | kinds.Variables():
            pass
        case _:
            assert_never(kind)
    return forms.CharField(**common, widget=_widget(setting))


def _widget(setting: Setting) -> forms.Widget:
    attrs: dict[str, Any] = {"placeholder": setting.placeholder} if setting.placeholder else {}
    match kind := setting.kind:
        case kinds.Tools():
            return forms.Textarea(attrs={"rows": 5, **CODE, **attrs})
        case kinds.Variables():
            return forms.Textarea(attrs={"rows": 3, **CODE, **attrs})
        case kinds.Text() if kind.rows > 1:
            return forms.Textarea(attrs={"rows": kind.rows, **attrs})
        case kinds.Text() if kind.suggestions:
            attrs["list"] = kind.suggestions
        case kinds.TransferNumber():
            attrs["inputmode"] = "tel"
        case kinds.Amount():
            attrs["inputmode"] = "decimal"
        case kinds.Url():
            attrs |= URL_INPUT
    return forms.TextInput(attrs=attrs)


URL_INPUT = {"placeholder": "https://", "inputmode": "url", "autocomplete": "off"}


def _is_wide(kind: kinds.Kind) -> bool:
    match kind:
        case kinds.Text():
            return kind.max_length > LONGEST_SHORT_TEXT
        case kinds.Url() | kinds.Tools() | kinds.Variables():
            return True
    return False
