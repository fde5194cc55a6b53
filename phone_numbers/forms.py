"""Looking for a number to buy, and saying how its calls are handled."""

from collections.abc import Mapping
from typing import Any

from django import forms

from agents import selectors as agent_selectors
from agents.settings_form import Section, SettingsForm, set_choices
from bubblyphone.core.e164 import is_e164
from phone_numbers.api.update import NumberUpdateSerializer
from phone_numbers.countries import country_name
from phone_numbers.models import CallMode, NumberPrice, NumberType, PhoneNumber

TYPE_LABELS = {"local": "Local", "mobile": "Mobile", "toll_free": "Toll-free", "national": "National"}
# The groups of the configuration form.
SECTIONS = (
    Section("Basics", narrow=("label", "mode", "agent_id")),
    Section(
        "What the agent says",
        ("system_prompt", "greeting_message", "model"),
        ("model_key_id", "voice", "language", "fallback_model", "first_speaker", "interruption_sensitivity"),
    ),
    Section("Tools and webhooks", ("tools", "tool_webhook_url", "webhook_url")),
    Section(
        "Limits and hand-over", narrow=("max_call_duration", "silence_timeout", "max_cost_per_call", "transfer_number", "voicemail_action")
    ),
    Section(
        "Switches",
        narrow=(
            "auto_transfer_tool", "interruptible", "realtime_transcript", "recording_enabled", "transcription_enabled",
        ),
    ),
)  # fmt: skip


def countries() -> list[tuple[str, str]]:
    """What is on sale, by name, the United States first."""
    codes = NumberPrice.objects.order_by().values_list("country_code", flat=True).distinct()
    return sorted(((code, country_name(code)) for code in codes), key=lambda pair: (pair[0] != "US", pair[1]))


class NumberSearchForm(forms.Form):
    country = forms.ChoiceField(label="Country")
    number_type = forms.ChoiceField(
        label="Kind", choices=[(kind.value, TYPE_LABELS[kind.value]) for kind in NumberType], initial="local"
    )
    area_code = forms.RegexField(
        r"^[0-9]{1,6}$", label="Area code", required=False, error_messages={"invalid": "Digits only, like 415."}
    )
    locality = forms.CharField(label="City", required=False, max_length=100)
    contains = forms.RegexField(
        r"^[0-9]{1,12}$", label="Contains", required=False, error_messages={"invalid": "Digits only, like 123."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["country"] = forms.ChoiceField(label="Country", choices=countries(), initial="US")
        for name, example in (("area_code", "415"), ("locality", "San Francisco"), ("contains", "55")):
            self.fields[name].widget.attrs |= {"placeholder": example, "autocomplete": "off"}
        for name in ("area_code", "contains"):
            self.fields[name].widget.attrs["inputmode"] = "numeric"


class BuyForm(forms.Form):
    """The number that was chosen; what it costs is the services' business."""

    phone_number = forms.CharField(max_length=20, widget=forms.HiddenInput)
    country_code = forms.CharField(max_length=2, widget=forms.HiddenInput)
    number_type = forms.ChoiceField(choices=NumberType.choices, widget=forms.HiddenInput)
    label = forms.CharField(
        label="Name", max_length=100, required=False, widget=forms.TextInput(attrs={"placeholder": "Support line"})
    )

    def clean_phone_number(self) -> str:
        number: str = self.cleaned_data["phone_number"]
        if not is_e164(number):
            raise forms.ValidationError("Choose one of the numbers that were found.")
        return number


class NumberForm(SettingsForm):
    """A number's configuration. Valid, `changes` is what `phone_numbers.configuration.update_number` takes."""

    label = forms.CharField(label="Name", required=False, max_length=100)
    mode = forms.ChoiceField(
        label="Who answers",
        choices=[(CallMode.STREAMING, "An AI model, live"), (CallMode.WEBHOOK, "Your server, by webhooks")],
        help_text="Live streaming connects the caller to a speaking model. Webhooks ask your server what to do at every turn.",
    )
    agent_id = forms.TypedChoiceField(
        label="Agent",
        required=False,
        coerce=int,
        empty_value=None,
        help_text="What an agent says goes before the fields below.",
    )
    model = forms.ChoiceField(label="Model", required=False)
    webhook_url = forms.CharField(
        label="Webhook URL",
        required=False,
        max_length=2000,
        help_text="Where the events of this number's calls are sent.",
    )

    serializer_class = NumberUpdateSerializer
    layout = SECTIONS
    slug_field = "model"

    def __init__(self, data: Mapping[str, Any] | None = None, *, number: PhoneNumber) -> None:
        super().__init__(data, settings=number, developer=number.developer)
        agents = agent_selectors.agents_of(number.developer)
        set_choices(self.fields["agent_id"], "None", [(agent.pk, agent.name) for agent in agents])
