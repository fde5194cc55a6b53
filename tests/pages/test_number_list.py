"""The list of numbers: a page at a time, with a search."""

import re

import pytest
from django.test import Client

from accounts.models import Developer
from bubblyphone.core.pagination import PAGE_SIZE
from tests.calls.rows import make_streaming_number
from tests.factories import make_agent, make_developer
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture
def developer() -> Developer:
    return make_developer()


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


def shown(client: Client, query: str = "") -> list[int]:
    page = client.get(f"/numbers{query}").content.decode()
    assert_valid_page(page)
    return [int(pk) for pk in re.findall(r'class="cover number" href="/numbers/(\d+)"', page)]


def test_many_numbers_are_listed_in_pages(client: Client, developer: Developer) -> None:
    ids = [make_streaming_number(developer).pk for _ in range(PAGE_SIZE + 3)][::-1]
    assert shown(client) == ids[:PAGE_SIZE]
    assert shown(client, f"?before={ids[PAGE_SIZE - 1]}") == ids[PAGE_SIZE:]
    assert "More filters" not in client.get("/numbers").content.decode()  # there is only the search
    for wrong in ("x", "-1", "", str(2**63)):
        assert "This page does not exist" in client.get("/numbers", {"before": wrong}).content.decode(), wrong
    assert shown(client, "?before=9999999999") == ids[:PAGE_SIZE]


def test_numbers_are_found_by_digits_label_and_agent(client: Client, developer: Developer) -> None:
    agent = make_agent(developer=developer, name="Baker")
    shop = make_streaming_number(developer, e164="+14155550123", label="Shop").pk
    kitchen = make_streaming_number(developer, e164="+442071838750", agent=agent).pk
    make_streaming_number(make_developer(), e164="+14155550199", label="Shop")
    for text, found in {
        "(415) 555": [shop], "020 7183": [kitchen], "shop": [shop], "bak": [kitchen], "9": [], "": [kitchen, shop], "%": [],
    }.items():  # fmt: skip
        assert shown(client, f"?q={text}") == found, text
    for text in ("x", "_", "%5B"):
        assert "No numbers match this search." in client.get("/numbers", {"q": text}).content.decode(), text


def test_a_few_numbers_have_no_search(client: Client, developer: Developer) -> None:
    make_streaming_number(developer)
    assert 'type="search"' not in client.get("/numbers").content.decode()
