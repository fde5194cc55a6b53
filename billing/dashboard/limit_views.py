"""The limits page: the account's limits, and daily caps of numbers, agents and API keys."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from accounts.models import Developer
from billing import caps
from billing.extension_points import CAP_OWNERS, SPENT_TODAY
from bubblyphone.core.api.amounts import LEAST, MOST
from bubblyphone.core.pages.views import form_page

NO_LIMIT = {"placeholder": "No limit"}


def _amount(label: str) -> forms.DecimalField:
    field = forms.DecimalField(required=False, min_value=LEAST, max_value=MOST, decimal_places=6, label=label)
    field.widget.attrs |= NO_LIMIT
    return field


def _count(label: str) -> forms.IntegerField:
    widget = forms.NumberInput(attrs=NO_LIMIT)
    return forms.IntegerField(required=False, min_value=1, max_value=10_000, label=label, widget=widget)


class CapsForm(forms.Form):
    """All daily caps in one form, with fields named by scope and id ("agent_7"); an empty field means no limit."""

    daily_cap = _amount("Daily limit (USD)")
    max_concurrent_calls = _count("Max concurrent calls")
    max_calls_per_caller_per_hour = _count("Max calls per caller per hour")

    def __init__(self, data: Any, *, developer: Developer) -> None:
        self.developer = developer
        self.owners = {owner.name: owner for source in CAP_OWNERS for owner in source(developer)}
        limits = caps.limits_of(developer)
        before = {name: getattr(limits, name) for name in caps.FIELDS}
        before |= {name: owner.daily_cap for name, owner in self.owners.items()}
        before = {name: _plain(value) for name, value in before.items()}
        super().__init__(data, initial=before)
        for name, owner in self.owners.items():
            self.fields[name] = _amount(owner.label)
        for name in caps.CEILINGS:
            if ceiling := caps.ceiling_text(limits, name):
                self.fields[name].widget.attrs["placeholder"] = ""
                self.fields[name].help_text = f"At most {ceiling}. Contact support to raise it."

    def clean(self) -> dict[str, Any]:
        changed = {
            name: self.cleaned_data[name] for name in caps.FIELDS & self.cleaned_data.keys() & {*self.changed_data}
        }
        for name, texts in caps.above_ceilings(caps.limits_of(self.developer), changed).items():
            self.add_error(name, texts)
        return self.cleaned_data

    def save(self) -> None:
        """Save the changed caps."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        with transaction.atomic():
            caps.set_limits(
                developer=self.developer, changes={name: changed[name] for name in caps.FIELDS & changed.keys()}
            )
            for name in self.owners.keys() & changed.keys():
                self.owners[name].set_daily_cap(changed[name])

    def account_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("daily_cap", "max_concurrent_calls", "max_calls_per_caller_per_hour")]

    def groups(self) -> Iterator[tuple[str, list[tuple[forms.BoundField, Decimal | None]]]]:
        """Group titles and their fields, each with today's spending if it has a cap."""
        for title, owners in groupby(self.owners.values(), key=lambda owner: owner.group):
            yield title, [(self[owner.name], owner.spent_today() if owner.daily_cap else None) for owner in owners]


def _plain(value: Any) -> Any:
    """A number as people write it: 5, not 5.000000."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


@form_page
def limits(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    form = CapsForm(request.POST or None, developer=developer)
    if form.is_valid():
        form.save()
        messages.success(request, "Limits saved.")
        return redirect("caps")
    return render(request, "billing/limits.html", {"form": form, "spent_today": SPENT_TODAY.get()(developer)})
