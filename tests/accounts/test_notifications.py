"""Notification settings: the catalog, its page and API, and that sending respects them."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import email_verification, emails, notifications, passwords
from accounts.models import Developer, MutedNotification
from billing import notices
from billing.models import Notice
from bubblyphone.core.api.openapi import description
from tests.factories import bearer, make_developer
from tests.jobs import run_jobs
from tests.pages.signed_in import assert_valid_page, signed_in_client
from webhooks import account_endpoints
from webhooks.models import Event, WebhookDelivery
from webhooks.outbox import publish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
URL = "/api/v1/notifications"
PAGE = "/account/notifications"
CAP = "billing.cap.reached"
BOTH = {"email": True, "webhook": True}
ALL_ON = {kind.name: BOTH for kind in notifications.optional_kinds()}
# Webhook events that are not notifications: calls, and test webhooks.
OTHER_EVENTS = ("call.", "webhook.test")


@pytest.fixture
def developer() -> Developer:
    return make_developer()


def sent(developer: Developer, event_type: str) -> list[str]:
    """The URLs that an event of this type is sent to."""
    published = publish(developer_id=developer.pk, subject="test:1", event_type=event_type, payload={})
    return list(WebhookDelivery.objects.filter(event=published).values_list("url", flat=True))


def test_every_email_and_every_event_belongs_to_one_kind() -> None:
    folder = Path(settings.BASE_DIR, "templates", "emails")
    templates = [template for kind in notifications.KINDS for template in kind.templates]
    assert sorted(templates) == sorted(path.stem for path in folder.glob("*.txt"))
    events = [event for kind in notifications.KINDS for event in kind.events]
    described = [name for name in description().event_types if not name.startswith(OTHER_EVENTS)]
    assert sorted(events) == sorted(described)


def test_the_api_shows_and_sets_each_kind(developer: Developer) -> None:
    client = Client(headers=bearer(developer, is_admin=True))
    assert client.get(URL).json() == {"data": ALL_ON}
    changed = {**ALL_ON, "daily_limit": {"email": False, "webhook": True}}
    body = {"daily_limit": {"email": False}}
    assert client.put(URL, body, "application/json").json() == {"data": changed}
    assert client.put(URL, body, "application/json").json() == {"data": changed}
    for wrong, path in (
        ({"daily_limit": {"sms": True}}, "daily_limit.sms"),
        ({"security": {"email": False}}, "security"),
        ({"daily_limit": {"email": "maybe"}}, "daily_limit.email"),
    ):
        refused = client.put(URL, wrong, "application/json")
        assert (refused.status_code, list(refused.json()["errors"])) == (422, [path])
    standard = Client(headers=bearer(developer)).put(URL, {"daily_limit": BOTH}, "application/json")
    assert (standard.status_code, standard.json()["reason"]) == (403, "admin_key_required")
    assert client.get(URL).json() == {"data": changed}
    assert client.put(URL, {"daily_limit": BOTH}, "application/json").json() == {"data": ALL_ON}
    assert Client(headers=bearer(make_developer())).get(URL).json() == {"data": ALL_ON}


def test_the_page_saves_each_checkbox(developer: Developer) -> None:
    client = signed_in_client(developer)
    html = client.get(PAGE).content.decode()
    assert_valid_page(html)
    assert html.count("checked") == 12
    assert "You cannot turn off security emails" in html
    form = {
        f"{kind}-{channel}": "on"
        for kind in ALL_ON
        for channel in BOTH
        if (kind, channel) != ("daily_limit", "webhook")
    }
    assert client.post(PAGE, form)["Location"] == PAGE
    assert notifications.choices_of(developer) == {**ALL_ON, "daily_limit": {"email": True, "webhook": False}}
    client.post(PAGE, {})
    assert MutedNotification.objects.filter(developer=developer).count() == 12
    assert MutedNotification.objects.exclude(developer=developer).count() == 0


@pytest.mark.usefixtures("without_billing")
def test_without_billing_the_page_hides_notifications_that_are_never_sent(developer: Developer) -> None:
    html = signed_in_client(developer).get(PAGE).content.decode()
    assert "Daily limit" in html
    assert "top-up" not in html


def test_webhooks_are_sent_unless_turned_off(developer: Developer) -> None:
    url = "https://example.com/all"
    account_endpoints.create(developer=developer, url=url, event_types=["*"])
    stranger = make_developer()
    notifications.choose(stranger, {"daily_limit": {"webhook": False}})
    assert sent(developer, CAP) == [url]
    notifications.choose(developer, {"daily_limit": {"webhook": False, "email": True}})
    assert sent(developer, CAP) == []
    assert Event.objects.filter(developer=developer, event_type=CAP).count() == 2
    assert sent(developer, "number.suspended") == [url]
    assert sent(developer, "call.hangup") == [url]


def test_emails_are_sent_unless_turned_off(developer: Developer) -> None:
    context = {"percent": "50", "spent": "1.00", "cap": "2.00", "which_calls": "", "link": ""}
    notifications.choose(developer, {"daily_limit": {"email": False}})
    for key, owner in (("muted", developer), ("sent", make_developer())):
        notices.send_once(developer_id=owner.pk, key=key, template="cap_reached", context=context)
    run_jobs()
    (email,) = mail.outbox
    assert email.subject == "50% of your daily limit is used"
    muted, other = Notice.objects.get(key="muted"), Notice.objects.get(key="sent")
    assert (muted.sent_at, muted.next_attempt_at, muted.attempt_count) == (None, None, 1)
    assert other.sent_at is not None
    notices.send_waiting(timezone.now())
    assert len(mail.outbox) == 1


def test_security_emails_are_always_sent(developer: Developer) -> None:
    with pytest.raises(KeyError):
        notifications.choose(developer, {"security": {"email": False}})
    for kind in notifications.KINDS:
        MutedNotification.objects.create(developer=developer, kind=kind.name, channel="email")
    Developer.objects.filter(pk=developer.pk).update(email_verified_at=None)
    email_verification.send_link(developer.pk)
    email_verification.tell_old_address(developer.pk, "old@example.com")
    passwords.send_notice(developer.pk)
    assert [email.to for email in mail.outbox] == [[developer.email], ["old@example.com"], [developer.email]]


def test_a_deactivated_account_only_gets_security_emails(developer: Developer) -> None:
    cap = {"percent": "50", "spent": "5.00", "cap": "10.00", "link": "https://example.com/billing/caps"}
    for is_active in (True, False):
        developer.is_active = is_active
        assert emails.send(developer, "cap_reached", cap) == is_active
        assert emails.send(developer, "email_changed", {"old": "old@example.com"})
    limit, *security = mail.outbox
    assert [message.subject for message in security] == ["The email address of your account was changed"] * 2
    where = f"Choose which emails you get: {settings.PUBLIC_URL}/account/notifications"
    assert [where in str(message.body) for message in (limit, *security)] == [True, False, False]
