"""Admin lists of tables that grow forever: limits on counting, indexed searches, and few queries for accounts."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Developer
from billing import ledger
from bubblyphone.core.admin import BoundedPaginator, GrowingListAdmin
from calls.admin import CallAdmin
from calls.models import Call
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_developer
from tests.staff.sign_in import staff_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
CALLS, ENTRIES, ACCOUNTS = "/admin/calls/call/", "/admin/billing/ledgerentry/", "/admin/accounts/developer/"


@pytest.fixture
def client() -> Client:
    return staff_client(make_developer(is_staff=True, is_superuser=True))


def test_calls_and_entries_are_found_through_indexes(client: Client) -> None:
    owner = make_developer(email="ada@example.org")
    number, other = make_streaming_number(owner), make_streaming_number(make_account())
    call = make_call(number, timezone.now(), from_number="+12025550111", carrier_call_id="v3:one")
    stranger = make_call(other, timezone.now(), from_number="+12025550199", carrier_call_id="v3:two")
    for row in (call, stranger):
        ledger.post_entry(
            developer_id=row.developer_id, key=f"call:{row.pk}:model", kind="model", amount=Decimal(-1), description="AI model",
        )  # fmt: skip

    def found(page: str, text: str) -> set[int]:
        return {row.developer_id for row in client.get(page, {"q": text}).context["cl"].result_list}

    for text in ("ada@", "+12025550111", number.e164, "v3:one", str(call.pk)):
        assert found(CALLS, text) == {owner.pk}, text
    assert found(CALLS, "+120255501") == set()
    assert found(ENTRIES, "ADA@example") == found(ENTRIES, f"call:{call.pk}:") == {owner.pk}
    assert found(ENTRIES, "nobody") == set()
    assert found(CALLS, " ") == {owner.pk, stranger.developer_id}


def test_counting_rows_stops_at_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedPaginator, "MOST", 2)
    number = make_streaming_number(make_account())
    calls = [make_call(number, timezone.now(), carrier_call_id=f"v3:{place}") for place in range(3)]
    changelist = client.get(CALLS).context["cl"]
    assert (changelist.result_count, [call.pk for call in changelist.result_list]) == (
        2,
        [calls[2].pk, calls[1].pk],
    )
    assert Call.objects.count() == 3


def test_a_search_is_evaluated_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the number of results and the rows of a page, because it can take longer than everything else on the page."""
    monkeypatch.setattr(BoundedPaginator, "MOST", 5)
    number = make_streaming_number(make_account())
    found = [
        make_call(number, timezone.now(), from_number="+12025550111", carrier_call_id=f"v3:{place}").pk
        for place in range(6)
    ]
    make_call(number, timezone.now(), from_number="+12025550199", carrier_call_id="v3:other")
    newest_first = found[::-1]

    def page(query: str) -> tuple[int, list[int]]:
        changelist = client.get(f"{CALLS}?q=%2B12025550111{query}").context["cl"]
        return changelist.result_count, [call.pk for call in changelist.result_list]

    for size in (2, 5):  # the results of a single page, too
        monkeypatch.setattr(CallAdmin, "list_per_page", size)
        with CaptureQueriesContext(connection) as queries:
            assert page("") == (5, newest_first[:size])
        ids = ", ".join(map(str, newest_first[:size]))
        searches = [query["sql"] for query in queries if "'+12025550111'" in query["sql"]]
        assert len(searches) == 2
        assert ("LIMIT 5" in searches[0], f'"id" IN ({ids})' in searches[1]) == (True, True)
    monkeypatch.setattr(CallAdmin, "list_per_page", 2)
    assert page("&p=2") == (5, newest_first[2:4])
    assert page("&p=3") == (5, newest_first[4:5])
    assert client.get(f"{CALLS}?q=%2B12025550111&p=4").status_code == 302  # Django redirects to its error page


def test_filters_look_at_the_newest_rows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all accounts, or of the chosen one. The lists cannot be sorted by a column without an index."""
    monkeypatch.setattr(GrowingListAdmin, "NEWEST", 2)
    number, other = make_streaming_number(make_account()), make_streaming_number(make_account())
    own = [make_call(number, timezone.now(), carrier_call_id=f"v3:{place}", direction="outbound") for place in range(3)]
    strange = make_call(other, timezone.now(), carrier_call_id="v3:other", direction="outbound")

    def found(query: str) -> list[int]:
        return [call.pk for call in client.get(f"{CALLS}?{query}").context["cl"].result_list]

    assert found("direction__exact=outbound") == [strange.pk, own[2].pk]
    assert found(f"direction__exact=outbound&developer__id__exact={number.developer_id}") == [own[2].pk, own[1].pk]
    assert found(f"developer__id__exact={number.developer_id}") == [call.pk for call in reversed(own)]
    assert found("o=1") == [strange.pk, *(call.pk for call in reversed(own))]


def test_balances_of_a_page_of_accounts_need_one_query(client: Client) -> None:
    make_account("1.25")
    client.get(ACCOUNTS)
    with CaptureQueriesContext(connection) as few:
        page = client.get(ACCOUNTS).content.decode()
    assert "1.25" in page
    for _ in range(5):
        make_account("2.50")
    with CaptureQueriesContext(connection) as many:
        page = client.get(ACCOUNTS).content.decode()
    assert page.count("2.50") == 5
    assert len(many) == len(few)
    assert Developer.objects.count() == 7
