"""The filters above a list, kept in its URL (templates/components/filters.html)."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.forms import BoundField


def set_choices(form: forms.Form, name: str, choices: Iterable[tuple[Any, str]]) -> None:
    """Set the choices of a field, for choices that differ between accounts."""
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


class FilterForm(forms.Form):
    """While a filter is invalid, the list is empty.

    `chosen` are the cleaned filter values. `first` are the names of filters that are always visible; the others are behind "More filters"
    on phones. Fields in `apart` are not filters, and have their own place in the form.
    """

    first: ClassVar[tuple[str, ...]] = ()
    apart: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.chosen: dict[str, Any] = {}

    def choose(self) -> None:
        """Read the filters, once the fields have their choices."""
        self.is_valid()
        self.chosen = {name: value for name, value in self.cleaned_data.items() if value}

    def first_fields(self) -> list[BoundField]:
        return [field for field in self if field.name in self.first]

    def more_fields(self) -> list[BoundField]:
        return [field for field in self if field.name not in {*self.first, *self.apart}]

    def has_more_chosen(self) -> bool:
        """Whether a hidden filter is set or invalid."""
        return bool((self.chosen.keys() | self.errors.keys()) - {*self.first, *self.apart})
