"""Forms for finding a number to buy, and for configuring who answers it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.timezone import localtime

from accounts.models import Developer
from agents import selectors as agent_selectors
from agents.agent_settings.form import Section, SettingsForm, check_by, set_choices
from agents.agent_settings.inputs import URL_INPUT, narrow, wide
from agents.agent_settings.kinds import Group
from bubblyphone.core.numbering.e164 import is_e164
from bubblyphone.core.pages.filters import FilterForm
from phone_numbers.api.update import NumberUpdateSerializer
from phone_numbers.countries import country_name
from phone_numbers.models import CallMode, NumberPrice, NumberType, PhoneNumber
from phone_numbers.selectors import matches_label_or_digits

TYPE_LABELS = {"local": "Local", "mobile": "Mobile", "toll_free": "Toll-free", "national": "National"}
# Hidden input that static/js/forms.js sets once the user has changed `mode`: it then no longer follows the agent.
VERSIONS_SHOWN = 50  # the newest
MODE_WAS_CHOSEN = "mode_was_chosen"
# Choices besides an agent. A number that nobody answers is stored as one with a server but no URL.
SERVER, NOBODY = "server", "nobody"
NO_SERVER = "Enter the URL of your server. Without one, callers hear a busy signal."
# The groups of the configuration form.
SECTIONS = (
    Section(
        "Who answers?", narrow=("mode", "agent_id", "agent_version", "label"), template="numbers/_mode_was_chosen.html"
    ),
    Section(
        "Conversation",
        (*wide(Group.CONVERSATION), "model", *wide(Group.MODEL)),
        (*narrow(Group.MODEL), *narrow(Group.CONVERSATION)),
    ),
    Section("Tools and webhooks", (*wide(Group.TOOLS), "webhook_url"), narrow(Group.TOOLS), "calls/_lookup.html"),
    Section("After the call", wide(Group.AFTER), narrow(Group.AFTER)),
    Section("Limits", (*wide(Group.LIMITS), *wide(Group.OPTIONS)), (*narrow(Group.LIMITS), *narrow(Group.OPTIONS))),
)


class NumberFilterForm(FilterForm):
    """The search above the list of numbers."""

    first = ("q",)
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=100,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": "Number, label, or agent", "autocomplete": "off"}
        ),
    )

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.choose()

    def narrow(self, numbers: QuerySet[PhoneNumber]) -> QuerySet[PhoneNumber]:
        """The matching numbers; none while the search is invalid."""
        if not self.is_valid():
            return numbers.none()
        text = self.chosen.get("q")
        return numbers.filter(matches_label_or_digits(text) | Q(agent__name__icontains=text)) if text else numbers


def countries() -> list[tuple[str, str]]:
    """Countries with numbers for sale, by name, the United States first."""
    codes = NumberPrice.objects.order_by().values_list("country_code", flat=True).distinct()
    return sorted(((code, country_name(code)) for code in codes), key=lambda pair: (pair[0] != "US", pair[1]))


def _agent_choices(developer: Developer) -> list[tuple[int, str]]:
    return [(agent.pk, agent.name) for agent in agent_selectors.agents_of(developer)]


def _version_choices(number: PhoneNumber) -> list[tuple[int, str]]:
    """The newest versions of a number's agent, and the selected one."""
    if number.agent is None:
        return []
    rows = list(number.agent.versions.values_list("number", "published_at")[:VERSIONS_SHOWN])
    if number.agent_version is not None and number.agent_version.number < rows[-1][0]:
        rows.append((number.agent_version.number, number.agent_version.published_at))
    return [(version, f"Version {version}, {date_format(localtime(at), 'M j, H:i')}") for version, at in rows]


