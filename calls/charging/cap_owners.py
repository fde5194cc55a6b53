"""The numbers, agents and API keys whose daily caps the Limits page shows (billing.extension_points.CAP_OWNERS)."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache, partial
from typing import Any

from django.utils import timezone

from accounts import services as account_services
from accounts.models import Developer
from accounts.selectors import active_api_keys
from agents.models import Agent
from agents.services import update_agent
from billing.extension_points import CapOwner
from bubblyphone.core.money import ZERO
from bubblyphone.core.templatetags.ui import phone
from calls.charging import daily_caps
from calls.charging.daily_caps import DailyCap, Scope
from phone_numbers.configuration import update_number
from phone_numbers.models import PhoneNumber


def cap_owners(developer: Developer) -> Iterator[CapOwner]:
    """By group: numbers, agents, API keys."""
    # Computed once, when the first amount is read.
    spent = cache(lambda: daily_caps.spent_today(daily_caps.all_daily_caps(developer), timezone.now()))
    numbers = PhoneNumber.objects.unreleased().filter(developer=developer)
    # Without prompts and settings: an account can have hundreds of numbers.
    for number in numbers.only("developer", "e164", "label", "daily_cap").order_by("pk"):
        label = f"{phone(number.e164)} · {number.label}" if number.label else phone(number.e164)
        yield _owner("Numbers", Scope.NUMBER, number, label, partial(_set_for_number, number), spent)
    agents = Agent.objects.filter(developer=developer).only("developer", "name", "daily_cap")
    for agent in agents.order_by("name", "pk"):
        yield _owner("Agents", Scope.AGENT, agent, agent.name, partial(_set_for_agent, agent), spent)
    for key in active_api_keys(developer).order_by("pk"):
        set_cap = partial(_set_for_key, developer, key.pk)
        yield _owner("API keys", Scope.API_KEY, key, f"{key.label} · {key.hint}", set_cap, spent)


def spent_today(developer: Developer) -> Decimal:
    """Cost of the account's calls since midnight UTC, in USD."""
    return DailyCap(developer.pk, Scope.ACCOUNT, developer.pk, Decimal(0)).spent(timezone.now())


def _owner(
    group: str,
    scope: Scope,
    owner: Any,
    label: str,
    set_cap: Callable[[Decimal | None], None],
    spent: Callable[[], Mapping[DailyCap, Decimal]],
) -> CapOwner:
    cap = DailyCap(owner.developer_id, scope, owner.pk, owner.daily_cap)
    return CapOwner(
        group=group,
        name=f"{scope}_{owner.pk}",
        label=label,
        daily_cap=owner.daily_cap,
        set_daily_cap=set_cap,
        spent_today=lambda: spent().get(cap, ZERO),
    )


def _set_for_number(number: PhoneNumber, amount: Decimal | None) -> None:
    update_number(number=number, changes={"daily_cap": amount})


def _set_for_agent(agent: Agent, amount: Decimal | None) -> None:
    update_agent(agent=agent, changes={"daily_cap": amount})


def _set_for_key(developer: Developer, key_id: int, amount: Decimal | None) -> None:
    account_services.update_api_key(developer=developer, key_id=key_id, daily_cap=amount)
