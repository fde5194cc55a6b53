"""Writes inputs and drop-down lists in Python, for the setting FORM_RENDERER.

Django renders three templates for an input and two for each option of a list. That took most of the time of pages with hundreds of numbers.
The HTML is the same, apart from white space. All other widgets are rendered by Django's templates.
"""

from collections.abc import Mapping
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

FOLDER = "django/forms/widgets"
INPUTS = ("text", "number", "email", "url", "tel", "search", "password", "hidden", "date", "checkbox")


class FormRenderer(DjangoTemplates):
    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        write = WRITERS.get(template_name)
        return super().render(template_name, context, request) if write is None else write(context["widget"])


def write_input(widget: Mapping[str, Any]) -> SafeString:
    value = "" if widget["value"] is None else f' value="{_escaped(widget["value"])}"'
    return SafeString(
        f'<input type="{widget["type"]}" name="{_escaped(widget["name"])}"{value}{_attributes(widget["attrs"])}>'
    )


def write_select(widget: Mapping[str, Any]) -> SafeString:
    groups = []
    for title, options, _ in widget["optgroups"]:
        written = "".join(map(_write_option, options))
        groups.append(f'<optgroup label="{_escaped(title)}">{written}</optgroup>' if title else written)
    return SafeString(
        f'<select name="{_escaped(widget["name"])}"{_attributes(widget["attrs"])}>{"".join(groups)}</select>'
    )


def _write_option(option: Mapping[str, Any]) -> str:
    return f'<option value="{_escaped(option["value"])}"{_attributes(option["attrs"])}>{_escaped(option["label"])}</option>'


def _escaped(value: object) -> str:
    """As in a template, only strings can be marked as safe."""
    return conditional_escape(value if isinstance(value, str) else str(value))


def _attributes(attributes: Mapping[str, Any]) -> str:
    return "".join(
        f" {name}" if value is True else f' {name}="{_escaped(value)}"'
        for name, value in attributes.items()
        if value is not False
    )


WRITERS = {f"{FOLDER}/select.html": write_select, **{f"{FOLDER}/{kind}.html": write_input for kind in INPUTS}}
