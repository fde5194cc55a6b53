"""The forms of the billing page."""

from decimal import Decimal
from typing import Any

from django import forms

from billing.models import AutoTopUp
from billing.payments import auto_topup, checkout

OTHER = "other"
PRESETS = [(str(amount), f"${amount}") for amount in checkout.AMOUNTS]


class TopUpForm(forms.Form):
    """One of the usual amounts, or another one. `amount` is what is wanted in the end."""

    preset = forms.ChoiceField(
        choices=[*PRESETS, (OTHER, "Other")], initial="20", widget=forms.RadioSelect, label="Amount"
    )
    other_amount = forms.DecimalField(
        required=False,
        min_value=checkout.LEAST,
        max_value=checkout.MOST,
        decimal_places=2,
        label="Other amount, in USD",
        help_text=f"From ${checkout.LEAST} to ${checkout.MOST}.",
    )
    saves_card = forms.BooleanField(required=False, label="Keep the card for automatic top-ups")

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        is_other = found.get("preset") == OTHER
        if is_other and found.get("other_amount") is None and "other_amount" not in self.errors:
            self.add_error("other_amount", "Say how much.")
        found["amount"] = found.get("other_amount") if is_other else Decimal(found.get("preset") or 0)
        return found


class AutoTopUpForm(forms.Form):
    """When the saved card is charged."""

    enabled = forms.BooleanField(required=False, label="Top up automatically")
    threshold = forms.DecimalField(
        min_value=auto_topup.THRESHOLDS[0],
        max_value=auto_topup.THRESHOLDS[1],
        decimal_places=2,
        label="When the balance falls below, in USD",
        help_text=f"From ${auto_topup.THRESHOLDS[0]} to ${auto_topup.THRESHOLDS[1]}.",
    )
    amount = forms.TypedChoiceField(
        choices=[(str(amount), f"${amount}") for amount in auto_topup.AMOUNTS], coerce=Decimal, label="Charge"
    )

    @classmethod
    def showing(cls, found: AutoTopUp) -> "AutoTopUpForm":
        """As it is; where nothing was said yet, with what would be usual."""
        threshold = Decimal(5) if found.threshold is None else found.threshold
        amount = 25 if found.amount is None else int(found.amount)
        return cls(initial={"enabled": found.enabled, "threshold": f"{threshold:.2f}", "amount": str(amount)})
