"""Looking for a number to buy, and saying how its calls are handled."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms

from agents import selectors as agent_selectors
from agents.models import VoicemailAction
from bubblyphone.core.e164 import is_e164
from bubblyphone.core.money import format_money
from phone_numbers.api.update import NumberUpdateSerializer
from phone_numbers.countries import country_name
from phone_numbers.models import CallMode, NumberPrice, NumberType, PhoneNumber

TYPE_LABELS = {"local": "Local", "mobile": "Mobile", "toll_free": "Toll-free", "national": "National"}
# The groups of the configuration form: title, fields as wide as the page, fields side by side.
SECTIONS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("Basics", (), ("label", "mode", "agent_id")),
    ("What the agent says", ("system_prompt", "greeting_message", "model"), ("model_key_id", "voice", "language")),
    ("Tools and webhooks", ("tools", "tool_webhook_url", "webhook_url"), ()),
    ("Limits and hand-over", (), ("max_call_duration", "silence_timeout", "transfer_number", "voicemail_action")),
    ("Switches", (), ("auto_transfer_tool", "realtime_transcript", "recording_enabled", "transcription_enabled")),
)
SWITCHES = ("realtime_transcript", "recording_enabled", "transcription_enabled")
# PostgreSQL forgets the order of keys in JSON; people read definitions in this one.
KEY_ORDER = ("name", "description", "type", "parameters", "properties", "required")


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
    contains = forms.RegexField(
        r"^[0-9]{1,12}$", label="Contains", required=False, error_messages={"invalid": "Digits only, like 123."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["country"] = forms.ChoiceField(label="Country", choices=countries(), initial="US")
        for name, example in (("area_code", "415"), ("contains", "55")):
            self.fields[name].widget.attrs |= {"inputmode": "numeric", "placeholder": example, "autocomplete": "off"}


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


class NumberForm(forms.Form):
    """A number's configuration by the names that the API has. Valid, `changes` is what `update_number` takes: only what differs.

    Emptied, a field says nothing, and the agent or the default holds.
    """

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
    model_key_id = forms.TypedChoiceField(
        label="Model key",
        required=False,
        coerce=int,
        empty_value=None,
        help_text="With a key of your own the model costs nothing here.",
    )
    system_prompt = forms.CharField(
        label="System prompt",
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 8, "placeholder": "You are the receptionist of … We are open …"}),
        help_text="Who the agent is, what it knows, and how it should behave.",
    )
    greeting_message = forms.CharField(
        label="Greeting",
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs={"placeholder": "Greet the caller and ask how you can help."}),
        help_text="What the agent is told when the call begins.",
    )
    voice = forms.CharField(
        label="Voice", required=False, max_length=80, widget=forms.TextInput(attrs={"placeholder": "Kore"})
    )
    language = forms.CharField(
        label="Language", required=False, max_length=20, widget=forms.TextInput(attrs={"placeholder": "en-US"})
    )
    tools = forms.CharField(
        label="Tools",
        required=False,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 5, "class": "code", "spellcheck": "false"}),
        help_text="A JSON list of functions that the model may call, like "
        '[{"name": "check_availability", "description": "Is a day free?", "parameters": {"date": "string"}}]',
    )
    tool_webhook_url = forms.CharField(
        label="Tool webhook URL",
        required=False,
        max_length=2000,
        help_text="Where tool calls are sent. Needed when there are tools.",
    )
    webhook_url = forms.CharField(
        label="Webhook URL",
        required=False,
        max_length=2000,
        help_text="Where the events of this number's calls are sent.",
    )
    max_call_duration = forms.IntegerField(
        label="Longest call",
        required=False,
        min_value=60,
        max_value=3600,
        help_text="Seconds, 60 to 3600; 3600 when empty.",
    )
    silence_timeout = forms.IntegerField(
        label="Silence limit",
        required=False,
        min_value=10,
        max_value=120,
        help_text="Seconds, 10 to 120; 30 when empty.",
    )
    transfer_number = forms.CharField(
        label="Transfer to",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"placeholder": "+12025550123", "inputmode": "tel"}),
        help_text="A person's number, for callers who ask for one.",
    )
    voicemail_action = forms.ChoiceField(
        label="When voicemail answers",
        required=False,
        choices=[
            ("", "Default: hang up"),
            (VoicemailAction.HANGUP, "Hang up"),
            (VoicemailAction.AI_MESSAGE, "Let the agent leave a message"),
        ],
    )
    auto_transfer_tool = forms.BooleanField(label="The agent may transfer calls", required=False)
    realtime_transcript = forms.BooleanField(
        label="Send the transcript live",
        required=False,
        help_text="As events to the webhook URL, sentence by sentence.",
    )
    recording_enabled = forms.BooleanField(label="Record calls", required=False)
    transcription_enabled = forms.BooleanField(
        label="Transcribe recordings", required=False, help_text="With Whisper, after the call. Needs recording."
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, number: PhoneNumber) -> None:
        super().__init__(data, initial=_initial(number))
        self.changes: dict[str, Any] = {}
        _set_choices(self.fields["agent_id"], "None", _agent_choices(number))
        _set_choices(self.fields["model"], "Default: the first available", _model_choices())
        _set_choices(self.fields["model_key_id"], "None: BubblyPhone's key", _key_choices(number))
        for name in ("tool_webhook_url", "webhook_url"):
            self.fields[name].widget.attrs |= {"placeholder": "https://", "inputmode": "url", "autocomplete": "off"}

    def clean_tools(self) -> list[Any] | None:
        """The JSON text as what it says."""
        text = self.cleaned_data["tools"]
        try:
            tools: list[Any] | None = json.loads(text) if text else None
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from error
        return tools

    def clean(self) -> dict[str, Any]:
        """The bounds are the API's own, so that page and API can never disagree."""
        values: dict[str, Any] = super().clean() or {}
        payload = {name: _none_if_empty(value) for name, value in values.items() if self._differs(name, value)}
        serializer = NumberUpdateSerializer(data=payload)
        if serializer.is_valid():
            self.changes = dict(serializer.validated_data)
        for name, detail in serializer.errors.items():
            for text in _texts(detail):
                self.add_error(name if name in self.fields else None, text)
        return values

    def _differs(self, name: str, value: Any) -> bool:
        before = self.initial[name]
        if name == "tools":
            before = json.loads(before) if before else None
        return bool(_none_if_empty(value) != _none_if_empty(before))

    def sections(self) -> Iterator[tuple[str, list[forms.BoundField], list[forms.BoundField]]]:
        """The fields in the groups that the page shows."""
        for title, wide, narrow in SECTIONS:
            yield title, [self[name] for name in wide], [self[name] for name in narrow]


