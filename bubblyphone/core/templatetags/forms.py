"""What a form says of what is wrong with it, in one place above its fields."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django import forms, template

register = template.Library()


@dataclass(frozen=True, slots=True)
class WrongField:
    """`anchor` is the id of the input; empty if there is nothing to link to."""

    label: str
    texts: list[str]
    anchor: str


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """`general` are errors of no single field."""

    general: list[str] = field(default_factory=list)
    fields: list[WrongField] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.general or self.fields)


@register.simple_tag
def error_summary(*groups: Any) -> ErrorSummary:
    """Of forms and formsets, in the order of their fields; what is empty or not there says nothing.

    A group may also be a list of the admin's inline formsets.
    """
    summary = ErrorSummary()
    for group in _flattened(groups):
        if isinstance(group, forms.BaseFormSet):
            summary.general.extend(map(str, group.non_form_errors() if group.is_bound else ()))
            for number, form in enumerate(group.forms, start=1):
                _add(summary, form, f" ({number})")
        elif isinstance(group, forms.BaseForm):
            _add(summary, group)
    return summary


def _flattened(groups: Iterable[Any]) -> Iterator[Any]:
    for group in groups:
        yield from (inline.formset for inline in group) if isinstance(group, list) else (group,)


def _add(summary: ErrorSummary, form: forms.BaseForm, suffix: str = "") -> None:
    if not form.errors:
        return
    summary.general.extend(map(str, form.non_field_errors()))
    summary.fields.extend(_wrong_fields(form, suffix))


def _wrong_fields(form: forms.BaseForm, suffix: str) -> Iterator[WrongField]:
    for bound in form:
        if texts := [str(text) for text in bound.errors]:
            anchor = bound.id_for_label or f"{bound.auto_id}_0"  # radio buttons: no input has the id of the group
            yield WrongField(f"{bound.label}{suffix}", texts, "" if bound.is_hidden else anchor)
