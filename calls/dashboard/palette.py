"""The command palette (static/js/palette.js): pages, agents, numbers, and calls by number or ID, of the signed-in account alone.

It answers while someone types, so each kind is one query on an index that reads a bounded number of rows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode

from accounts.access import signed_in
from accounts.models import Developer
from agents.models import Agent
from billing import billing_switch
from bubblyphone.core.pages.views import page
from bubblyphone.core.pagination import read_id
from bubblyphone.core.templatetags.ui import phone
from calls.models import Call
from calls.search import has_number_with
from phone_numbers.models import PhoneNumber
from phone_numbers.selectors import digits_of, matches_label_or_digits

MAX_LENGTH = 100  # characters of a query; the rest is ignored
MOST_OF_A_KIND = 6
NEWEST_CALLS = 1000  # calls are found by number among these; the calls page searches them all
_CALL_ID = re.compile(r"(?:call\s*)?#?\s*(\d{1,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    title: str
    url: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    found: list[Found]


# (title, route name, other search words).
PAGES = (
    ("Overview", "overview", "home dashboard"),
    ("Numbers", "numbers", "phone telephone"),
    ("Buy a number", "buy-number", "get phone new order"),
    ("Bring a number", "bring-number", "carrier telnyx twilio import port"),
    ("Agents", "agents", "assistants prompts"),
    ("Create an agent", "new-agent", "new template add"),
    ("Calls", "calls", "history transcripts recordings"),
    ("Call someone", "call-someone", "dial outbound place new"),
    ("Scheduled calls", "scheduled-calls", "later planned cancel"),
    ("Charts", "call-figures", "figures minutes outcomes costs analytics"),
    ("Calling policy", "policy", "countries hours attempts consent"),
    ("Do-not-call list", "do-not-call", "dnc opt-out block"),
    ("Phone", "phone", "browser softphone ring"),
    ("Sandbox", "sandbox", "test talk microphone"),
    ("Billing", "billing", "balance credit top-up cards pay"),
    ("Payments", "payments", "receipts invoices"),
    ("Statements", "statements", "invoices months pdf"),
    ("Usage", "usage", "minutes costs spending"),
    ("Limits", "caps", "daily spending caps budget"),
    ("API keys", "api-keys", "tokens credentials"),
    ("Model keys", "model-keys", "openai google gemini provider"),
    ("Secrets", "secrets", "tools tokens headers"),
    ("Webhooks", "webhooks", "deliveries signature"),
    ("Webhook endpoints", "webhook-endpoints", "subscriptions urls"),
    ("Events", "events", "log tail"),
    ("Countries", "countries", "verification documents regulations"),
    ("Account", "account", "profile password time zone sessions settings"),
    ("Notifications", "notifications", "email webhook alerts settings"),
    ("Your data", "data", "retention export download privacy"),
    ("API reference", "docs", "documentation endpoints rest"),
    ("Quick start", "docs-quick-start", "documentation guide curl first call"),
    ("Tools guide", "docs-tools", "documentation functions lookup"),
    ("Webhooks guide", "docs-webhooks", "documentation signature actions"),
    ("Sandbox WebSocket guide", "docs-sandbox", "documentation audio stream"),
    ("Live calls guide", "docs-live", "documentation listen whisper take over"),
)
ONLY_WITH_BILLING = {"billing", "payments"}


@page
def palette(request: HttpRequest) -> HttpResponse:
    """Matches for `q`, as options of the palette's list."""
    text = request.GET.get("q", "").strip()[:MAX_LENGTH]
    groups = [group for group in _groups(signed_in(request), text) if group.found]
    return render(request, "palette/options.html", {"groups": groups})


def _groups(developer: Developer, text: str) -> Iterator[Group]:
    if not text:
        yield Group("Pages", pages_with(""))
        return
    yield Group("Call", _call_with_id(developer, text))
    yield Group("Pages", pages_with(text)[:MOST_OF_A_KIND])
    yield Group("Agents", _agents(developer, text))
    yield Group("Numbers", _numbers(developer, text))
    yield Group("Calls", _calls(developer, text))


def pages_with(text: str) -> list[Found]:
    """Pages that match all words, with title matches first."""
    words = text.lower().split()
    hidden = set() if billing_switch.is_on() else ONLY_WITH_BILLING
    hidden |= set() if settings.EXCHANGE_URL else {"phone"}
    fitting = [
        (not title.lower().startswith(text.lower()), place, Found(title, reverse(name)))
        for place, (title, name, also) in enumerate(PAGES)
        if name not in hidden and all(word in f"{title} {also}".lower() for word in words)
    ]
    return [found for _, _, found in sorted(fitting, key=lambda one: one[:2])]


def _agents(developer: Developer, text: str) -> list[Found]:
    rows = Agent.objects.filter(developer=developer, name__icontains=text).order_by("-pk")
    return [Found(name, reverse("agent", args=[pk])) for pk, name in rows.values_list("pk", "name")[:MOST_OF_A_KIND]]


def _numbers(developer: Developer, text: str) -> list[Found]:
    rows = PhoneNumber.objects.unreleased().filter(matches_label_or_digits(text), developer=developer)
    shown = rows.order_by("-pk").values_list("pk", "e164", "label", "agent__name")[:MOST_OF_A_KIND]
    return [
        Found(phone(e164), reverse("number", args=[pk]), ", ".join(filter(None, (label, agent))))
        for pk, e164, label, agent in shown
    ]


def _call_with_id(developer: Developer, text: str) -> list[Found]:
    match = _CALL_ID.fullmatch(text)
    pk = read_id(match[1]) if match else None
    rows = Call.objects.filter(developer=developer).filter(Q(pk=pk) if pk is not None else Q(public_id=text))
    return [_found_call(*row) for row in rows.values_list(*CALL_COLUMNS)[:1]]


def _calls(developer: Developer, text: str) -> list[Found]:
    """The newest calls with that number, and a link to the search of all calls, which also searches transcripts."""
    every = Found(f"Search all calls for “{text}”", f"{reverse('calls')}?{urlencode({'q': text})}")
    if len(digits := digits_of(text)) < 3:
        return [every]
    newest = Call.objects.filter(developer=developer).order_by("-pk").values_list("pk", flat=True)[:NEWEST_CALLS]
    # Asked for beforehand, the ids come from an index; within the query all newer calls of other accounts would be read.
    rows = Call.objects.filter(pk__in=list(newest)).filter(has_number_with(digits))
    shown = rows.order_by("-pk").values_list(*CALL_COLUMNS)[:MOST_OF_A_KIND]
    return [*(_found_call(*row) for row in shown), every]


CALL_COLUMNS = ("pk", "direction", "from_number", "to_number", "connect_to", "started_at")


def _found_call(pk: int, direction: str, caller: str, callee: str, connect_to: str, started_at: datetime) -> Found:
    title = f"{'From' if direction == 'inbound' else 'To'} {phone(caller if direction == 'inbound' else connect_to or callee)}"
    at = date_format(timezone.localtime(started_at), "M j, H:i")
    return Found(title, reverse("call", args=[pk]), f"#{pk}, {at}")
