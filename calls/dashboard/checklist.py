"""The first-run checklist: the steps of the quick start, ticked as they are done (templates/components/checklist.html)."""

from dataclasses import dataclass, replace

from django.conf import settings
from django.core.cache import cache
from django.db.models import Exists, Q

from accounts.models import Developer
from agents.models import Agent
from billing import billing_switch
from billing.models import LedgerEntry
from bubblyphone.core.money import ZERO
from calls.models import Call
from phone_numbers.models import CallMode
from phone_numbers.selectors import numbers_of

GONE_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    text: str
    is_done: bool
    url_name: str
    action: str
    is_next: bool = False  # the first step that is not done


def first_steps(developer: Developer) -> list[Step]:
    """The steps from a new account to a first call; [] once they are done, which is then remembered."""
    if cache.get(key := f"first-steps-gone:{developer.pk}"):
        return []
    numbers = numbers_of(developer).select_related(None)
    answered = Call.objects.filter(developer=developer, answered_at__isnull=False, demo=False)
    found = Developer.objects.filter(pk=developer.pk).values_list(
        Exists(LedgerEntry.objects.filter(developer=developer, amount__gt=ZERO)),
        Exists(answered),
        Exists(answered.filter(sandbox=False)),
        Exists(Agent.objects.filter(developer=developer)),
        Exists(numbers),
        Exists(numbers.filter(Q(mode=CallMode.STREAMING) | ~Q(webhook_url=""))),
    )
    credited, talked, called, has_agent, has_number, is_answered = found.get()
    credit = Step("Add credit", "Numbers and calls are paid from your balance.", credited, "billing", "Add credit")
    telephone = "phone" if settings.EXCHANGE_URL else "numbers"
    steps = [
        Step("Create an agent", "Start with a template and change it later.", has_agent, "new-agent", "Create agent"),
        Step("Talk to your agent", "In your browser, free and without a number.", talked, "agents", "Open agents"),
        *([credit] if billing_switch.is_on() else []),
        Step("Get a phone number", "It is ready immediately.", has_number, "buy-number", "Buy number"),
        Step("Choose who answers", "Select your agent on the number's page.", is_answered, "numbers", "Choose agent"),
        Step("Call your number", "Then look at the call: every word, tool, and cent.", called, telephone, "Call"),
    ]
    left = next((place for place, step in enumerate(steps) if not step.is_done), None)
    if left is None:
        cache.set(key, True, GONE_SECONDS)
        return []
    return [*steps[:left], replace(steps[left], is_next=True), *steps[left + 1 :]]
