"""The limits page: the account's limits, and daily caps of numbers, agents and API keys."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import services as account_services
from accounts.access import signed_in
from accounts.models import Developer
from accounts.selectors import active_api_keys
from agents.models import Agent
from agents.services import update_agent
from billing import caps
from bubblyphone.core.amounts import LEAST, MOST
from bubblyphone.core.pages import page
from bubblyphone.core.templatetags.ui import phone
from calls.charging.daily_caps import DailyCap, Scope
from phone_numbers.configuration import update_number
from phone_numbers.models import PhoneNumber

GROUPS = {Scope.NUMBER: "Numbers", Scope.AGENT: "Agents", Scope.API_KEY: "API keys"}

NO_LIMIT = {"placeholder": "No limit"}


def _amount(label: str) -> forms.DecimalField:
    field = forms.DecimalField(required=False, min_value=LEAST, max_value=MOST, decimal_places=6, label=label)
    field.widget.attrs |= NO_LIMIT
    return field


class CapsForm(forms.Form):
    """All daily caps at once, fields named by scope and id ("agent_7"); an empty one is no limit."""

    daily_cap = _amount("Daily limit (USD)")
    max_concurrent_calls = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        label="Max concurrent calls",
        widget=forms.NumberInput(attrs=NO_LIMIT),
    )
    max_calls_per_caller_per_hour = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        label="Max calls per caller per hour",
        widget=forms.NumberInput(attrs=NO_LIMIT),
    )

    def __init__(self, data: Any, *, developer: Developer) -> None:
        self.developer = developer
        self.owners = dict(_owners(developer))
        limits = caps.limits_of(developer)
        before = {name: getattr(limits, name) for name in caps.FIELDS}
        before |= {name: owner.daily_cap for name, (_, owner, _) in self.owners.items()}
        before = {name: _plain(value) for name, value in before.items()}
        super().__init__(data, initial=before)
        for name, (_, _, label) in self.owners.items():
            self.fields[name] = _amount(label)
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
        """Write what differs."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        with transaction.atomic():
            caps.set_limits(
                developer=self.developer, changes={name: changed[name] for name in caps.FIELDS & changed.keys()}
            )
            for name in self.owners.keys() & changed.keys():
                scope, owner, _ = self.owners[name]
                _set_cap(scope, owner, changed[name])

    def account_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("daily_cap", "max_concurrent_calls", "max_calls_per_caller_per_hour")]

    def groups(self) -> Iterator[tuple[str, list[tuple[forms.BoundField, Decimal | None]]]]:
        """Title, and each field with what was spent today where there is a cap."""
        now = timezone.now()
        for scope, title in GROUPS.items():
            rows: list[tuple[forms.BoundField, Decimal | None]] = []
            for name, (own_scope, owner, _) in self.owners.items():
                if own_scope is scope:
                    cap = DailyCap(self.developer.pk, scope, owner.pk, owner.daily_cap)
                    rows.append((self[name], cap.spent(now) if owner.daily_cap else None))
            if rows:
                yield title, rows


def _owners(developer: Developer) -> Iterator[tuple[str, tuple[Scope, Any, str]]]:
    numbers = PhoneNumber.objects.filter(developer=developer).exclude(status=PhoneNumber.Status.RELEASED)
    for number in numbers.order_by("pk"):
        label = f"{phone(number.e164)} · {number.label}" if number.label else phone(number.e164)
        yield f"phone_number_{number.pk}", (Scope.NUMBER, number, label)
    for agent in Agent.objects.filter(developer=developer).order_by("name", "pk"):
        yield f"agent_{agent.pk}", (Scope.AGENT, agent, agent.name)
    for key in active_api_keys(developer).order_by("pk"):
        yield f"api_key_{key.pk}", (Scope.API_KEY, key, f"{key.label} · {key.hint}")


def _set_cap(scope: Scope, owner: Any, amount: Decimal | None) -> None:
    if scope is Scope.NUMBER:
        update_number(number=owner, changes={"daily_cap": amount})
    elif scope is Scope.AGENT:
        update_agent(agent=owner, changes={"daily_cap": amount})
    else:
        account_services.update_api_key(developer=owner.developer, key_id=owner.pk, daily_cap=amount)


def _plain(value: Any) -> Any:
    """As people write it: 5 and not 5.000000."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def limits(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    form = CapsForm(request.POST or None, developer=developer)
    if form.is_valid():
        form.save()
        messages.success(request, "Limits saved.")
        return redirect("caps")
    account = DailyCap(developer.pk, Scope.ACCOUNT, developer.pk, Decimal(0))
    return render(request, "billing/caps.html", {"form": form, "spent_today": account.spent(timezone.now())})
