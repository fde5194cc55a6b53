"""The pages, lists and files of a large account that `tests.large.visit` opens, with each filter: dashboard, API and admin."""

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta

from accounts.models import Developer
from calls.models import Call
from phone_numbers.models import PhoneNumber
from webhooks.models import Event, WebhookDelivery

Target = tuple[str, str]  # the kind of client ("page", "api", "admin"), and the path
PAGES = [
    "/",
    "/palette",
    "/palette?q=bil",
    "/calls",
    "/calls/charts",
    "/calls/charts?days=91",
    "/calls/charts?days=91&by=number",
    "/calls/charts?by=agent",
    "/calls/charts.csv?days=91",
    "/calls/scheduled",
    "/calls/new",
    "/policy",
    "/do-not-call",
    "/do-not-call/export",
    "/billing",
    "/billing/payments",
    "/billing/caps",
    "/billing/statements",
    "/usage",
    "/numbers",
    "/numbers/buy",
    "/numbers/bring",
    "/countries",
    "/webhooks",
    "/webhook-endpoints",
    "/events",
    "/account",
    "/account/notifications",
    "/account/data",
    "/api-keys",
    "/agents",
    "/agents/new",
    "/secrets",
    "/model-keys",
    "/phone",
    "/sandbox",
    "/calls.csv",
    "/calls.csv?q=000000",
    "/calls?ending=busy",
    "/calls?ending=max_duration",
    "/calls?ending=refused",
    "/calls?metadata=source%3Dweb",
    "/calls?metadata=order%3D77",
    "/calls?q=000000&status=failed",
]
API = [
    "calls",
    "calls?per_page=100",
    "phone-numbers",
    "phone-numbers?per_page=100",
    "agents",
    "events",
    "webhook-logs",
    "webhook-endpoints",
    "billing/balance",
    "billing/transactions",
    "billing/statements",
    "billing/usage",
    "billing/caps",
    "api-keys",
    "do-not-call",
    "policy",
    "models",
    "countries",
    "number-pricing",
    "retention",
    "auth/me",
]
TRANSACTIONS = [
    "type=credit",
    "type=debit",
    "kind=top_up",
    "kind=refund",
    "kind=telephony",
    "kind=transcription",
    "type=credit&kind=telephony",
    "type=credit&kind=number_month",
    "format=csv",
    "format=csv&type=credit",
]
SEARCHES = [
    "000000",
    "0000000",
    "111111",
    "9999999",
    "123123",
    "555",
    "415",
    "628555",
    "2025550111",
    "%2B16285550007",
    "cake",
    "7f3",
    "zzz",
]
CALLS = ["direction=outbound", "status=failed", "status=answered", "outcome=busy", "outcome=voicemail_message_left"]
CALLS_IN_API = [
    "sandbox=true",
    "sandbox=false",
    "voicemail_detected=true",
    "sandbox=true&voicemail_detected=true",
    "metadata[source]=web",
    "metadata[order]=77",
    "metadata[source]=none",
    "metadata[source]=web&status=failed",
]
DELIVERIES = [
    "status=failed",
    "status=pending",
    "status=delivered",
    "event=call.started",
    "event=number.released",
    "event=number.released&status=failed",
]
ADMIN = [
    "/",
    "/status/",
    "/calls/call/",
    "/calls/call/?status__exact=failed",
    "/calls/call/?hangup_cause__exact=max_duration",
    "/calls/call/?mode__exact=webhook",
    "/calls/call/?sandbox__exact=1",
    "/calls/call/?q=large",
    "/calls/call/?q=%2B16285550007",
    "/calls/call/?p=100",
    "/calls/call/?o=9",
    "/billing/ledgerentry/",
    "/billing/ledgerentry/?kind__exact=refund",
    "/billing/ledgerentry/?kind__exact=top_up",
    "/billing/ledgerentry/?q=large",
    "/billing/ledgerentry/?q=call:77",
    "/billing/payment/",
    "/billing/adjustment/",
    "/billing/spendingcap/",
    "/billing/telephonyrate/",
    "/accounts/developer/",
    "/accounts/developer/?q=large",
    "/accounts/developer/?p=50",
    "/numbers/phonenumber/",
    "/numbers/phonenumber/?q=5550007",
    "/numbers/phonenumber/?p=50",
    "/numbers/numberpurchase/",
    "/numbers/verification/",
    "/agents/agent/",
    "/admin/logentry/",
]