def _initial(number: PhoneNumber) -> dict[str, Any]:
    model = agent_selectors.find_model(number.model_slug) if number.model_slug else None
    names = [name for _, wide, narrow in SECTIONS for name in (*wide, *narrow) if name != "model"]
    values = {name: getattr(number, name) for name in names}
    return {
        **{name: "" if value is None else value for name, value in values.items()},
        "model": model.slug if model else "",
        "tools": json.dumps(_in_reading_order(number.tools), indent=2, ensure_ascii=False) if number.tools else "",
        "auto_transfer_tool": number.auto_transfer_tool is not False,
        **{name: bool(values[name]) for name in SWITCHES},
    }


def _in_reading_order(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_reading_order(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: KEY_ORDER.index(key) if key in KEY_ORDER else len(KEY_ORDER))
    return {key: _in_reading_order(value[key]) for key in keys}


def _set_choices(field: forms.Field, empty: str, choices: list[tuple[Any, str]]) -> None:
    if isinstance(field, forms.ChoiceField):
        field.choices = [("", empty), *choices]


def _model_choices() -> list[tuple[str, str]]:
    return [
        (
            model.slug,
            f"{model.display_name} · ${format_money(model.price_per_minute)} a minute"
            + ("" if agent_selectors.is_available(model) else " · needs a key of yours"),
        )
        for model in agent_selectors.list_models()
        if model.is_enabled
    ]


def _agent_choices(number: PhoneNumber) -> list[tuple[int, str]]:
    return [(agent.pk, agent.name) for agent in agent_selectors.agents_of(number.developer)]


def _key_choices(number: PhoneNumber) -> list[tuple[int, str]]:
    keys = agent_selectors.model_keys_of(number.developer)
    return [(key.pk, f"{key.label or key.get_provider_display()} …{key.last_four}") for key in keys]


def _none_if_empty(value: Any) -> Any:
    return None if value in ("", None) else value


def _texts(detail: Any, path: str = "") -> Iterator[str]:
    """The texts of nested errors, each with where it is about ("0.name: …")."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _texts(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list | tuple):
        for inner in detail:
            yield from _texts(inner, path)
    else:
        yield f"{path}: {detail}" if path else str(detail)
