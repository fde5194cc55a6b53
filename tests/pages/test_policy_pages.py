"""The pages for the calling policy and the do-not-call list, and refused calls in the calls list."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Developer
from calls.models import DialingPolicy, DoNotCallNumber
from calls.policy import services
from tests.factories import make_developer
from tests.pages.rows import make_call, make_number
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture
def developer() -> Developer:
    return make_developer()


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


def stored() -> tuple[Any, Any, Any]:
    policy = DialingPolicy.objects.get()
    return policy.allowed_countries, policy.calling_hours, policy.max_calls_per_number_per_day


def listed() -> list[tuple[str, str, str]]:
    return list(DoNotCallNumber.objects.order_by("pk").values_list("phone_number", "reason", "source"))


def upload(client: Client, content: bytes) -> str:
    file = SimpleUploadedFile("numbers.csv", content, "text/csv")
    return client.post("/do-not-call/import", {"file": file}, follow=True).content.decode()


def test_a_policy_can_be_saved_shown_and_cleared(client: Client) -> None:
    form = {
        "limit_countries": "on", "countries": ["US", "GB"], "other_countries": "gr, kr", "start": "09:00", "end": "20:00",
        "days": ["tue", "mon"], "max_calls_per_number_per_day": "3",
    }  # fmt: skip
    assert client.post("/policy", form)["Location"] == "/policy"
    hours = {"start": "09:00", "end": "20:00", "days": ["mon", "tue"]}
    assert stored() == (["GB", "GR", "KR", "US"], hours, 3)
    page = client.get("/policy").content.decode()
    assert_valid_page(page)
    for part in ('value="GR, KR"', 'value="09:00"', 'value="GB" id="id_countries_', 'value="3"'):
        assert part in page
    assert page.count("checked") == 5  # the switch, two countries, two days
    client.post("/policy", {"days": ["mon"]})
    assert stored() == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"limit_countries": "on"}, "Select at least one country, or allow all."),
        ({"other_countries": "US, ZZ"}, "Unknown country code: ZZ."),
        ({"start": "09:00"}, "Enter both times, or neither."),
        ({"start": "09:00", "end": "09:00"}, "Choose a time other than the start."),
        ({"start": "09:00", "end": "20:00", "days": []}, "Select at least one day."),
    ],
)
def test_an_invalid_policy_changes_nothing(
    client: Client, developer: Developer, changes: dict[str, Any], text: str
) -> None:
    services.set_policy(developer=developer, changes={"allowed_countries": ["US"]})
    page = client.post("/policy", {"days": ["mon"], **changes}).content.decode()
    assert text in page
    assert stored() == (["US"], None, None)


def test_numbers_can_be_added_searched_and_removed(client: Client, developer: Developer) -> None:
    DoNotCallNumber.objects.create(developer=make_developer(), phone_number="+12025550199", source="api")
    form = {"phone_number": "+1 (202) 555-0123", "reason": "Asked"}
    assert "Number added." in client.post("/do-not-call", form, follow=True).content.decode()
    assert "already on the list" in client.post("/do-not-call", form, follow=True).content.decode()
    assert listed()[1:] == [("+12025550123", "Asked", "page")]
    page = client.get("/do-not-call").content.decode()
    assert_valid_page(page)
    assert "+1 202-555-0123" in page and "555-0199" not in page
    assert "+1 202-555-0123" in client.get("/do-not-call?q=555-01").content.decode()
    for nothing in ("999", "x"):
        assert "No results" in client.get(f"/do-not-call?q={nothing}").content.decode()
    own, foreign = DoNotCallNumber.objects.order_by("-pk")
    assert client.post(f"/do-not-call/{foreign.pk}/remove").status_code == 404
    assert client.post(f"/do-not-call/{own.pk}/remove")["Location"] == "/do-not-call"
    assert listed() == [("+12025550199", "", "api")]


def test_a_file_is_imported_completely_or_not_at_all_and_can_be_exported(client: Client) -> None:
    page = upload(client, b"phone_number,reason\n+12025550123,Asked\n\n2025550124,\n911,\n")
    assert "Line 4: Enter an E.164 number" in page and "Line 5: " in page
    assert "column `phone_number`" in upload(client, b"number\n+12025550123\n")
    assert listed() == []
    assert "Added 2 numbers." in upload(client, b"phone_number,reason\n+12025550123,Asked\n+12025550124,\n")
    assert "Added 1 number. 1 was already on the list." in upload(client, b"phone_number\n+12025550124\n+12025550125\n")
    assert listed()[0] == ("+12025550123", "Asked", "page")
    file = client.get("/do-not-call/export")
    assert file["Content-Disposition"] == 'attachment; filename="do-not-call.csv"'
    assert [line.split(",")[0] for line in file.content.decode().split()] == [
        "phone_number", "+12025550125", "+12025550124", "+12025550123",
    ]  # fmt: skip


def test_refused_calls_are_listed_with_their_reason_and_can_be_found(client: Client, developer: Developer) -> None:
    number = make_number(developer)
    refused = {"direction": "outbound", "to_number": "+12025550123", "status": "failed", "hangup_cause": "rejected"}
    make_call(developer, number, **refused, refusal_reason="do_not_call", answered_at=None)
    make_call(developer, number, **{**refused, "to_number": "+12025550124"}, metadata={"order": "1815", "vip": "no"})
    page = client.get("/calls").content.decode()
    assert "Not dialed: the number is on the do-not-call list." in page
    for query, numbers in {
        "ending=refused": {"0123"},
        "ending=rejected": {"0124"},
        "metadata=order=1815, vip=no": {"0124"},
        "metadata=order=1816": set(),
        "metadata=order": set(),
    }.items():
        found = client.get(f"/calls?{query}").content.decode()
        assert {end for end in ("0123", "0124") if f"202-555-{end}" in found} == numbers, query
    assert "Enter a key and a value, like order=1815." in found
