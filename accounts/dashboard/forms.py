"""Forms for signing up, signing in, and naming a key."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from accounts.common_passwords import refuse_common

# Zones named after a place, and UTC: the others are old spellings.
TIME_ZONES = [
    "UTC",
    *sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))),
]
SELECTED = mark_safe(" selected")


def _new_password(label: str = "New password") -> forms.CharField:
    """8 to 128 characters, except the most common passwords."""
    return forms.CharField(
        label=label,
        min_length=8,
        max_length=128,
        strip=False,
        validators=[refuse_common],
        help_text="At least 8 characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class LongSelect(forms.Select):
    """A select with hundreds of choices. Django's widget renders a template for each, which takes 0.1 s."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        choices = (
            format_html('<option value="{}"{}>{}</option>', key, SELECTED if str(key) == str(value) else "", label)
            for key, label in self.choices
        )
        attributes = flatatt({**self.build_attrs(self.attrs, attrs), "name": name})
        return format_html("<select{}>{}</select>", attributes, mark_safe("".join(choices)))  # noqa: S308  (all escaped)


class SignUpForm(forms.Form):
    """Same bounds as the API."""

    name = forms.CharField(label="Your name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.EmailField(label="Email", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    company_name = forms.CharField(
        label="Company", max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    password = _new_password("Password")
    # Reported by the browser (static/js/app.js); can be changed on the account page.
    time_zone = forms.CharField(
        required=False, max_length=64, widget=forms.HiddenInput(attrs={"data-time-zone": "", "autocomplete": "off"})
    )

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"]
        return zone if zone in TIME_ZONES else "UTC"


class SignInForm(forms.Form):
    email = forms.EmailField(
        label="Email", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )
    password = forms.CharField(
        label="Password",
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class ForgotPasswordForm(forms.Form):
    email = forms.EmailField(
        label="Email", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )


class ResetPasswordForm(forms.Form):
    password = _new_password()


class ChangePasswordForm(forms.Form):
    current_password = forms.CharField(
        label="Current password",
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = _new_password()


class ProfileForm(forms.Form):
    name = forms.CharField(label="Your name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    company_name = forms.CharField(
        label="Company", max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )

    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=[(name, name.replace("_", " ")) for name in TIME_ZONES],
        widget=LongSelect,
        help_text="For times in the dashboard. The API and webhooks use UTC.",
    )


class DeleteAccountForm(forms.Form):
    password = forms.CharField(
        label="Your password",
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "id": "id_delete_password"}),
    )


class ApiKeyForm(forms.Form):
    label = forms.CharField(
        label="Key name",
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Production server", "autocomplete": "off"}),
    )
    is_admin = forms.BooleanField(label="Admin key", required=False)
