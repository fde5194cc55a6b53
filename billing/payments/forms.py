"""The forms of the billing page."""

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from billing.models import AutoTopUp
from billing.payments import auto_topup, checkout

OTHER = "other"


class Dollars(forms.DecimalField):
    """An amount in whole cents within bounds. However many rules an amount violates, a single error says what to enter."""

    def __init__(self, least: Decimal, most: Decimal, *, label: str, required: bool = True) -> None:
        text = f"Enter an amount between ${least} and ${most}, with at most two decimals."
        super().__init__(
            required=required,
            min_value=least,
            max_value=most,
            max_digits=10,
            decimal_places=2,
            label=label,
            help_text=f"${least} to ${most}",
            error_messages=dict.fromkeys(["required", "invalid"], text),
        )

    def run_validators(self, value: Any) -> None:
        try:
            super().run_validators(value)
        except ValidationError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error


PRESETS = [(str(amount), f"${amount}") for amount in checkout.AMOUNTS]


class TopUpForm(forms.Form):
    """A preset amount, or a custom one. `amount` is the resulting one.

    `reference` is the payment's, made with the page: however often the form is sent, it is one payment.
    """

    preset = forms.ChoiceField(
        choices=[*PRESETS, (OTHER, "Other")],
        initial="20",
        widget=forms.RadioSelect,
        label="Amount",
        error_messages={"required": "Choose an amount.", "invalid_choice": "Choose an amount."},
    )
    other_amount = Dollars(checkout.LEAST, checkout.MOST, label="Other amount (USD)", required=False)
    saves_card = forms.BooleanField(required=False, label="Save this card for automatic top-ups")
    reference = forms.UUIDField(required=False, widget=forms.HiddenInput, initial=uuid.uuid4)

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        if found.get("preset") != OTHER:
            self.errors.pop("other_amount", None)  # hidden field
            found["amount"] = Decimal(found.get("preset") or 0)
        elif "other_amount" not in self.errors:
            found["amount"] = found["other_amount"]
            if found["amount"] is None:
                self.add_error("other_amount", self.fields["other_amount"].error_messages["required"])
        return found


class AutoTopUpForm(forms.Form):
    """When the saved card is charged."""

    enabled = forms.BooleanField(required=False, label="Top up automatically")
    threshold = Dollars(*auto_topup.THRESHOLDS, label="When the balance falls below (USD)")
    amount = forms.TypedChoiceField(
        choices=[(str(amount), f"${amount}") for amount in auto_topup.AMOUNTS], coerce=Decimal, label="Amount to charge"
    )

    @classmethod
    def showing(cls, found: AutoTopUp) -> "AutoTopUpForm":
        """The current settings; common values if nothing was set yet."""
        threshold = Decimal(5) if found.threshold is None else found.threshold
        amount = 25 if found.amount is None else int(found.amount)
        return cls(initial={"enabled": found.enabled, "threshold": f"{threshold:.2f}", "amount": str(amount)})
