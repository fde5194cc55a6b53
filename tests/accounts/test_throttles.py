"""Every limit with two accounts and two client addresses: attempts at one address lock out nobody else."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django_q.models import OrmQ

from accounts import passwords, throttles
from accounts.models import Developer
from accounts.services import open_session
from bubblyphone.core.crypto import encrypt, hash_secret
from bubblyphone.core.errors import TooManyRequests
from staff.models import Authenticator, RecoveryCodes
from tests.factories import PASSWORD, make_developer
from tests.jobs import run_jobs
from tests.staff.sign_in import KEY, code_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

HERE, THERE = "192.0.2.1", "198.51.100.7"
NEW = "another secret"


@pytest.fixture(autouse=True)
def _behind_a_proxy(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1


def is_refused(response: Any) -> bool:
    """Whether the response reports too many attempts: by status in the API, by text on a page."""
    return response.status_code == 429 or "Too many failed attempts" in response.content.decode()


def api_login(developer: Developer, address: str, password: str) -> Any:
    body = {"email": developer.email, "password": password}
    headers = {"X-Forwarded-For": address}
    return Client().post("/api/v1/auth/login", body, content_type="application/json", headers=headers)


def page_login(developer: Developer, address: str, password: str) -> Any:
    form = {"email": developer.email, "password": password}
    return Client().post("/login", form, headers={"X-Forwarded-For": address})


def staff_login(developer: Developer, address: str, password: str) -> Any:
    form = {"username": developer.email, "password": password}
    return Client().post("/admin/login/", form, headers={"X-Forwarded-For": address})


def change_password(developer: Developer, address: str, password: str) -> Any:
    client = Client()
    client.force_login(developer)
    form = {"current_password": password, "password": PASSWORD}
    return client.post("/account/password", form, headers={"X-Forwarded-For": address})


def delete_account(developer: Developer, address: str, password: str) -> Any:
    client = Client()
    client.force_login(developer)
    # Correct passwords must not delete the account: for staff, the page refuses before it checks the password.
    return client.post("/account/delete", {"password": password}, headers={"X-Forwarded-For": address})


def second_factor(developer: Developer, address: str, password: str) -> Any:
    """Enter the correct code if the password is correct."""
    device, _ = Authenticator.objects.get_or_create(
        user=developer, confirmed=True, defaults={"name": "Phone", "encrypted": encrypt(KEY)}
    )
    Authenticator.objects.update(last_step=-1)
    client = Client()
    client.force_login(developer)
    code = code_of(device) if password == PASSWORD else "000000"
    return client.post("/admin/second-factor/", {"code": code}, headers={"X-Forwarded-For": address})


ATTEMPTS: dict[str, tuple[Callable[..., Any], int]] = {
    "API login": (api_login, 20),
    "page login": (page_login, 20),
    "staff login": (staff_login, 20),
    "current password": (change_password, 20),
    "second factor": (second_factor, 10),
}


@pytest.mark.parametrize("form", ATTEMPTS)
def test_wrong_secrets_lock_out_one_account_at_one_address(form: str) -> None:
    attempt, limit = ATTEMPTS[form]
    victim, other = (make_developer(is_staff=True, is_superuser=True) for _ in range(2))
    for _ in range(limit):
        assert not is_refused(attempt(victim, HERE, "wrong-password"))
    assert is_refused(attempt(victim, HERE, "wrong-password"))
    assert is_refused(attempt(victim, HERE, PASSWORD))
    assert not is_refused(attempt(other, HERE, PASSWORD))
    assert not is_refused(attempt(victim, THERE, PASSWORD))
    victim.refresh_from_db()
    assert victim.is_active


def test_wrong_passwords_for_account_deletion_count_toward_the_same_limit() -> None:
    victim = make_developer()
    for _ in range(20):
        assert "Wrong password" in delete_account(victim, HERE, "wrong").content.decode()
    assert is_refused(delete_account(victim, HERE, PASSWORD))
    assert is_refused(api_login(victim, HERE, PASSWORD))
    victim.refresh_from_db()
    assert victim.is_active


def test_the_owner_can_log_in_after_many_wrong_passwords() -> None:
    victim = make_developer()
    statuses = [api_login(victim, HERE, f"wrong-{number}").status_code for number in range(50)]
    assert statuses == [401] * 20 + [429] * 30
    assert api_login(victim, THERE, PASSWORD).status_code == 200
    passwords.reset(token=passwords.make_token(victim), password=NEW)
    assert api_login(victim, HERE, NEW).status_code == 200
    victim.refresh_from_db()
    passwords.change(developer=victim, current_password=NEW, password=PASSWORD, address=HERE)
    assert api_login(victim, HERE, PASSWORD).status_code == 200


def test_an_address_that_tries_many_accounts_is_refused_but_its_neighbor_is_not(monkeypatch: Any) -> None:
    monkeypatch.setattr("accounts.throttles.PASSWORDS_PER_ADDRESS", 30)
    victims = [make_developer() for _ in range(31)]
    assert [page_login(victim, "2001:db8::1", "wrong").status_code for victim in victims[:30]] == [200] * 30
    assert is_refused(page_login(victims[30], "2001:db8::ffff", PASSWORD))  # the same subscriber
    assert page_login(victims[30], "2001:db8:0:1::1", PASSWORD).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_concurrent_wrong_passwords_do_not_exceed_the_limit() -> None:
    """Of 40 concurrent requests, 20 get 401 and 20 are refused without a password check. Correct passwords do not count."""
    victim = make_developer()
    together = threading.Barrier(40)

    def attempt(_: int) -> int:
        together.wait()
        try:
            return int(api_login(victim, HERE, "wrong-password").status_code)
        finally:
            connection.close()

    assert [api_login(victim, HERE, PASSWORD).status_code for _ in range(3)] == [200] * 3
    with ThreadPoolExecutor(40) as threads:
        assert sorted(threads.map(attempt, range(40))) == [401] * 20 + [429] * 20
    assert api_login(victim, HERE, PASSWORD).status_code == 429
    assert api_login(victim, THERE, PASSWORD).status_code == 200


# --- emails -----------------------------------------------------------------------------------------------------------
def forgot(email: str, address: str) -> int:
    headers = {"X-Forwarded-For": address}
    response = Client().post(
        "/api/v1/auth/password/forgot", {"email": email}, content_type="application/json", headers=headers
    )
    return int(response.status_code)


def test_reset_emails_are_limited_by_requester_and_by_recipient() -> None:
    victim, other = make_developer(), make_developer()
    assert [forgot(victim.email, HERE) for _ in range(6)] == [200] * 5 + [429]
    assert forgot(other.email, HERE) == 200
    assert [forgot(victim.email.upper(), f"203.0.113.{number}") for number in range(20)] == [200] * 20
    run_jobs()
    mails = [message for message in mail.outbox if message.to == [victim.email]]
    assert len(mails) == 10
    (token,) = re.findall(r"/password/reset/(\S+)$", mails[-1].body, re.MULTILINE)
    assert passwords.is_valid(token)


def test_verification_emails_are_limited_by_recipient(settings: Any) -> None:
    def register() -> Any:
        body = {"name": "J", "email": "victim@example.com", "password": PASSWORD, "password_confirmation": PASSWORD}
        return Client().post("/api/v1/auth/register", body, content_type="application/json")

    for _ in range(5):  # registered by a stranger, who deletes the account each time
        assert register().status_code == 201
        Developer.objects.filter(email="victim@example.com").delete()
    assert register().status_code == 201
    assert OrmQ.objects.count() == 3
    client = Client()
    client.force_login(Developer.objects.get(email="victim@example.com"))
    assert "already sent this email several times" in client.post("/account/verification", follow=True).content.decode()


# --- new accounts -----------------------------------------------------------------------------------------------------
def sign_up(number: int, address: str, *, page: bool) -> bool:
    """Whether a new account was created."""
    email = f"new{number}@example.com"
    body = {"name": "New", "email": email, "password": PASSWORD}
    headers = {"X-Forwarded-For": address}
    if page:
        response = Client().post("/signup", body, headers=headers)
        refused = "Too many new accounts from this address" in response.content.decode()
        assert (response.status_code == 200) == refused
    else:
        body |= {"password_confirmation": PASSWORD}
        response = Client().post("/api/v1/auth/register", body, content_type="application/json", headers=headers)
        assert response.status_code in (201, 429)
        assert (response.status_code == 429) == (3500 < int(response.headers.get("Retry-After", 0)) <= 3600)
    is_there: bool = Developer.objects.filter(email=email).exists()
    assert is_there == (response.status_code in (201, 302))
    return is_there


@pytest.mark.parametrize(
    ("addresses", "neighbor"),
    [
        (["192.0.2.1"], "192.0.2.2"),
        (["2001:db8::1", "2001:db8::2", "2001:db8::3:4"], "2001:db8:0:1::1"),
        (["::ffff:192.0.2.1", "192.0.2.1"], "::ffff:192.0.2.2"),
    ],
)
def test_page_and_api_share_one_limit_for_new_accounts(settings: Any, addresses: list[str], neighbor: str) -> None:
    settings.REGISTRATIONS_PER_HOUR = 6
    made = [sign_up(number, addresses[number % len(addresses)], page=number % 2 == 0) for number in range(8)]
    assert made == [True] * 6 + [False] * 2
    assert sign_up(8, neighbor, page=False)


def test_invalid_registrations_do_not_count(settings: Any) -> None:
    settings.REGISTRATIONS_PER_HOUR = 1
    for _ in range(3):
        assert Client().post("/api/v1/auth/register", {}, content_type="application/json").status_code == 422
        assert Client().post("/signup", {"email": "x"}).status_code == 200
    assert sign_up(1, HERE, page=True)


# --- demos ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("smtp", "is_confirmed", "status"),
    [("mail.example.com", False, 403), ("mail.example.com", True, 201), ("", False, 201), ("", True, 201)],
)
def test_demos_need_a_verified_email_if_the_server_can_send_mail(
    settings: Any, smtp: str, is_confirmed: bool, status: int
) -> None:
    settings.EMAIL_HOST = smtp
    developer = make_developer(**({} if is_confirmed else {"email_verified_at": None}))
    headers = {"Authorization": f"Bearer {open_session(developer=developer)}"}
    response = Client().post("/api/v1/sandbox/demo", {}, content_type="application/json", headers=headers)
    assert response.status_code == status
    developer.refresh_from_db()
    assert developer.demo_calls_used == (status == 201)
    if status == 403:
        assert response.json() == {
            "message": "Confirm your email address before you start a demo call.",
            "reason": "email_not_confirmed",
        }


# --- two-factor authentication from many addresses --------------------------------------------------------------------
def test_codes_from_many_addresses_are_limited_without_locking_out_the_owner() -> None:
    """An attacker with the password guesses codes from many addresses. Recovery codes still work, and a new password lifts the limit."""
    victim, other = (make_developer(is_staff=True, is_superuser=True) for _ in range(2))
    code = recovery_code(victim)
    for number in range(50):
        answer = second_factor(victim, f"203.0.113.{number // 10}", "wrong")
        assert not is_refused(answer)
    assert is_refused(second_factor(victim, THERE, "wrong"))
    refused = second_factor(victim, THERE, PASSWORD)
    assert "Too many failed attempts. Try again later. You can still use a recovery code." in refused.content.decode()
    assert second_factor(other, THERE, PASSWORD).status_code == 302
    client = Client()
    client.force_login(victim)
    opened = client.post("/admin/second-factor/", {"code": code}, headers={"X-Forwarded-For": THERE})
    assert opened.status_code == 302
    passwords.reset(token=passwords.make_token(victim), password=NEW)
    victim.refresh_from_db()
    assert second_factor(victim, THERE, PASSWORD).status_code == 302


def recovery_code(developer: Developer) -> str:
    code = "abcdefghijklmnop"
    RecoveryCodes.objects.create(user=developer, name="Recovery codes", hashes=[hash_secret(code)])
    return code


def test_concurrent_codes_do_not_exceed_the_limit() -> None:
    limits = throttles.code_limits(developer=make_developer(), address=HERE, is_recovery=False)
    together = threading.Barrier(40)

    def guess(_: int) -> bool:
        together.wait()
        try:
            throttles.count_attempt(limits)
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(40) as threads:
        assert sum(threads.map(guess, range(40))) == throttles.CODES_PER_ACCOUNT
    throttles.forgive(limits)
    throttles.count_attempt(limits)
    with pytest.raises(TooManyRequests):
        throttles.count_attempt(limits)


def test_exports_are_limited_per_account() -> None:
    client, other = Client(), Client()
    client.force_login(make_developer())
    other.force_login(make_developer())
    assert [client.head("/account/data/export").status_code for _ in range(11)] == [200] * 10 + [429]
    refused = client.get("/account/data/export").content.decode()
    assert "You have exported your data many times in the last hour. Try again later." in refused
    assert other.head("/account/data/export").status_code == 200
