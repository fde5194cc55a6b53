"""The forms of the call pages."""

import re
from collections.abc import Iterable
from datetime import datetime, time
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from accounts.models import Developer
from agents import selectors as agent_selectors
from agents.models import Agent
from bubblyphone.core.numbering.e164 import is_e164
from bubblyphone.core.pages.filters import FilterForm, set_choices
from bubblyphone.core.templatetags.ui import phone
from calls.models import Call, CallStatus, Direction
from calls.outcomes import OUTCOMES, endings
from calls.search import NEWEST, is_one_digit, search
from phone_numbers import selectors as number_selectors

_SEPARATORS = re.compile(r"[\s().\u2010-\u2015-]+")
LOOKUPS = {
    "direction": "direction",
    "status": "status",
    "number": "phone_number_id",
    "agent": "agent_id",
    "outcome": "outcome",
}


MAX_COLUMNS = 5
MAX_COLUMN_CHOICES = 60
# The outcome of calls refused by the policy or by one of our rules.
REFUSED = "refused"


def _ending_choices() -> list[tuple[str, str]]:
    causes = [(cause.value, words.removesuffix(".")) for cause, words in endings().items()]
    return [("", "Any ending"), *causes, (REFUSED, "Not dialed")]


def _date(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}))


def analysis_fields(agents: Iterable[Agent]) -> list[str]:
    """The analysis fields of these agents, by name."""
    return sorted({name for agent in agents for name in agent.analysis_schema or ()})[:MAX_COLUMN_CHOICES]


def in_words(name: str) -> str:
    """A field's name as a heading."""
    return name.replace("_", " ").capitalize()


class CallFilterForm(FilterForm):
    """The filters of the list of calls."""

    first = ("q", "status")
    apart = ("columns",)
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Number or words said", "autocomplete": "off"}),
    )
    direction = forms.ChoiceField(label="Direction", required=False, choices=[("", "Both"), *Direction.choices])
    status = forms.ChoiceField(label="Status", required=False, choices=[("", "Any status"), *CallStatus.choices])
    ending = forms.ChoiceField(label="Ending", required=False, choices=_ending_choices)
    outcome = forms.ChoiceField(
        label="Outcome",
        required=False,
        choices=[("", "Any outcome"), *((outcome.value, words) for outcome, words in OUTCOMES.items())],
    )
    number = forms.TypedChoiceField(label="Number", required=False, coerce=int, empty_value=None)
    agent = forms.TypedChoiceField(label="Agent", required=False, coerce=int, empty_value=None)
    metadata = forms.CharField(
        label="Metadata", required=False, max_length=600, widget=forms.TextInput(attrs={"placeholder": "order=1815"})
    )
    since = _date("From")
    until = _date("To")
    # Analysis fields with their own column. Fields that no longer exist are ignored.
    columns = forms.MultipleChoiceField(label="Columns", required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, data: QueryDict, *, developer: Developer) -> None:
        agents = list(agent_selectors.agents_of(developer).only("name", "analysis_schema"))
        known = analysis_fields(agents)
        data = data.copy()
        data.setlist("columns", [name for name in data.getlist("columns") if name in known][:MAX_COLUMNS])
        super().__init__(data)
        set_choices(self, "columns", [(name, in_words(name)) for name in known])
        numbers = number_selectors.numbers_of(developer).select_related(None).only("label", "e164").order_by("pk")
        named = [(number.pk, number.label or phone(number.e164)) for number in numbers]
        set_choices(self, "number", [("", "All numbers"), *named])
        set_choices(self, "agent", [("", "All agents"), *((agent.pk, agent.name) for agent in agents)])
        self.choose()

    @property
    def columns_shown(self) -> list[str]:
        """The names of the chosen columns."""
        return list(self.chosen.get("columns", []))

    def clean_metadata(self) -> dict[str, str]:
        """`key=value` pairs separated by commas; a call must have all of them."""
        pairs = [pair.partition("=") for pair in self.cleaned_data["metadata"].split(",") if pair.strip()]
        if any(not key.strip() or not separator for key, separator, _ in pairs):
            raise forms.ValidationError("Enter a key and a value, like order=1815.")
        return {key.strip(): value.strip() for key, _, value in pairs}

    def clean(self) -> dict[str, Any]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", "Enter a date on or after the From date.")
        return self.cleaned_data

    @property
    def moment(self) -> str:
        """The sort order of these calls, if not by id: for a period, PostgreSQL finds calls by their start."""
        return "started_at" if {"since", "until"} & self.chosen.keys() else ""

    @property
    def hint(self) -> str:
        """A note about calls that the search does not cover; "" if it covers all."""
        if is_one_digit(self.chosen.get("q", "")):
            return f"Among the newest {NEWEST:,} calls only. Add a different digit to search all calls."
        return ""

    def narrow(self, calls: QuerySet[Call]) -> QuerySet[Call]:
        """The matching calls; none while a filter is invalid. Days are in the reader's time zone, both included."""
        if not self.is_valid():
            return calls.none()
        calls = calls.filter(**{lookup: self.chosen[name] for name, lookup in LOOKUPS.items() if name in self.chosen})
        if text := self.chosen.get("q"):
            calls = search(calls, text)
        if ending := self.chosen.get("ending"):
            refused = Q(direction=Direction.OUTBOUND) & ~Q(refusal_reason="")
            calls = calls.filter(refused if ending == REFUSED else Q(hangup_cause=ending) & ~refused)
        if labels := self.chosen.get("metadata"):
            calls = calls.filter(metadata__contains=labels)
        if since := self.chosen.get("since"):
            calls = calls.filter(started_at__gte=timezone.make_aware(datetime.combine(since, time.min)))
        if until := self.chosen.get("until"):
            calls = calls.filter(started_at__lte=timezone.make_aware(datetime.combine(until, time.max)))
        return calls


class WhisperForm(forms.Form):
    """An instruction for the agent of a running call."""

    text = forms.CharField(
        label="Whisper to the agent",
        help_text="The agent follows this instruction. The other party does not hear it.",
        max_length=2000,
        widget=forms.TextInput(attrs={"placeholder": "Offer a free delivery.", "autocomplete": "off"}),
    )


class TelephoneField(forms.CharField):
    """A phone number, converted to E.164. Spaces, hyphens, dots and parentheses are ignored."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"placeholder": "+1 202 555 0123", "inputmode": "tel", "autocomplete": "off"}
        super().__init__(max_length=40, widget=forms.TextInput(attrs=attrs), **kwargs)

    def clean(self, value: Any) -> str:
        number = _SEPARATORS.sub("", super().clean(value))
        if number and not is_e164(number):
            raise forms.ValidationError("Enter a number with + and country code, like +12025550123.")
        return number


class TransferForm(forms.Form):
    """The recipient of a transfer."""

    to = TelephoneField(label="Transfer to")
