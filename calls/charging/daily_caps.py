"""Daily caps (UTC) that developers set on the cost of calls: of the account, a number, an agent, an API key.

An account's cap is in `billing.models.SpendingCap`; the others have their own `daily_cap`. It counts the cost of calls:
those that ended today, and the accrued cost of running ones. It does not count numbers' monthly fees.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import F, QuerySet, Sum, Value

from accounts.models import Developer
from accounts.selectors import active_api_keys
from agents.models import Agent
from billing.models import SpendingCap
from billing.periods import start_of_day
from bubblyphone.core.money import ZERO
from calls.charging.balance_holds import BILL_FIELDS, accrued_cost
from calls.models import Call, CallQuerySet, CallStatus
from phone_numbers.models import PhoneNumber


class Scope(StrEnum):
    """Whose calls a cap counts."""

    ACCOUNT = "account"
    NUMBER = "phone_number"
    AGENT = "agent"
    API_KEY = "api_key"


COSTS = F("telephony_cost") + F("model_cost") + F("transcription_cost") + F("analysis_cost")
OWNER_COLUMNS = {
    Scope.ACCOUNT: "developer_id",
    Scope.NUMBER: "phone_number_id",
    Scope.AGENT: "agent_id",
    Scope.API_KEY: "api_key_id",
}


@dataclass(frozen=True, slots=True)
class DailyCap:
    """The cap on the daily cost of an account's, number's, agent's or key's calls, in USD."""

    developer_id: int
    scope: Scope
    target_id: int  # the account's, number's, agent's or key's id
    amount: Decimal

    @property
    def reason(self) -> str:
        """The reason code of a refusal."""
        own = {Scope.ACCOUNT: "", Scope.NUMBER: "number_", Scope.AGENT: "agent_", Scope.API_KEY: "api_key_"}
        return f"{own[self.scope]}daily_cap_reached"

    def calls(self) -> CallQuerySet:
        """The calls that count towards it."""
        found = Call.objects.filter(developer_id=self.developer_id, demo=False)
        return found if self.scope is Scope.ACCOUNT else found.filter(**{f"{self.scope}_id": self.target_id})

    def spent(self, now: datetime) -> Decimal:
        """The cost of its calls today, including running ones."""
        running = self.calls().filter(status=CallStatus.ANSWERED).only(*BILL_FIELDS)
        return self.settled(now) + sum((accrued_cost(call, now) for call in running), ZERO)

    def settled(self, now: datetime) -> Decimal:
        """The cost of calls that ended today."""
        ended = self.calls().filter(settled_at__gte=start_of_day(now.date())).aggregate(sum=Sum(COSTS))["sum"]
        return ended or ZERO


def spent_today(caps: Collection[DailyCap], now: datetime) -> dict[DailyCap, Decimal]:
    """`DailyCap.spent` for several caps, with two queries for each scope, however many caps there are."""
    spent = dict.fromkeys(caps, ZERO)
    for scope, column in OWNER_COLUMNS.items():
        own = {cap.target_id: cap for cap in caps if cap.scope is scope}
        if not own:
            continue
        accounts = {cap.developer_id for cap in own.values()}
        calls = Call.objects.filter(developer_id__in=accounts, demo=False).filter(**{f"{column}__in": own})
        ended = calls.filter(settled_at__gte=start_of_day(now.date())).order_by().values_list(column)
        for target, cost in ended.annotate(cost=Sum(COSTS)):
            spent[own[target]] += cost
        for call in calls.filter(status=CallStatus.ANSWERED).only(column, *BILL_FIELDS):
            spent[own[getattr(call, column)]] += accrued_cost(call, now)
    return spent


def daily_caps(calls: Iterable[Call]) -> set[DailyCap]:
    """The caps that these calls count towards; their numbers, agents and keys are already loaded (`with_owners`)."""
    calls = list(calls)
    accounts = SpendingCap.objects.filter(
        developer_id__in={call.developer_id for call in calls}, daily_cap__isnull=False
    )
    return {cap for limits in accounts for cap in _account_caps(limits)}.union(*(_own_caps(call) for call in calls))


def caps_of(call: Call, limits: SpendingCap | None) -> set[DailyCap]:
    """`daily_caps` of one call, with the limits of its account."""
    return {*_account_caps(limits), *_own_caps(call)}


def _account_caps(limits: SpendingCap | None) -> Iterator[DailyCap]:
    if limits is not None and limits.daily_cap:
        yield DailyCap(limits.developer_id, Scope.ACCOUNT, limits.developer_id, limits.daily_cap)


def _own_caps(call: Call) -> Iterator[DailyCap]:
    owners = ((Scope.NUMBER, call.phone_number), (Scope.AGENT, call.agent), (Scope.API_KEY, call.api_key))
    for scope, owner in owners:
        if owner is not None and owner.daily_cap is not None:
            yield DailyCap(call.developer_id, scope, owner.pk, owner.daily_cap)


def all_daily_caps(developer: Developer) -> list[DailyCap]:
    """All caps set by the developer: the account's, then those of numbers, agents and keys."""
    account = SpendingCap.objects.filter(developer=developer, daily_cap__isnull=False)
    numbers = PhoneNumber.objects.unreleased().filter(developer=developer, daily_cap__isnull=False)
    owners: list[tuple[Scope, QuerySet[Any]]] = [
        (Scope.ACCOUNT, account.annotate(target=F("developer_id"))),
        (Scope.NUMBER, numbers.annotate(target=F("pk"))),
        (Scope.AGENT, Agent.objects.filter(developer=developer, daily_cap__isnull=False).annotate(target=F("pk"))),
        (Scope.API_KEY, active_api_keys(developer).filter(daily_cap__isnull=False).annotate(target=F("pk"))),
    ]
    first, *others = (
        rows.order_by().annotate(place=Value(place)).values_list("place", "target", "daily_cap")
        for place, (_, rows) in enumerate(owners)
    )
    return [
        DailyCap(developer.pk, owners[place][0], target, amount)
        for place, target, amount in sorted(first.union(*others, all=True))
    ]


def with_owners(calls: QuerySet[Call]) -> QuerySet[Call]:
    """Calls with the caps of everything that can have one, and nothing else: it is read every second for every running call."""
    owners = ("phone_number", "agent", "api_key")
    return calls.select_related(*owners).only("developer_id", *(f"{owner}__daily_cap" for owner in owners))
