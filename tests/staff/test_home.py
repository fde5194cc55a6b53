"""The admin's front page: pending work, who sees it, and its links."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import Failure

from phone_numbers.models import Verification
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_endpoint
from tests.staff.sign_in import make_staff, staff_client
from webhooks import outbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def waiting(client: Client) -> list[tuple[str, str, str]]:
    """(address, text, pending since) of each row."""
    html = client.get("/admin/").content.decode()
    part = html.partition('id="waiting-title"')[2].partition("</section>")[0]
    rows = re.findall(r'<li><a href="([^"]+)">([^<]+)</a> <span[^>]*>([^<]*)</span>', part)
    return [(url, text, since.replace("\xa0", " ")) for url, text, since in rows]


def test_nothing_is_waiting() -> None:
    client = staff_client(make_staff("operator"))
    assert waiting(client) == []
    assert b"Nothing is waiting." in client.get("/admin/").content


def test_pending_work_and_who_sees_it() -> None:
    developer, now = make_account(), timezone.now()
    for hours in (2, 30):
        submitted = now - timedelta(hours=hours)
        Verification.objects.create(
            developer=developer,
            country_code="GB",
            number_type="local" if hours == 2 else "mobile",
            submitted_at=submitted,
        )
    for hours in (3, 1):
        at = now - timedelta(hours=hours)
        Failure.objects.create(id=f"{hours}" * 32, name="a", func="x", started=at, stopped=at, success=False)
    call = make_call(make_streaming_number(developer), now)
    call.status, call.hangup_cause, call.ended_at, call.settled_at = "completed", "model_failed", now, now
    call.save()
    make_endpoint(developer, "https://example.com/hook")
    outbox.publish(developer_id=developer.pk, subject="call:1", event_type="call.hangup", payload={})

    reviews = ("/admin/numbers/verification/?status__exact=pending", "2 verifications to review", "for 1 day, 6 hours")
    operator, reviewer = (staff_client(make_staff(role)) for role in ("operator", "reviewer"))
    assert waiting(reviewer) == [reviews]
    urls = [url for url, _, _ in waiting(operator)]
    assert urls[-3:] == ["/admin/django_q/failure/", "/admin/status/#vendors", "/admin/status/#webhooks"]
    texts = {text: since for _, text, since in waiting(operator)}
    assert texts["2 failed jobs"] == "for 3 hours"
    assert texts[f"{call.model_slug} fails in 100% of calls (1 of 1 in the last hour)"] == "now"
    assert "1 webhook to send, 0 after a failure" in texts
    page = reviewer.get(reviews[0]).content.decode()
    assert page.count("field-status") == 2
