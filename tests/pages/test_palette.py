"""The command palette: its results, who sees them, and how many rows it reads."""

import re
from typing import Any

import pytest
from django.db import connection
from django.template.loader import get_template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Developer
from bubblyphone.docs.views import GUIDES
from calls.dashboard.palette import PAGES
from phone_numbers.models import PhoneNumber
from tests.factories import make_agent, make_developer
from tests.pages.rows import make_call, make_number
from tests.pages.signed_in import signed_in_client
from tests.pages.world import patterns

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
OPTION = re.compile(r'<a role="option" id="([^"]+)" href="([^"]+)"[^>]*><span>([^<]+)</span>')

# Forms on other pages, files, parts of pages, and pages for visitors.
NO_PLACES = {
    *("add-carrier-account", "auto-top-up", "change-password", "delete-account", "delete-kept", "import-do-not-call"),
    *("import-number", "log-out-everywhere", "logout", "resend-events", "resend-failed-webhooks", "save-call-view"),
    *("send-verification", "start-sandbox", "to-checkout", "top-up", "try-lookup", "try-tool"),
    *("call-figures-csv", "calls-csv", "export-data", "export-do-not-call", "offline-voice", "vendor-voice"),
    *("events-tail", "palette", "phone-call", "sandbox-price", "sandbox-variables"),
    *("forgot-password", "login", "signup"),
}


@pytest.fixture
def developer() -> Developer:
    return make_developer()


def found(developer: Developer, text: str) -> list[tuple[str, str]]:
    """(title, address) of every result, in order."""
    response = signed_in_client(developer).get("/palette", {"q": text})
    assert response.status_code == 200
    options = OPTION.findall(response.content.decode())
    assert len({name for name, _, _ in options}) == len(options)
    return [(title, url) for _, url, title in options]


def test_every_page_of_the_navigation_is_found(developer: Developer) -> None:
    template = get_template("_navigation.html").template.source  # type: ignore[attr-defined]
    linked = set(re.findall(r"<li[^>]*><a href=\"\{% url '([a-z-]+)'", template))
    assert linked <= {name for _, name, _ in PAGES}
    assert [url for _, url in found(developer, "")] == [reverse(name) for _, name, _ in PAGES if name != "phone"]


def test_every_page_is_found_or_excluded() -> None:
    names = {str(found.name) for found in patterns() if not found.pattern.converters}
    assert names - {name for _, name, _ in PAGES} == NO_PLACES
    assert {f"docs-{name}" for name in GUIDES} <= {name for _, name, _ in PAGES}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bill", ["Billing"]),
        ("time zone", ["Account"]),
        ("key", ["API keys", "Model keys"]),
        ("number", ["Numbers", "Buy a number", "Bring a number"]),
        ("<script>", []),
        ("%_", []),
    ],
)
def test_pages_are_found_by_keywords(developer: Developer, text: str, expected: list[str]) -> None:
    titles = [title for title, _ in found(developer, text)]
    assert titles[:-1] == expected
    assert titles[-1].startswith("Search all calls for")


@pytest.mark.usefixtures("without_billing")
def test_pages_that_are_turned_off_are_not_found(developer: Developer) -> None:
    assert [title for title, _ in found(developer, "payments")][:-1] == []


def test_numbers_agents_and_calls(developer: Developer) -> None:
    agent = make_agent(developer=developer, name="Front desk")
    number = make_number(developer, "+442079460018", label="London office", agent=agent)
    released = make_number(developer, "+442079460019", status=PhoneNumber.Status.RELEASED)
    call = make_call(developer, number, from_number="+19075550101")
    newer = make_call(developer, released, from_number="+19075550199", direction="outbound", to_number="+19075550101")
    every = "Search all calls for"
    expected = [("From +1 907-555-0101", f"/calls/{call.pk}"), ("To +1 907-555-0101", f"/calls/{newer.pk}")]

    assert found(developer, "front")[:-1] == [("Front desk", f"/agents/{agent.pk}")]
    assert found(developer, "london")[:-1] == [("+44 20 7946 0018", f"/numbers/{number.pk}")]
    assert found(developer, "020 7946 00")[0] == ("+44 20 7946 0018", f"/numbers/{number.pk}")
    assert found(developer, "(907) 555-0101")[:-1] == [expected[1], expected[0]]
    assert found(developer, "(907) 555-0101")[-1][0].startswith(every)
    for text in (str(call.pk), f"#{call.pk}", f"call {call.pk}"):
        assert expected[0] in found(developer, text)


def test_nothing_from_another_account_is_found(developer: Developer) -> None:
    stranger = make_developer()
    number = make_number(stranger, "+442079460018", label="London office")
    make_agent(developer=stranger, name="Front desk")
    call = make_call(stranger, number, public_id="call_abc123")
    for text in ("front", "london", "7946", "907555", str(call.pk), "call_abc123"):
        assert [url for _, url in found(developer, text) if not url.startswith("/calls?q=")] == []
    response = Client().get("/palette?q=x")
    assert (response.status_code, response["Location"]) == (302, "/login?next=/palette%3Fq%3Dx")


def test_a_search_reads_a_limited_number_of_rows(developer: Developer) -> None:
    number = make_number(developer)
    for place in range(8):
        make_agent(developer=developer, name=f"Number 555 {place}")
        make_call(developer, number, from_number=f"+1907555010{place}")
    client = signed_in_client(developer)
    client.get("/palette")
    with CaptureQueriesContext(connection) as queries:
        response = client.get("/palette", {"q": "555"})
    body = response.content.decode()
    assert (body.count('href="/calls/'), body.count('href="/agents/')) == (6, 6)
    reads: list[dict[str, Any]] = [query for query in queries.captured_queries if query["sql"].startswith("SELECT")]
    newest, found = [query["sql"] for query in reads if 'FROM "calls_call"' in query["sql"]][-2:]
    assert newest.endswith("LIMIT 1000")
    assert "LIKE" in found and '"calls_call"."id" IN (' in found
    assert len(reads) <= 8  # the session, its account, one per kind of result, and the IDs of the newest calls
