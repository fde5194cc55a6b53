"""The status page for operators: access, content, and starting a ledger check."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import Failure, OrmQ

from billing.models import LedgerCheck
from bubblyphone.core.monitoring import health
from bubblyphone.version import VERSION
from calls.models import Call, Transcription
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.staff.sign_in import make_staff, staff_client
from webhooks import outbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
PAGE = "/admin/status/"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, an available database may take longer to respond than a monitor would wait."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 30.0)


def page_text(client: Client) -> str:
    """The words on the page, separated by spaces."""
    answer = client.get(PAGE)
    assert answer.status_code == 200
    main = answer.content.decode().partition('<div class="status">')[2]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def make_ended(call: Call, cause: str) -> None:
    now = timezone.now()
    call.status, call.hangup_cause, call.ended_at, call.settled_at = "completed", cause, now, now
    call.save()


def test_who_can_see_the_page() -> None:
    operator, reviewer = (staff_client(make_staff(role)) for role in ("operator", "reviewer"))
    link = b'href="/admin/status/"'
    assert [client.get(PAGE).status_code for client in (operator, reviewer, Client())] == [200, 403, 302]
    assert [link in client.get("/admin/").content for client in (operator, reviewer)] == [True, False]
    assert reviewer.post(PAGE).status_code == 403
    assert not OrmQ.objects.exists()


def test_an_empty_installation() -> None:
    text = page_text(staff_client(make_staff("operator")))
    assert "Database Available Redis Available Worker Unavailable Clock Unavailable" in text
    assert f"BubblyPhone {VERSION} Python 3." in text
    assert "Running calls 0 running. All calls" in text
    assert "No calls ended in the last hour." in text
    assert "Recordings 0 0 Transcriptions 0 0 Analyses 0 0" in text
    assert "0 due, 0 waiting for a retry." in text
    assert "0 queued. None failed" in text
    assert "Not checked yet. It is checked every night." in text


def test_an_installation_with_problems() -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    now = timezone.now()
    make_call(number, now - timedelta(minutes=12))
    make_call(number, now)
    make_call(number, now, status="ringing", answered_at=None)
    for cause in ("model_failed", "normal_clearing", "carrier_failed", "normal_clearing"):
        make_ended(make_call(number, now), cause)
    of_yesterday = make_call(number, now)
    make_ended(of_yesterday, "model_failed")
    Call.objects.filter(pk=of_yesterday.pk).update(settled_at=now - timedelta(hours=3))
    Transcription.objects.create(call=of_yesterday, attempt_count=2, reason="Groq: 503", cost=Decimal(0))
    event = outbox.publish(
        developer_id=developer.pk,
        subject="call:1",
        event_type="call.ended",
        payload={},
        to=[outbox.Address("https://user:hidden@hooks.example.com/calls?secret=1", number.signing_secret_id)],
    )
    delivery = event.deliveries.get()
    delivery.created_at = now - timedelta(minutes=20)
    delivery.save()
    Failure.objects.create(
        id="f" * 32, name="job", func="billing.notices.send_waiting", started=now, stopped=now, success=False
    )
    LedgerCheck.objects.create(
        seconds=1, problem_count=2, first_problems="call 4: model\n<b>odd</b>", finished_at=now - timedelta(days=3)
    )
    client = staff_client(make_staff("operator"))
    text = page_text(client)
    assert "3 running, the longest for 12 minutes. All calls" in text
    assert "Answered telnyx gemini-3.1-flash-live 2 Ringing telnyx gemini-3.1-flash-live 1" in text
    assert "gemini-3.1-flash-live 4 1 (25%) telnyx 4 1 (25%)" in text
    assert "Transcriptions Groq: 503 1 0" in text
    assert "1 due, 0 waiting for a retry; the oldest for 20 minutes ." in text
    assert f"{developer.email} hooks.example.com 1" in text
    assert "hidden" not in text
    assert "secret=1" not in text
    assert "1 failed" in text
    assert "billing.notices.send_waiting" in text
    assert "2 problems . Checked 3 days ago. call 4: model &lt;b&gt;odd&lt;/b&gt;" in text


def test_a_ledger_check_is_started_once() -> None:
    client = staff_client(make_staff("operator"))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(PAGE).content.decode())
    assert token is not None
    for _ in range(2):
        answer = client.post(PAGE, {"csrfmiddlewaretoken": token[1]})
        assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert [job.func() for job in OrmQ.objects.all()] == ["billing.ledger_verification.verify_nightly"]
    assert "The ledger is being checked." in client.get(PAGE).content.decode()
    assert client.put(PAGE).status_code == 405
