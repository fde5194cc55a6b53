"""Forms with a field for each variable of a call's texts."""

from collections.abc import Mapping

from django import forms

from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig
from agents.tools.http_tools import saved_names
from agents.variables import MAX_VALUE_CHARACTERS

VALUE_PREFIX = "variable."


class VariablesForm(forms.Form):
    """A form whose subclass calls `add_variables` once it knows whose texts will be spoken."""

    without_default = ""  # shown at a variable that has no default
    defaults: Mapping[str, str] = {}  # the configuration's default variables

    def add_variables(self, config: CallConfig) -> None:
        """A field for each variable, filled with its default. One without a default is required, unless a tool sets it."""
        self.defaults = config.default_variables
        set_by_tools = saved_names(config.tools)
        for name, in_text in resolution.variables_of(config).items():
            default = config.default_variables.get(name)
            is_missing = default is None and not in_text and name not in set_by_tools
            self.fields[VALUE_PREFIX + name] = forms.CharField(
                label=name,
                required=is_missing,
                strip=False,
                max_length=MAX_VALUE_CHARACTERS,
                initial=default,
                widget=forms.TextInput(attrs={"placeholder": in_text, "autocomplete": "off"}),
                help_text=self.without_default if is_missing else "",
                error_messages={"required": f"Enter a value for {name}."},
            )

    def variables(self) -> list[forms.BoundField]:
        """The fields of the variables."""
        return [self[name] for name in self.fields if name.startswith(VALUE_PREFIX)]

    def values(self) -> dict[str, str]:
        """The variables of a valid form. An empty field uses the default in the text. A variable with its own default can be empty.

        A variable that was not on the page when it was sent has its default.
        """
        given = {
            name.removeprefix(VALUE_PREFIX): value
            for name, value in self.cleaned_data.items()
            if name.startswith(VALUE_PREFIX) and name in self.data
        }
        return {name: value for name, value in given.items() if value or name in self.defaults}
