"""The forms of the calling policy and the do-not-call list."""

from datetime import time
from typing import Any

import phonenumbers
from django import forms

from accounts.models import Developer
from bubblyphone.core.errors import InvalidRequest
from calls.dashboard.forms import TelephoneField
from calls.models import DialingPolicy, DoNotCallNumber
from calls.policy import services
from calls.policy.calling_hours import DAYS
from phone_numbers.countries import COUNTRY_NAMES

DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COUNTRIES = [(code, COUNTRY_NAMES[code]) for code in sorted(COUNTRY_NAMES, key=COUNTRY_NAMES.__getitem__)]
_CLOCK = "%H:%M"


def _clock(label: str) -> forms.TimeField:
    return forms.TimeField(
        label=label,
        required=False,
        widget=forms.TimeInput(format=_CLOCK, attrs={"type": "time"}),
        input_formats=[_CLOCK],
    )


class PolicyForm(forms.Form):
    """The account's policy. Empty and disabled fields mean no rule."""

    limit_countries = forms.BooleanField(label="Only call some countries", required=False)
    countries = forms.MultipleChoiceField(
        label="Countries",
        required=False,
        choices=COUNTRIES,
        widget=forms.CheckboxSelectMultiple,
    )
    other_countries = forms.CharField(
        label="Other countries",
        required=False,
        max_length=1200,
        help_text="Two-letter codes, separated by commas.",
        widget=forms.TextInput(attrs={"placeholder": "GR, KR", "autocomplete": "off"}),
    )
    start = _clock("From")
    end = _clock("To")
    days = forms.MultipleChoiceField(
        label="Days",
        required=False,
        choices=[*zip(DAYS, DAY_NAMES, strict=True)],
        initial=DAYS,
        widget=forms.CheckboxSelectMultiple,
    )
    max_calls_per_number_per_day = forms.IntegerField(
        label="Max calls per number in 24 hours",
        required=False,
        min_value=1,
        max_value=1000,
        widget=forms.NumberInput(attrs={"placeholder": "No limit"}),
    )

    def __init__(self, data: Any = None, *, policy: DialingPolicy) -> None:
        codes, hours = policy.allowed_countries, policy.calling_hours or {}
        initial = {
            "limit_countries": codes is not None,
            "countries": [code for code in codes or () if code in COUNTRY_NAMES],
            "other_countries": ", ".join(code for code in codes or () if code not in COUNTRY_NAMES),
            "start": time.fromisoformat(hours["start"]) if hours else None,
            "end": time.fromisoformat(hours["end"]) if hours else None,
            "days": hours.get("days", DAYS),
            "max_calls_per_number_per_day": policy.max_calls_per_number_per_day,
        }
        super().__init__(data, initial=initial)

    def clean_other_countries(self) -> list[str]:
        text: str = self.cleaned_data["other_countries"]
        codes = text.upper().replace(",", " ").split()
        if unknown := [code for code in codes if code not in phonenumbers.SUPPORTED_REGIONS]:
            raise forms.ValidationError(f"Unknown country code: {', '.join(unknown)}.")
        return codes

    def clean(self) -> dict[str, Any]:
        entered = self.cleaned_data
        start, end = entered.get("start"), entered.get("end")
        if "start" in entered and "end" in entered:
            if (start is None) != (end is None):
                self.add_error("end" if end is None else "start", "Enter both times, or neither.")
            elif start is not None and start == end:
                self.add_error("end", "Choose a time other than the start.")
        if start is not None and not entered.get("days", DAYS):
            self.add_error("days", "Select at least one day.")
        if entered["limit_countries"] and not self._codes() and not self.errors:
            self.add_error("countries", "Select at least one country, or allow all.")
        return entered

    def _codes(self) -> list[str]:
        return sorted({*self.cleaned_data.get("countries", ()), *self.cleaned_data.get("other_countries", ())})

    def save(self, developer: Developer) -> None:
        """Of a valid form."""
        entered = self.cleaned_data
        hours = None
        if entered["start"] is not None:
            hours = {
                "start": entered["start"].strftime(_CLOCK),
                "end": entered["end"].strftime(_CLOCK),
                "days": [day for day in DAYS if day in entered["days"]],
            }
        changes = {
            "allowed_countries": self._codes() if entered["limit_countries"] else None,
            "calling_hours": hours,
            "max_calls_per_number_per_day": entered["max_calls_per_number_per_day"],
        }
        services.set_policy(developer=developer, changes=changes)


class DoNotCallForm(forms.Form):
    """One number for the list."""

    phone_number = TelephoneField(label="Phone number")
    reason = forms.CharField(label="Reason", max_length=services.MAX_REASON, required=False)


class DoNotCallFileForm(forms.Form):
    """Numbers for the list from a CSV file: all of them or, if any line is invalid, none."""

    file = forms.FileField(
        label="CSV file",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )

    def save(self, developer: Developer) -> dict[str, int] | None:
        """`added` and `already_listed`; None, with errors, if the file is rejected."""
        content, source = self.cleaned_data["file"].read(services.MAX_FILE_BYTES + 1), DoNotCallNumber.Source.PAGE
        try:
            return services.import_csv(developer=developer, content=content, source=source)
        except InvalidRequest as error:
            for path, texts in error.errors.items():
                line = path.removeprefix("rows.") if path.startswith("rows.") else ""
                self.add_error("file", [f"Line {line}: {text}" if line else text for text in texts])
            return None
