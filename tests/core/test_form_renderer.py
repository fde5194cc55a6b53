"""Inputs and lists that are written in Python look as those of Django's templates."""

from datetime import date
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.forms.renderers import DjangoTemplates, get_default_renderer
from django.test.html import parse_html
from django.utils.safestring import mark_safe

from bubblyphone.core.pages.form_renderer import FormRenderer


class Name:
    """Has HTML, but is no string that is marked as safe."""

    def __html__(self) -> str:
        return "<script>"

    def __str__(self) -> str:
        return "<Ada>"


GROUPED = [("", "All <numbers>"), ("Sold", [(1, "One & only"), (2, mark_safe("<i>Two</i>"))]), (3, "Three")]
WIDGETS: list[tuple[forms.Widget, Any]] = [
    (forms.TextInput(attrs={"placeholder": 'Say "hi"', "autofocus": True, "hidden": False}), "<b>"),
    (forms.NumberInput(attrs={"min": 0, "step": 0.5}), 1234567.5),
    (forms.DateInput(attrs={"type": "date"}), date(2026, 3, 1)),
    (forms.PasswordInput(), "never shown"),
    (forms.HiddenInput(), None),
    (forms.EmailInput(), ""),
    (forms.CheckboxInput(), True),
    (forms.CheckboxInput(attrs={"value": "yes"}), False),
    (forms.Select(choices=GROUPED, attrs={"class": "wide"}), 2),
    (forms.Select(choices=GROUPED), None),
    (forms.Select(choices=[]), "1"),
    (forms.SelectMultiple(choices=GROUPED), ["1", "3"]),
    (forms.NullBooleanSelect(), True),
    (forms.Select(choices=[(Name(), Name())], attrs={"data-name": Name()}), None),
    (forms.Textarea(), "left to Django"),
    (forms.RadioSelect(choices=GROUPED), 1),
]


@pytest.mark.parametrize(("widget", "value"), WIDGETS)
def test_a_widget_is_rendered_as_by_django(widget: forms.Widget, value: Any) -> None:
    pages = [
        widget.render("a<b", value, {"id": "id_a", "required": True}, renderer)
        for renderer in (FormRenderer(), DjangoTemplates())
    ]
    assert parse_html(pages[0]) == parse_html(pages[1])


def test_what_a_person_typed_and_the_names_of_choices_are_escaped() -> None:
    html = forms.Select(choices=GROUPED).render("x", "", renderer=FormRenderer())
    assert '<option value="" selected>All &lt;numbers&gt;</option>' in html
    assert '<option value="1">One &amp; only</option><option value="2"><i>Two</i></option>' in html
    assert forms.TextInput().render("x", '"><b>', renderer=FormRenderer()) == (
        '<input type="text" name="x" value="&quot;&gt;&lt;b&gt;">'
    )


def test_the_pages_use_it() -> None:
    assert settings.FORM_RENDERER.endswith(FormRenderer.__name__)
    assert isinstance(get_default_renderer(), FormRenderer)
