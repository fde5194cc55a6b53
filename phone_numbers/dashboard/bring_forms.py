"""Forms of "Bring your number": the carrier account's credentials, and the number."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models import Developer
from agents.dashboard.forms import ApiKeyInput
from phone_numbers import carrier_accounts
from phone_numbers.carriers.registry import own_accounts_at, settings_of
from phone_numbers.models import CarrierAccount

# Credentials by the names of the API: what the form calls them, and whether they are secret.
CREDENTIALS = {
    "account_sid": ("Account SID", False),
    "auth_token": ("Auth token", True),
    "api_key": ("API key", True),
    "public_key": ("Public key", False),
    "connection_id": ("Call Control application ID", False),
}

HINTS = {
    "public_key": "Without it, incoming calls are refused.",
    "connection_id": "Needed if the account has more than one.",
}


def _credential(name: str, **about: Any) -> forms.CharField:
    label, is_secret = CREDENTIALS[name]
    return (ApiKeyInput if is_secret else forms.CharField)(label=label, max_length=500, **about)


class CarrierAccountForm(forms.Form):
    """Credentials at one carrier."""

    provider = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, provider: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, auto_id=f"id_%s_{provider}", initial={"provider": provider})
        self.carrier = settings_of(provider)["NAME"]
        adapter = own_accounts_at(provider)
        for name in (*adapter.required_credentials, *adapter.optional_credentials):
            is_required = name in adapter.required_credentials
            self.fields[name] = _credential(name, required=is_required, help_text=HINTS.get(name, ""))
        self.fields["label"] = forms.CharField(label="Name", max_length=100, required=False)

    def account(self) -> dict[str, Any]:
        """What `carrier_accounts.create_account` takes."""
        values = self.cleaned_data
        credentials = {name: values[name] for name in CREDENTIALS if name in values}
        return {"provider": values["provider"], "label": values["label"], "credentials": credentials}


class CredentialsForm(forms.Form):
    """New credentials for an account; what is left empty stays as it is."""

    def __init__(self, account: CarrierAccount, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, auto_id=f"id_%s_of_{account.pk}")
        adapter = own_accounts_at(account.provider)
        for name in (*adapter.required_credentials, *adapter.optional_credentials):
            if name not in adapter.fixed_credentials:
                self.fields[name] = _credential(name, required=False)

    def credentials(self) -> dict[str, str]:
        """Those that were entered."""
        return {name: value for name, value in self.cleaned_data.items() if value}


class ImportForm(forms.Form):
    """One number of one account."""

    carrier_account_id = forms.TypedChoiceField(label="Account", coerce=int)
    phone_number = forms.RegexField(
        r"^\+[1-9][0-9]{6,14}$",
        label="Phone number",
        widget=forms.TextInput(attrs={"placeholder": "+12025550123", "inputmode": "tel", "autocomplete": "off"}),
        error_messages={"invalid": "Enter the number in international format, like +14155551234."},
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, developer: Developer) -> None:
        super().__init__(data)
        accounts = carrier_accounts.accounts_of(developer)
        choices = [
            (each.pk, f"{settings_of(each.provider)['NAME']} {each.label or '…' + each.last_four}") for each in accounts
        ]
        self.fields["carrier_account_id"].choices = choices  # type: ignore[attr-defined]
