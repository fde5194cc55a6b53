"""The form that starts a sandbox call."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models import Developer
from agents.agent_settings import resolution
from agents.dashboard.variable_fields import VariablesForm
from bubblyphone.core.templatetags.ui import phone
from phone_numbers.models import PhoneNumber
from sandbox.selectors import speaking_numbers

DEMO = "demo"


class SandboxForm(VariablesForm):
    """`agent` is one of the developer's streaming numbers by id, or "demo". Each variable of its texts has its own field."""

    without_default = "No default. Left out if empty."
    agent = forms.ChoiceField(label="Talk to")
    system_prompt = forms.CharField(
        label="System prompt",
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 5, "placeholder": "You are …"}),
        help_text="Only for this call. The number keeps its own prompt.",
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, developer: Developer, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        self._said: Mapping[str, Any] = data if data is not None else self.initial
        self.numbers = {str(number.pk): number for number in speaking_numbers(developer)}
        choices = [(pk, f"{number.label or 'Number'} · {phone(number.e164)}") for pk, number in self.numbers.items()]
        choices.append((DEMO, "Demo agent · free"))
        self.fields["agent"] = forms.ChoiceField(label="Talk to", choices=choices)
        if self.number is not None:
            self.add_variables(resolution.resolve(request=self.overrides, request_agent=None, number=self.number))

    @property
    def number(self) -> PhoneNumber | None:
        """The chosen number; without a valid choice the first, as the browser shows it. None: the demo agent."""
        chosen = str(self._said.get("agent", ""))
        return self.numbers.get(chosen) or (None if chosen == DEMO else next(iter(self.numbers.values()), None))

    @property
    def overrides(self) -> dict[str, str]:
        """Settings that override the number's in this call."""
        prompt = str(self._said.get("system_prompt", "")).strip()
        return {"system_prompt": prompt} if prompt else {}