class NumberSearchForm(forms.Form):
    country = forms.ChoiceField(label="Country")
    number_type = forms.ChoiceField(
        label="Type", choices=[(kind.value, TYPE_LABELS[kind.value]) for kind in NumberType], initial="local"
    )
    area_code = forms.RegexField(
        r"^[0-9]{1,6}$", label="Area code", required=False, error_messages={"invalid": "Enter digits only, like 415."}
    )
    locality = forms.CharField(label="City", required=False, max_length=100)
    contains = forms.RegexField(
        r"^[0-9]{1,12}$", label="Contains", required=False, error_messages={"invalid": "Enter digits only, like 123."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["country"] = forms.ChoiceField(label="Country", choices=countries(), initial="US")
        for name, example in (("area_code", "415"), ("locality", "San Francisco"), ("contains", "55")):
            self.fields[name].widget.attrs |= {"placeholder": example, "autocomplete": "off"}
        for name in ("area_code", "contains"):
            self.fields[name].widget.attrs["inputmode"] = "numeric"


class BuyForm(forms.Form):
    """The chosen number; the services determine its price."""

    phone_number = forms.CharField(max_length=20, widget=forms.HiddenInput)
    country_code = forms.CharField(max_length=2, widget=forms.HiddenInput)
    number_type = forms.ChoiceField(choices=NumberType.choices, widget=forms.HiddenInput)
    label = forms.CharField(
        label="Name", max_length=100, required=False, widget=forms.TextInput(attrs={"placeholder": "Support line"})
    )
    answered_by = forms.ChoiceField(
        label="Who answers?",
        help_text="You can change it later.",
        error_messages={"required": "Choose who answers."},
    )
    webhook_url = forms.CharField(
        label="Webhook URL",
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs=URL_INPUT),
        help_text="We send each event of a call there and follow its answer.",
    )

    def __init__(self, data: Any = None, *, developer: Developer, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        choices = [("", "Choose…"), *_agent_choices(developer), (SERVER, "Your server"), (NOBODY, "Nobody yet")]
        self.fields["answered_by"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Returns `agent_id` and `webhook_url` in the format of `services.buy_number`."""
        values: dict[str, Any] = super().clean() or {}
        answered_by = values.pop("answered_by", "")
        url = values["webhook_url"] = values.get("webhook_url", "") if answered_by == SERVER else ""
        if answered_by == SERVER and not url and "webhook_url" not in self.errors:
            self.add_error("webhook_url", NO_SERVER)
        elif url:
            check_by(NumberUpdateSerializer(data={"webhook_url": url}, partial=True), self)
        return {**values, "agent_id": int(answered_by) if answered_by.isdecimal() else None}

    def clean_phone_number(self) -> str:
        number: str = self.cleaned_data["phone_number"]
        if not is_e164(number):
            raise forms.ValidationError("Choose one of the available numbers.")
        return number


class NumberForm(SettingsForm):
    """A number's configuration.

    Once valid, `changes` is the input of `phone_numbers.configuration.update_number`. Choosing an agent or writing the first prompt means
    that the model should answer: the mode follows, unless it was changed too.
    """

    label = forms.CharField(label="Name", required=False, max_length=100)
    mode = forms.ChoiceField(
        label="Answered by",
        choices=[(CallMode.STREAMING, "AI agent"), (CallMode.WEBHOOK, "Your server"), (NOBODY, "Nobody")],
        widget=forms.Select(attrs={"data-marks": MODE_WAS_CHOSEN}),
        help_text="AI agent: a model talks to the caller. "
        "Your server: we send each event to your webhook URL and follow its answer. "
        "Nobody: callers hear a busy signal, and the webhook URL is removed.",
    )
    agent_id = forms.TypedChoiceField(
        label="Agent",
        required=False,
        coerce=int,
        empty_value=None,
        widget=forms.Select(attrs={"data-sets": "id_mode", "data-sets-value": CallMode.STREAMING.value}),
        help_text="Answers this number's calls.",
    )
    agent_version = forms.TypedChoiceField(
        label="Version",
        required=False,
        coerce=int,
        empty_value=None,
        help_text="A number can keep a version while you publish others.",
    )
    model = forms.ChoiceField(label="Model", required=False)
    webhook_url = forms.CharField(
        label="Webhook URL",
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs=URL_INPUT),
        help_text="Receives this number's call events.",
    )

    serializer_class = NumberUpdateSerializer
    layout = SECTIONS
    slug_field = "model"

    def __init__(self, data: Mapping[str, Any] | None = None, *, number: PhoneNumber) -> None:
        super().__init__(data, settings=number, developer=number.developer)
        set_choices(self.fields["agent_id"], "None", _agent_choices(number.developer))
        set_choices(self.fields["agent_version"], "Always the live version", _version_choices(number))
        self._saved_mode = number.mode
        if number.mode == CallMode.WEBHOOK and not number.webhook_url:
            self.initial["mode"] = NOBODY
        self.initial["agent_version"] = number.agent_version.number if number.agent_version else ""

    def clean(self) -> dict[str, Any]:
        chosen = self.cleaned_data.get("mode")
        is_chosen = chosen != self.initial["mode"] or bool(self.data.get(MODE_WAS_CHOSEN))
        if chosen == NOBODY:
            self.cleaned_data["mode"] = CallMode.WEBHOOK.value
            self.cleaned_data["webhook_url"] = "" if is_chosen else self.cleaned_data.get("webhook_url", "")
        values = super().clean()
        if not is_chosen and values.get("mode") == CallMode.WEBHOOK and self._makes_the_model_answer(values):
            self.changes["mode"] = CallMode.STREAMING.value
        elif is_chosen and chosen == CallMode.WEBHOOK and not values.get("webhook_url"):
            self.add_error("webhook_url", NO_SERVER)
        return values

    def _differs(self, name: str, value: Any) -> bool:
        return value != self._saved_mode if name == "mode" else super()._differs(name, value)

    def _makes_the_model_answer(self, values: Mapping[str, Any]) -> bool:
        prompt = values.get("system_prompt")
        is_first_prompt = bool(prompt) and self._differs("system_prompt", prompt) and not values.get("webhook_url")
        return is_first_prompt or bool(values.get("agent_id") and self._differs("agent_id", values["agent_id"]))
