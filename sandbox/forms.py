"""What a sandbox call is started with."""

from typing import Any

from django import forms

from accounts.models import Developer
from bubblyphone.core.templatetags.ui import phone
from sandbox.pages import speaking_numbers

DEMO = "demo"


class SandboxForm(forms.Form):
    """`agent` is one of the developer's streaming numbers by its id, or "demo"."""

    agent = forms.ChoiceField(label="Talk to")
    system_prompt = forms.CharField(
        label="System prompt",
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 5, "placeholder": "You are …"}),
        help_text="Only for this call. The number keeps its own prompt.",
    )

    def __init__(self, data: Any = None, *, developer: Developer, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        self.numbers = {str(number.pk): number for number in speaking_numbers(developer)}
        choices = [(pk, f"{number.label or 'Number'} · {phone(number.e164)}") for pk, number in self.numbers.items()]
        choices.append((DEMO, "Demo agent · free"))
        self.fields["agent"] = forms.ChoiceField(label="Talk to", choices=choices)