def targets(account: Developer, now: datetime) -> Iterator[Target]:
    yield from (("page", path) for path in PAGES)
    yield from (("api", f"/api/v1/{path}") for path in API)
    yield from (("api", f"/api/v1/billing/transactions?{query}") for query in TRANSACTIONS)
    yield from (("page", f"/{page}?q={text}") for text in SEARCHES for page in ("calls", "palette"))
    yield from _call_targets(account, now)
    yield from _month_targets(now)
    yield from _delivery_targets(account)
    yield from _event_targets(account, now)
    yield from (("admin", f"/admin{path}") for path in ADMIN)
    for path in ("calls/call", "billing/ledgerentry"):
        yield "admin", f"/admin/{path}/?developer__id__exact={account.pk}"


def _call_targets(account: Developer, now: datetime) -> Iterator[Target]:
    """Lists of calls, from the newest and from the middle, and one call."""
    calls = Call.objects.filter(developer=account)
    middle = (
        calls.filter(started_at__gte=now - timedelta(days=90)).order_by("started_at").values_list("pk", flat=True)[0]
    )
    call = calls.filter(status="completed", sandbox=False).order_by("-pk").values_list("pk", flat=True)[0]
    number = PhoneNumber.objects.filter(developer=account)[7]
    until, since = (f"{now - timedelta(days=days):%Y-%m-%d}" for days in (120, 122))
    agent = f"agent={number.agent_id}"
    number_and_agent = [
        f"number={number.pk}",
        agent,
        f"number={number.pk}&status=failed",
        f"{agent}&status=failed&direction=outbound",
    ]
    times = [f"since={since}&until={until}", f"until={until}", f"since={since}&until={until}&status=failed"]
    for query in [*CALLS, *number_and_agent, *times]:
        api = query.replace("number=", "phone_number_id=").replace("agent=", "agent_id=")
        api = api.replace("since=", "date_from=").replace("until=", "date_to=")
        yield from (("page", f"/calls?{query}"), ("page", f"/calls?{query}&before={middle}"))
        yield from _api_pages("calls", api, middle)
    for query in CALLS_IN_API:
        yield from _api_pages("calls", query, middle)
    yield from (("page", path) for path in (f"/calls/{call}", f"/numbers/{number.pk}", f"/agents/{number.agent_id}"))
    for part in ("", "/diagnosis", "/transcript", "/events", "/turns", "/webhook-logs"):
        yield "api", f"/api/v1/calls/{call}{part}"
    for query in (
        f"from={since}&to={until}",
        f"to={until}",
        f"from={since}&to={until}&type=credit",
        f"to={until}&kind=refund",
    ):
        yield "api", f"/api/v1/billing/transactions?{query}"


def _month_targets(now: datetime) -> Iterator[Target]:
    for days in (0, 31, 62, 150):
        month = f"{now - timedelta(days=days):%Y-%m}"
        for path in (f"/usage?period={month}", f"/billing/statements/{month}.pdf", f"/billing/statements/{month}.csv"):
            yield "page", path
        yield "api", f"/api/v1/billing/usage?period={month}"


def _delivery_targets(account: Developer) -> Iterator[Target]:
    deliveries = WebhookDelivery.objects.filter(developer=account).order_by("-pk")
    middle = deliveries.values_list("pk", flat=True)[500_000]
    endpoint = deliveries[0].endpoint_id
    for query in [*DELIVERIES, f"endpoint={endpoint}"]:
        yield from (("page", f"/webhooks?{query}"), ("page", f"/webhooks?{query}&before={middle}"))
        if not query.startswith("endpoint"):
            yield from _api_pages("webhook-logs", query.replace("event=", "event_type="), middle)


def _event_targets(account: Developer, now: datetime) -> Iterator[Target]:
    events = Event.objects.filter(developer=account).order_by("-position")
    middle, newest = events[400_000], events[0]
    until, since = (f"{now - timedelta(days=12, hours=hours):%Y-%m-%dT%H:%M}" for hours in (0, 2))
    filters = [
        "type=call.ended",
        "type=number.released",
        "call=1",
        f"since={since}",
        f"until={until}",
        f"since={since}&until={until}",
    ]
    for query in [*filters, f"type=number.released&until={until}", newest.subject.replace(":", "=")]:
        yield from (("page", f"/events?{query}"), ("page", f"/events?{query}&before={middle.pk}"))
    yield from (("page", f"/events/{middle.public_id}"), ("page", f"/events/tail?newest={newest.public_id}"))
    for query in (
        f"after={middle.public_id}",
        *filters[:2],
        f"type=number.released&after={middle.public_id}",
        f"since={since}:00Z",
    ):
        yield "api", f"/api/v1/events?{query}"


def _api_pages(path: str, query: str, middle: int) -> Iterator[Target]:
    """The first page of a list, and one in the middle."""
    cursor = base64.urlsafe_b64encode(f"n:{middle}".encode()).decode().rstrip("=")
    yield from (("api", f"/api/v1/{path}?{query}"), ("api", f"/api/v1/{path}?{query}&cursor={cursor}"))
