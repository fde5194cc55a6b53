"""Which passwords are accepted, regardless of how a keyboard composes characters."""

from unicodedata import normalize

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from accounts.models import Developer
from tests.factories import make_developer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
COMPOSED, DECOMPOSED = "Zürich-Café", normalize("NFD", "Zürich-Café")


def register(client: Client, password: str) -> int:
    body = {"name": "Jane", "email": "jane@example.com", "password": password, "password_confirmation": password}
    return client.post("/api/v1/auth/register", body, content_type="application/json").status_code


@pytest.mark.parametrize("password", ["password", "PASSWORD", "12345678", "qwertyuiop", "iloveyou", "ｐａｓｓｗｏｒｄ"])
def test_the_most_common_passwords_are_refused(client: Client, password: str) -> None:
    assert register(client, password) == 422
    form = client.post("/signup", {"name": "J", "email": "jane@example.com", "password": password})
    assert "This password is too common." in form.content.decode()
    assert not Developer.objects.exists()


@pytest.mark.parametrize("password", ["secret123", "correct horse", COMPOSED, DECOMPOSED])
def test_other_passwords_are_accepted(client: Client, password: str) -> None:
    assert register(client, password) == 201


@pytest.mark.parametrize("given", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED])
def test_unicode_composition_does_not_matter(client: Client, given: str, typed: str) -> None:
    developer = make_developer(password=given)
    body = {"email": developer.email, "password": typed}
    assert client.post("/api/v1/auth/login", body, content_type="application/json").status_code == 200
    assert client.login(username=developer.email, password=typed)


def test_a_hash_of_a_decomposed_password_still_matches(client: Client) -> None:
    developer = make_developer()
    Developer.objects.filter(pk=developer.pk).update(password=make_password(DECOMPOSED))
    developer.refresh_from_db()
    assert developer.check_password(DECOMPOSED)
    assert not developer.check_password("Zurich-Cafe")
