"""Staff sign in with a password and an authenticator app."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import Developer
from staff import second_factor
from staff.models import Authenticator, RecoveryCodes
from tests.factories import PASSWORD, make_developer
from tests.staff.sign_in import code_of, make_staff, staff_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
PAGE = "/admin/second-factor/"


@pytest.fixture
def person() -> Developer:
    return make_staff(email="staff@example.com")


def sign_in(password: str = PASSWORD, then: str = "/admin/") -> tuple[Client, Any]:
    client = Client()
    form = {"username": "staff@example.com", "password": password, "next": then}
    return client, client.post("/admin/login/", form, follow=True)


def enrol(client: Client) -> list[str]:
    """Set up the app. Returns the recovery codes."""
    page = client.post(
        PAGE, {"code": code_of(Authenticator.objects.get()), "next": "/admin/"}, follow=True
    ).content.decode()
    return re.findall(r"<li><code>([a-z2-7-]{19})</code></li>", page)


def test_the_first_sign_in_sets_up_the_app(person: Developer) -> None:
    client, answer = sign_in(then="/admin/calls/call/")
    assert answer.redirect_chain[-1][0] == f"{PAGE}?next=%2Fadmin%2Fcalls%2Fcall%2F"
    page = answer.content.decode()
    device = Authenticator.objects.get()
    assert second_factor.key_text(device) in page
    picture = page.partition('class="qr-code"')[2].partition("</div>")[0]
    assert "<path" in picture and "style=" not in picture
    assert client.get("/admin/calls/call/").status_code == 302
    assert "Wrong code. Enter the code your app shows now." in client.post(PAGE, {"code": "000000"}).content.decode()
    codes = enrol(client)
    assert len(set(codes)) == 10
    page = client.get("/admin/calls/call/").content.decode()
    assert ">Sign out</button>" in page and "Log out" not in page
    # Neither the key nor the recovery codes can be read from the database.
    device.refresh_from_db()
    assert second_factor.key_text(device) not in device.encrypted
    assert codes[0].replace("-", "") not in str(RecoveryCodes.objects.get().hashes)


def test_later_sign_ins_require_a_code_that_works_once(person: Developer) -> None:
    enrol(sign_in()[0])
    device = Authenticator.objects.get()
    client, answer = sign_in()
    assert "Enter the six-digit code" in answer.content.decode()
    used = code_of(device, step=device.last_step)
    assert "wrong or was already used" in client.post(PAGE, {"code": used}).content.decode()
    fresh = code_of(device, step=device.last_step + 1)
    assert client.post(PAGE, {"code": fresh, "next": "https://evil.example/"})["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert client.get(PAGE)["Location"] == "/admin/"


def test_a_recovery_code_works_once(person: Developer) -> None:
    codes = enrol(sign_in()[0])
    client, _ = sign_in()
    assert client.post(PAGE, {"code": codes[3].upper()})["Location"] == "/admin/"
    other, _ = sign_in()
    assert "wrong or was already used" in other.post(PAGE, {"code": codes[3]}).content.decode()
    assert other.get("/admin/").status_code == 302
    assert len(RecoveryCodes.objects.get().hashes) == 9


def test_a_superuser_can_reset_a_lost_authenticator_and_this_is_logged(person: Developer) -> None:
    client, _ = sign_in()
    enrol(client)
    chief = make_staff()
    form = {"action": "reset_second_factor", "_selected_action": [person.pk]}
    answer = staff_client(chief).post("/admin/accounts/developer/", form, follow=True)
    assert "They will set up two-factor authentication again" in answer.content.decode()
    assert not second_factor.is_enrolled(person)
    assert client.get("/admin/").status_code == 302
    (logged,) = chief.logentry_set.all()
    assert (logged.object_id, logged.change_message) == (str(person.pk), "Two-factor authentication reset.")


def test_in_the_demo_it_is_optional_until_it_is_set_up(person: Developer, settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = False
    client, answer = sign_in()
    assert "Not now (demo only)" in answer.content.decode()
    assert client.get("/admin/").status_code == 200
    client.get(PAGE)
    enrol(client)
    assert client.get("/admin/").status_code == 200
    assert sign_in()[0].get("/admin/").status_code == 302


def test_only_staff_can_sign_in(person: Developer) -> None:
    _, refused = sign_in(password="wrong-password")
    assert "Please enter the correct email" in refused.content.decode()
    stranger = make_developer()
    client = staff_client(stranger)
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    assert client.get(PAGE)["Location"] == "/admin/login/"
    form = {"username": stranger.email, "password": PASSWORD}
    assert "staff account" in Client().post("/admin/login/", form).content.decode()
    assert not Authenticator.objects.exclude(user=stranger).exists()


def test_wrong_passwords_are_limited_as_in_every_sign_in(person: Developer, monkeypatch: Any) -> None:
    monkeypatch.setattr("accounts.throttles.PASSWORDS_PER_ACCOUNT", 2)
    for _ in range(2):
        sign_in(password="wrong-password")
    assert "Too many failed attempts" in sign_in()[1].content.decode()
