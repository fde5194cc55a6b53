"""Forms for signing up, signing in, and naming a key."""

from zoneinfo import available_timezones

from django import forms

from accounts.common_passwords import refuse_common

# Zones named after a place, and UTC: the others are old spellings.
TIME_ZONES = [
    "UTC",
    *sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))),
]


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


def _current_password(label: str, **attrs: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", **attrs}),
    )


def _user_name() -> forms.EmailField:
    """The email address to sign in with, for browsers' password managers."""
    widget = forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    return forms.EmailField(label="Email", max_length=254, widget=widget)


def _company() -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "organization"})
    return forms.CharField(label="Company", max_length=150, required=False, widget=widget)


class SignUpForm(forms.Form):
    """Same bounds as the API."""

    name = forms.CharField(label="Your name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.EmailField(label="Email", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    company_name = _company()
    password = _new_password("Password")
    # Reported by the browser (static/js/app.js); can be changed on the account page.
    time_zone = forms.CharField(
        required=False, max_length=64, widget=forms.HiddenInput(attrs={"data-time-zone": "", "autocomplete": "off"})
    )

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"]
        return zone if zone in TIME_ZONES else "UTC"


class SignInForm(forms.Form):
    email = _user_name()
    password = _current_password("Password")


class ForgotPasswordForm(forms.Form):
    email = _user_name()


class ResetPasswordForm(forms.Form):
    password = _new_password()


class ChangePasswordForm(forms.Form):
    current_password = _current_password("Current password")
    password = _new_password()


class ProfileForm(forms.Form):
    name = forms.CharField(label="Your name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    company_name = _company()
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=[(name, name.replace("_", " ")) for name in TIME_ZONES],
        help_text="For times in the dashboard. The API and webhooks use UTC.",
    )


class DeleteAccountForm(forms.Form):
    password = _current_password("Your password", id="id_delete_password")


class ApiKeyForm(forms.Form):
    label = forms.CharField(
        label="Key name",
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Production server", "autocomplete": "off"}),
    )
    is_admin = forms.BooleanField(label="Admin key", required=False)
