"""Rotating a webhook secret through the API and on the number's page."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from phone_numbers.models import PhoneNumber
from tests.factories import bearer, make_developer, make_phone_number
from webhooks.sending.signing import signing_keys

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def keys_of(number: PhoneNumber) -> Any:
    return signing_keys(PhoneNumber.objects.get(pk=number.pk).signing_secret)


def test_rotating_through_the_api(client: Any) -> None:
    number = make_phone_number()
    before = keys_of(number).current
    path = f"/api/v1/phone-numbers/{number.pk}"
    headers = bearer(number.developer)
    answer = client.generic("POST", f"{path}/rotate-secret", headers=headers)
    assert answer.status_code == 200
    data = client.get(path, headers=headers).json()["data"]
    keys = keys_of(number)
    assert answer.json() == {"data": {**data, "webhook_secret": keys.current}}
    assert keys.current.startswith("whsec_") and keys.current != before
    assert keys.previous == before
    assert abs(keys.previous_valid_until - timezone.now() - timedelta(hours=24)) < timedelta(minutes=1)


def test_other_accounts_cannot_rotate_it(client: Any) -> None:
    number = make_phone_number()
    before = keys_of(number)
    path = f"/api/v1/phone-numbers/{number.pk}/rotate-secret"
    response = client.generic("POST", path, headers=bearer(make_developer()))
    assert (response.status_code, response.json()) == (404, {"message": "Not found."})
    assert client.generic("POST", path).status_code == 401
    client.force_login(make_developer())
    assert client.post(f"/numbers/{number.pk}/rotate-secret").status_code == 404
    assert keys_of(number) == before


def test_the_page_shows_the_new_secret_once(client: Any) -> None:
    number = make_phone_number()
    client.force_login(number.developer)
    page = f"/numbers/{number.pk}"
    assert "whsec_" not in client.get(page).content.decode()
    assert client.get(f"{page}/rotate-secret").status_code == 405
    assert client.post(f"{page}/rotate-secret").url == page
    assert keys_of(number).current in client.get(page).content.decode()
    assert "whsec_" not in client.get(page).content.decode()
