"""The account page: time zone, signing out individual sessions, and deleting the account."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from accounts import account_deletion, housekeeping
from accounts.browser_sessions import device_of
from accounts.models import BrowserSession, Developer, SessionToken
from accounts.services import open_session
from billing import ledger
from calls.models import Call
from phone_numbers.models import PhoneNumber, VerificationDocument
from phone_numbers.services import buy_number, search_available
from tests.calls.rows import make_account, make_call
from tests.factories import PASSWORD, bearer, make_api_key, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.phone_numbers.conftest import configure_carrier, documents, exchange
from tests.phone_numbers.requirement_answers import submit_documents

__all__ = ["configure_carrier", "documents", "exchange"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 (KHTML, like Gecko) Version/18.0 Safari/604.1"


@pytest.fixture
def developer() -> Developer:
    return make_account("25")


def browser(developer: Developer, agent: str = FIREFOX) -> Client:
    """A browser that has signed in and opened a page."""
    client = Client(headers={"User-Agent": agent})
    client.force_login(developer)
    assert client.get("/account").status_code == 200
    return client


@pytest.mark.parametrize(
    ("agent", "words"),
    [(FIREFOX, "Firefox on Linux"), (EDGE, "Edge on Windows"), (IPHONE, "Safari on iPhone"), ("curl/8", "A browser")],
)
def test_browsers_have_readable_names(agent: str, words: str) -> None:
    assert device_of(agent) == words


def test_each_browser_is_listed_and_can_be_signed_out(developer: Developer) -> None:
    here, there, stranger = browser(developer), browser(developer, IPHONE), browser(make_developer(), EDGE)
    page = here.get("/account").content.decode()
    assert "Firefox on Linux" in page and "Safari on iPhone" in page and "Edge on Windows" not in page
    assert page.count("This browser") == 1
    other = BrowserSession.objects.get(user_agent=IPHONE)
    assert stranger.post(f"/account/browsers/{other.pk}/sign-out").status_code == 404
    assert there.get("/account").status_code == 200
    assert here.post(f"/account/browsers/{other.pk}/sign-out").status_code == 302
    assert there.get("/account").status_code == 302
    assert here.get("/account").status_code == 200
    here.post("/logout")
    assert [row.developer for row in BrowserSession.objects.all()] == [stranger_of(stranger)]


def stranger_of(client: Client) -> Developer:
    return Developer.objects.get(pk=client.session["_auth_user_id"])


def test_a_single_api_session_can_be_ended(developer: Developer, client: Client) -> None:
    tokens = [open_session(developer=developer) for _ in range(2)]
    headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
    first = SessionToken.objects.order_by("pk")[0]
    assert browser(make_developer()).post(f"/account/sessions/{first.pk}/end").status_code == 404
    assert browser(developer).post(f"/account/sessions/{first.pk}/end").status_code == 302
    assert [client.get("/api/v1/auth/me", headers=header).status_code for header in headers] == [401, 200]


def test_changing_the_password_signs_out_all_other_browsers(developer: Developer) -> None:
    here, there = browser(developer), browser(developer, IPHONE)
    form = {"current_password": PASSWORD, "password": "another-secret"}
    assert here.post("/account/password", form).status_code == 302
    assert (here.get("/account").status_code, there.get("/account").status_code) == (200, 302)
    assert [row.user_agent for row in BrowserSession.objects.all()] == [FIREFOX]
    assert BrowserSession.objects.get().session_key == here.session.session_key


def test_viewing_a_page_rarely_writes_to_the_database(developer: Developer, django_assert_max_num_queries: Any) -> None:
    client = browser(developer)
    seen = BrowserSession.objects.get().last_seen_at
    with django_assert_max_num_queries(8):
        client.get("/account")
    assert BrowserSession.objects.get().last_seen_at == seen
    session = client.session
    session["seen_at"] -= 601
    session.save()
    client.get("/account")
    assert BrowserSession.objects.get().last_seen_at > seen


def test_expired_sessions_are_deleted(developer: Developer) -> None:
    browser(developer)
    housekeeping.purge()
    assert (BrowserSession.objects.count(), Session.objects.count()) == (1, 1)
    long_ago = timezone.now() - timedelta(days=15)
    BrowserSession.objects.update(last_seen_at=long_ago)
    Session.objects.update(expire_date=long_ago)
    housekeeping.purge()
    assert (BrowserSession.objects.count(), Session.objects.count()) == (0, 0)


def test_times_are_in_the_user_s_time_zone_with_utc_on_hover(developer: Developer) -> None:
    client = browser(developer)
    form = {"name": "Jane", "company_name": "", "time_zone": "Asia/Tokyo"}
    assert client.post("/account", form)["Location"] == "/account"
    seen = timezone.now() - timedelta(hours=1)
    BrowserSession.objects.update(last_seen_at=seen)
    page = client.get("/account").content.decode()
    there, utc = seen.astimezone(ZoneInfo("Asia/Tokyo")), f"{seen:%b %-d, %Y, %H:%M:%S} UTC"
    assert f'<time datetime="{seen:%Y-%m-%dT%H:%M:%SZ}" title="{utc}">{there:%b %-d, %H:%M}</time>' in page
    assert '<option value="Asia/Tokyo" selected>' in page
    refused = client.post("/account", {**form, "time_zone": "Mars/Olympus"})
    assert "Select a valid choice" in refused.content.decode()


def test_months_are_in_utc_in_every_time_zone() -> None:
    client = browser(make_developer(time_zone="America/Los_Angeles"))
    assert "March 2026 (UTC)" in client.get("/usage?period=2026-03").content.decode()


# --- deletion ---------------------------------------------------------------------------------------------------------
def test_a_wrong_password_deletes_nothing(developer: Developer) -> None:
    client = browser(developer)
    page = client.post("/account/delete", {"password": "wrong-password"}).content.decode()
    assert "Wrong password." in page
    developer.refresh_from_db()
    assert developer.is_active and developer.closed_at is None
    staff = make_developer(is_staff=True)
    assert "Ask a superuser" in browser(staff).post("/account/delete", {"password": PASSWORD}).content.decode()


@pytest.mark.usefixtures("documents")
def test_a_deleted_account_keeps_its_payment_records(
    developer: Developer, exchange: ExchangeThread, client: Client
) -> None:
    email, headers = developer.email, bearer(developer)
    make_api_key(developer)
    offer = search_available(country="US", limit=1)[0][0].phone_number
    number = buy_number(developer=developer, phone_number=offer)
    submit_documents(developer)
    document = VerificationDocument.objects.get(kind="document")
    stored = document.file.storage
    name = document.file.name
    call = make_call(number, timezone.now(), dynamic_variables={"name": "Ada"}, analysis_result={"lead": True})
    call.transcript.create(role="user", text="My name is Ada.", spoken_at=timezone.now())
    call.events.create(event_type="tool.called", source="streaming", metadata={"arguments": {"name": "Ada"}})
    call.transfers.create(
        key="1", to_number="+12025550123", rate=0, briefing="Ada is calling.", failed_at=timezone.now()
    )
    here, there = browser(developer), browser(developer, IPHONE)
    balance = ledger.balance(developer.pk)
    assert here.post("/account/delete", {"password": PASSWORD})["Location"] == "/login"
    # Nobody can sign in anymore, immediately.
    assert [browser.get("/account").status_code for browser in (here, there)] == [302, 302]
    assert client.get("/api/v1/auth/me", headers=headers).status_code == 401
    assert "Wrong email or password" in Client().post("/login", {"email": email, "password": PASSWORD}).content.decode()
    assert "accounts.account_deletion.finish" in {job.func() for job in OrmQ.objects.all()}
    # While the call is running, its number cannot be released.
    account_deletion.finish(developer.pk)
    developer.refresh_from_db()
    call.refresh_from_db()
    assert call.end_requested_cause == "normal_clearing"
    assert developer.closing_finished_at is None and PhoneNumber.objects.get().status == "active"
    Call.objects.filter(pk=call.pk).update(status="completed", ended_at=timezone.now())
    account_deletion.finish_all()
    developer.refresh_from_db()
    assert developer.closing_finished_at is not None
    assert PhoneNumber.objects.get().status == "released"
    assert not stored.exists(name)
    call.refresh_from_db()
    assert (call.transcript.count(), call.dynamic_variables, call.analysis_result) == (0, {}, None)
    assert (call.events.count(), call.transfers.get().briefing) == (0, "")
    assert not VerificationDocument.objects.exclude(value="", filename="").exists()
    assert (developer.name, developer.email) == ("Closed account", f"closed-{developer.pk}@closed.invalid")
    assert ledger.balance(developer.pk) == balance
    assert developer.ledger.count() == 3
    # The address can be used again.
    make_developer(email=email)
