"""What people type on the pages of events and webhook endpoints."""

from typing import Any

from django import forms
from django.db.models import Q

from accounts.models import Developer
from bubblyphone.core.api.openapi import description
from bubblyphone.core.pages.filters import FilterForm, set_choices
from bubblyphone.core.pagination import read_id
from webhooks import account_endpoints, event_feed
from webhooks.http.outbound_http import MAX_URL_LENGTH, validate_webhook_url
from webhooks.outbox import EVERY_EVENT


def _event_choices() -> list[tuple[str, str]]:
    return [("", "All events"), *((name, name) for name in description().event_types)]


def _subscription_choices() -> list[tuple[str, str]]:
    return [(EVERY_EVENT, "All events"), *((name, name) for name in description().event_types)]


def _moment(label: str, *, required: bool = False) -> forms.DateTimeField:
    """A date and time on the reader's clock."""
    widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
    return forms.DateTimeField(label=label, required=required, widget=widget)


class EndpointForm(forms.Form):
    """An endpoint, with the bounds of the API."""

    url = forms.CharField(
        label="URL",
        max_length=MAX_URL_LENGTH,
        validators=[validate_webhook_url],
        widget=forms.URLInput(attrs={"placeholder": "https://yourapp.com/events", "autocomplete": "off"}),
    )
    description = forms.CharField(
        label="Description", max_length=200, required=False, widget=forms.TextInput(attrs={"placeholder": "CRM"})
    )
    events = forms.MultipleChoiceField(
        label="Events", choices=_subscription_choices, initial=[EVERY_EVENT], widget=forms.CheckboxSelectMultiple
    )

    def clean_events(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["events"]
        return [EVERY_EVENT] if EVERY_EVENT in chosen else chosen

    def fields_of_endpoint(self) -> dict[str, Any]:
        """Of a valid form, as `account_endpoints` takes them."""
        return {
            "url": self.cleaned_data["url"],
            "description": self.cleaned_data["description"],
            "event_types": self.cleaned_data["events"],
        }


class _TimeRangeForm(forms.Form):
    def clean(self) -> dict[str, Any]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until <= since:
            self.add_error("until", "Enter a time after the From time.")
        return self.cleaned_data


class EventFilterForm(_TimeRangeForm, FilterForm):
    """The filters of the list of events."""

    first = ("type",)
    type = forms.ChoiceField(label="Event", required=False, choices=_event_choices)
    call = forms.CharField(
        label="Call",
        required=False,
        max_length=19,
        widget=forms.TextInput(attrs={"placeholder": "Call ID", "inputmode": "numeric"}),
    )
    since = _moment("From")
    until = _moment("To")

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.choose()

    def clean_call(self) -> str:
        text: str = self.cleaned_data["call"]
        if text and read_id(text) is None:
            raise forms.ValidationError("Enter the ID of a call, like 42.")
        return text

    def lookups(self, developer_id: int) -> Q:
        """The account's events that fit."""
        fitting = event_feed.in_period(developer_id, self.chosen.get("since"), self.chosen.get("until"))
        if "type" in self.chosen:
            fitting &= Q(event_type=self.chosen["type"])
        if "call" in self.chosen:
            fitting &= Q(subject=f"call:{self.chosen['call']}")
        return fitting


class ResendEventsForm(_TimeRangeForm):
    """Which events go to an endpoint again."""

    endpoint = forms.TypedChoiceField(label="Endpoint", coerce=int)
    since = _moment("From", required=True)
    until = _moment("To", required=True)
    type = forms.ChoiceField(label="Event", required=False, choices=_event_choices)

    def __init__(self, data: Any = None, *, developer: Developer, **options: Any) -> None:
        super().__init__(data, **options)
        enabled = account_endpoints.endpoints_of(developer).filter(enabled=True).order_by("pk")
        set_choices(self, "endpoint", [(endpoint.pk, endpoint.description or endpoint.url) for endpoint in enabled])
