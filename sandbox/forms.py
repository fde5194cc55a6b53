"""What a sandbox call is started with."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models import Developer
from agents import configuration
from agents.editor import VALUE_PREFIX
from agents.variables import MAX_VALUE_CHARACTERS
from bubblyphone.core.templatetags.ui import phone
from phone_numbers.models import PhoneNumber
from sandbox.pages import speaking_numbers

DEMO = "demo"


class SandboxForm(forms.Form):
    """`agent` is one of the developer's streaming numbers by its id, or "demo". Each variable of its texts is a field of its own."""

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
        self.defaults = self._add_variables()

    @property
    def number(self) -> PhoneNumber | None:
        """The chosen number; without a known choice the first, as the browser shows it. None: the demo agent."""
        chosen = str(self._said.get("agent", ""))
        return self.numbers.get(chosen) or (None if chosen == DEMO else next(iter(self.numbers.values()), None))

    @property
    def overrides(self) -> dict[str, str]:
        """What this call is to have instead of the number's own."""
        prompt = str(self._said.get("system_prompt", "")).strip()
        return {"system_prompt": prompt} if prompt else {}

    def variables(self) -> list[forms.BoundField]:
        """The fields of the variables that the chosen agent's texts name."""
        return [self[name] for name in self.fields if name.startswith(VALUE_PREFIX)]

    def values(self) -> dict[str, str]:
        """What the variables are. One left empty says what its text says by default; one with a default of its own is empty."""
        given = {
            name.removeprefix(VALUE_PREFIX): value
            for name, value in self.cleaned_data.items()
            if name.startswith(VALUE_PREFIX)
        }
        return {name: value for name, value in given.items() if value or name in self.defaults}

    def _add_variables(self) -> Mapping[str, str]:
        """A field for each variable, filled with its default. Returns the defaults."""
        if self.number is None:
            return {}
        config = configuration.resolve(request=self.overrides, request_agent=None, number=self.number)
        for name, in_text in configuration.variables_of(config).items():
            default = config.default_variables.get(name)
            is_missing = default is None and not in_text
            self.fields[VALUE_PREFIX + name] = forms.CharField(
                label=name,
                required=is_missing,
                strip=False,
                max_length=MAX_VALUE_CHARACTERS,
                initial=default,
                widget=forms.TextInput(attrs={"placeholder": in_text, "autocomplete": "off"}),
                help_text="No default. Callers hear nothing here." if is_missing else "",
                error_messages={"required": f"Enter a value for {name}."},
            )
        return config.default_variables
