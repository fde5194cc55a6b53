"""Email links, passwords and sessions, through the API, the pages and the worker's jobs."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from accounts import email_verification, housekeeping, passwords
from accounts.models import ApiKey, Developer, SessionToken
from accounts.services import open_session
from bubblyphone.core.errors import InvalidRequest, NotFound
from tests.factories import PASSWORD, bearer, make_api_key, make_developer
from tests.jobs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

NEW = "another secret"
NEW_TWICE = {"password": NEW, "password_confirmation": NEW}
DAMAGED = {"errors": {"token": ["This link has expired or was already used. Request a new one."]}}


@pytest.fixture
def jane() -> Developer:
    return make_developer(email="jane@example.com", email_verified_at=None)


@pytest.fixture
def browser(jane: Developer) -> Client:
    browser = Client()
    browser.force_login(jane)
    return browser


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


def emailed_path() -> str:
    """The path of the only link in the only email. Clears the outbox."""
    (message,) = mail.outbox
    mail.outbox.clear()
    (path,) = re.findall(r"^http://localhost:8000(/\S+)$", message.body, re.MULTILINE)
    return str(path)


def can_log_in(client: Client, password: str) -> bool:
    return bool(post(client, "auth/login", {"email": "jane@example.com", "password": password}).status_code == 200)


# --- email verification -----------------------------------------------------------------------------------------------
def test_registering_sends_a_link_that_verifies_the_address(client: Client) -> None:
    post(client, "auth/register", {"name": "Jane", "email": "Jane@example.com", **NEW_TWICE})
    run_jobs()
    assert (mail.outbox[0].to, mail.outbox[0].subject) == (["jane@example.com"], "Confirm your email address")
    path = emailed_path()
    jane = Developer.objects.get()
    assert path == f"/verify-email/{path.rpartition('/')[2]}"
    # Opening the link, as mail scanners do, does not verify the address.
    assert "jane@example.com" in client.get(path).content.decode()
    jane.refresh_from_db()
    assert jane.email_verified_at is None
    assert client.post(path)["Location"] == "/login"
    jane.refresh_from_db()
    first = jane.email_verified_at
    assert first is not None
    assert client.post(path).status_code == 302
    jane.refresh_from_db()
    assert jane.email_verified_at == first


def test_a_link_works_for_one_address_and_three_days(jane: Developer, client: Client, monkeypatch: Any) -> None:
    token = email_verification.make_token(jane)
    for damaged in (token[:-1], "x" + token, passwords.make_token(jane), "x"):
        assert client.post(f"/verify-email/{damaged}").status_code == 404
    Developer.objects.update(email="june@example.com")
    with pytest.raises(NotFound):
        email_verification.verify(token=token)
    Developer.objects.update(email="jane@example.com")
    monkeypatch.setattr(email_verification, "LIFE", timedelta(seconds=-1))
    assert client.get(f"/verify-email/{token}").status_code == 404
    jane.refresh_from_db()
    assert jane.email_verified_at is None


def test_pages_show_a_reminder_until_the_address_is_verified(jane: Developer, browser: Client) -> None:
    assert "Confirm your email address" in browser.get("/numbers").content.decode()
    for _ in range(3):
        assert browser.post("/account/verification")["Location"] == "/account"
    assert "Email sent." in browser.get("/account").content.decode()
    browser.post("/account/verification")
    assert "We already sent this email several times." in browser.get("/account").content.decode()
    run_jobs()
    assert len(mail.outbox) == 3
    assert browser.post(f"/verify-email/{email_verification.make_token(jane)}")["Location"] == "/"
    assert "Confirm your email address" not in browser.get("/numbers").content.decode()
    mail.outbox.clear()
    email_verification.send_link(jane.pk)
    assert mail.outbox == []


# --- forgotten passwords ----------------------------------------------------------------------------------------------
def test_the_response_does_not_reveal_whether_an_account_exists(jane: Developer, client: Client) -> None:
    known, unknown = (
        post(client, "auth/password/forgot", {"email": email}) for email in ("JANE@example.com", "no@example.com")
    )
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert known.json() == {
        "data": {"message": "If an account has this email address, we sent it a link to choose a new password."}
    }
    assert OrmQ.objects.count() == 2
    run_jobs()
    assert [message.to for message in mail.outbox] == [["jane@example.com"]]


def test_a_reset_sets_the_password_once_and_ends_all_sessions(jane: Developer, client: Client, browser: Client) -> None:
    session = {"Authorization": f"Bearer {open_session(developer=jane)}"}
    post(client, "auth/password/forgot", {"email": "jane@example.com"})
    run_jobs()
    token = emailed_path().removeprefix("/password/reset/")
    response = post(client, "auth/password/reset", {"token": token, **NEW_TWICE})
    assert response.status_code == 200
    assert response.json() == {"data": {"id": jane.pk, "name": "Jane", "email": "jane@example.com"}}
    assert (can_log_in(client, PASSWORD), can_log_in(client, NEW)) == (False, True)
    assert client.get("/api/v1/auth/me", headers=session).status_code == 401
    assert browser.get("/account").status_code == 302
    again = post(client, "auth/password/reset", {"token": token, "password": "x" * 8, "password_confirmation": "x" * 8})
    assert again.status_code == 422
    assert again.json() == {"message": "The given data was invalid.", **DAMAGED}
    assert can_log_in(client, NEW)
    run_jobs()
    assert [message.subject for message in mail.outbox] == ["Your password was changed"]


@pytest.mark.parametrize(("is_verified", "stays"), [(True, True), (False, False)])
def test_resetting_an_unverified_account_revokes_its_keys(is_verified: bool, stays: bool) -> None:
    moment = timezone.now() if is_verified else None
    jane = make_developer(email_verified_at=moment)
    key, _ = make_api_key(jane)
    foreign, _ = make_api_key()
    passwords.reset(token=passwords.make_token(jane), password=NEW)
    jane.refresh_from_db()
    key.refresh_from_db()
    foreign.refresh_from_db()
    assert jane.email_verified_at is not None
    assert (key.revoked_at is None, foreign.revoked_at) == (stays, None)


def test_other_tokens_are_refused(jane: Developer, settings: Any) -> None:
    token = passwords.make_token(jane)
    other = passwords.make_token(make_developer())
    mixed = f"{jane.pk}-{other.partition('-')[2]}"
    for bad in ("", "x", "-", token[:-1], mixed, "9" * 30 + "-a-b", email_verification.make_token(jane)):
        with pytest.raises(InvalidRequest):
            passwords.reset(token=bad, password=NEW)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert not passwords.is_valid(token)
    settings.PASSWORD_RESET_TIMEOUT = 3600
    Developer.objects.filter(pk=jane.pk).update(is_active=False)
    assert not passwords.is_valid(token)
    jane.refresh_from_db()
    assert jane.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"token": "1-a-b", "password": "short", "password_confirmation": "short"}, ["password"]),
        ({"token": "1-a-b", "password": NEW, "password_confirmation": "x"}, ["password_confirmation"]),
        ({"token": "1-a-b", "tokn": "x", **NEW_TWICE}, ["tokn"]),
        (NEW_TWICE, ["token"]),
    ],
)
def test_invalid_resets_get_422(client: Client, body: dict[str, str], fields: list[str]) -> None:
    response = post(client, "auth/password/reset", body)
    assert (response.status_code, list(response.json()["errors"])) == (422, fields)


def test_links_are_throttled_per_account_and_per_address(client: Client, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1

    def ask(email: str, address: str) -> Any:
        return post(client, "auth/password/forgot", {"email": email}, **{"X-Forwarded-For": address})

    assert [ask("a@example.com", "192.0.2.1").status_code for _ in range(6)] == [200] * 5 + [429]
    assert ask("a@example.com", "192.0.2.2").status_code == 200
    statuses = [ask(f"{number}@example.com", "198.51.100.1").status_code for number in range(31)]
    assert statuses == [200] * 30 + [429]
    refused = ask("b@example.com", "198.51.100.1")
    message = "Too many password reset requests. Try again later."
    assert refused.json() == {"message": message, "reason": "too_many_requests"}
    assert 3500 < int(refused["Retry-After"]) <= 3600


def test_the_pages_also_reset_a_password(jane: Developer, client: Client) -> None:
    assert "/password/forgot" in client.get("/login").content.decode()
    for email in ("jane@example.com", "no@example.com"):
        answer = client.post("/password/forgot", {"email": email})
        assert answer["Location"] == "/password/forgot?sent=1"
        assert "Check your email" in client.get(answer["Location"]).content.decode()
    run_jobs()
    path = emailed_path()
    assert 'name="password"' in client.get(path).content.decode()
    assert "at least 8 characters" in client.post(path, {"password": "short"}).content.decode()
    assert client.post(path, {"password": NEW})["Location"] == "/login"
    assert "This link has expired" in client.post(path, {"password": "x" * 8}).content.decode()
    assert can_log_in(client, NEW)


# --- the account page -------------------------------------------------------------------------------------------------
def test_name_and_company_are_saved(jane: Developer, browser: Client) -> None:
    form = {"name": "Jane Doe", "company_name": "Doe & Co", "time_zone": "UTC"}
    response = browser.post("/account", {**form, "email": "x@example.com"})
    assert response["Location"] == "/account"
    jane.refresh_from_db()
    assert (jane.name, jane.company_name, jane.email) == ("Jane Doe", "Doe & Co", "jane@example.com")
    assert "Doe &amp; Co" in browser.get("/account").content.decode()
    assert "This field is required." in browser.post("/account", {"name": ""}).content.decode()


def test_a_new_password_ends_the_other_sessions(jane: Developer, client: Client, browser: Client) -> None:
    elsewhere = Client()
    elsewhere.force_login(jane)
    session = {"Authorization": f"Bearer {open_session(developer=jane)}"}
    wrong = browser.post("/account/password", {"current_password": "secret124", "password": NEW})
    assert "Wrong password. Enter your current password." in wrong.content.decode()
    assert elsewhere.get("/account").status_code == 200
    changed = browser.post("/account/password", {"current_password": PASSWORD, "password": NEW})
    assert changed["Location"] == "/account"
    assert browser.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    assert client.get("/api/v1/auth/me", headers=session).status_code == 401
    assert (can_log_in(client, PASSWORD), can_log_in(client, NEW)) == (False, True)


def test_log_out_everywhere(jane: Developer, client: Client, browser: Client) -> None:
    tokens = [{"Authorization": f"Bearer {open_session(developer=jane)}"} for _ in range(2)]
    stranger = {"Authorization": f"Bearer {open_session(developer=make_developer())}"}
    key = bearer(jane)
    assert browser.get("/account").content.decode().count("API session") == 2
    response = post(client, "auth/logout-all", **tokens[0])
    assert (response.status_code, response.content) == (204, b"")
    assert [client.get("/api/v1/auth/me", headers=headers).status_code for headers in tokens] == [401, 401]
    assert browser.get("/account").status_code == 302
    assert client.get("/api/v1/auth/me", headers=stranger).status_code == 200
    # A key is not a session.
    assert client.get("/api/v1/auth/me", headers=key).status_code == 200
    assert ApiKey.objects.filter(developer=jane, revoked_at=None).count() == 1
    token = {"Authorization": f"Bearer {open_session(developer=jane)}"}
    jane.refresh_from_db()
    browser.force_login(jane)
    assert browser.post("/account/log-out-everywhere")["Location"] == "/login"
    assert browser.get("/account").status_code == 302
    assert client.get("/api/v1/auth/me", headers=token).status_code == 401


def test_expired_tokens_are_deleted(jane: Developer) -> None:
    open_session(developer=jane)
    SessionToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    open_session(developer=jane)
    housekeeping.purge()
    assert SessionToken.objects.get().expires_at > timezone.now()
