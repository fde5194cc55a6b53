"""An account's dialing policy and its API: countries, hours, attempts and the do-not-call list, for calls and transfers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import LedgerEntry
from bubblyphone.core.errors import Forbidden
from calls.charging.admission import admit_transfer
from calls.models import Call, DialingPolicy, DoNotCallNumber, Transfer
from calls.policy import gate
from calls.policy.calling_hours import DAYS, CallingHours, zones_of
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer

pytestmark = pytest.mark.django_db
TO = "+12025550123"  # Washington
NEVER_NOW = {"start": "00:00", "end": "00:01", "days": ["mon"]}


def send(
    developer: Any, method: str, path: str, body: Any = None, *, is_admin: bool = False, kind: str = "", **more: str
) -> Any:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    headers = bearer(developer, is_admin=is_admin) | more
    return Client().generic(method, f"/api/v1{path}", content, content_type=kind or "application/json", headers=headers)


def refuse_calls(developer: Any, reason: str) -> None:
    """Set a policy that refuses calls to TO for this reason."""
    match reason:
        case "do_not_call":
            DoNotCallNumber.objects.create(developer=developer, phone_number=TO, source="api")
        case "country_not_allowed":
            DialingPolicy.objects.create(developer=developer, allowed_countries=["GB"])
        case "outside_calling_hours":
            day = DAYS[(timezone.now() + timedelta(days=3)).weekday()]
            hours = {"start": "10:00", "end": "11:00", "days": [day]}
            DialingPolicy.objects.create(developer=developer, calling_hours=hours)
        case "too_many_attempts":
            DialingPolicy.objects.create(developer=developer, max_calls_per_number_per_day=1)
            earlier = timezone.now() - timedelta(hours=23)
            number = make_streaming_number(developer)
            make_call(number, earlier, direction="outbound", to_number=TO, status="failed", ended_at=earlier)


@pytest.mark.parametrize(
    "reason",
    ["do_not_call", "country_not_allowed", "outside_calling_hours", "too_many_attempts", "premium_destination"],
)
def test_a_refused_call_is_listed_with_its_reason_and_costs_nothing(reason: str) -> None:
    developer = make_account()
    refuse_calls(developer, reason)
    to = "+19005550100" if reason == "premium_destination" else TO
    number = make_streaming_number(developer)
    answer = send(developer, "POST", "/calls", {"from": number.e164, "to": to})
    assert (answer.status_code, answer.json()["reason"]) == (403, reason)
    assert ("next_allowed_at" in answer.json()) == (reason == "outside_calling_hours")
    listed = send(developer, "GET", "/calls").json()["data"][0]
    assert (listed["to"], listed["status"], listed["refusal_reason"]) == (to, "failed", reason)
    assert (listed["hangup_cause"], listed["total_cost"]) == ("rejected", "0.00")
    found = send(developer, "GET", f"/calls/{listed['id']}/diagnosis").json()["data"]
    assert (found["fault"], found["outcome"]) == ("your_settings", "rejected")
    assert LedgerEntry.objects.filter(developer=developer).count() == 1  # the credit
    assert Call.objects.latest("pk").carrier_call_id is None


@pytest.mark.parametrize("reason", ["do_not_call", "country_not_allowed", "outside_calling_hours", "too_many_attempts"])
@pytest.mark.parametrize("briefing", ["", "Ada calls about order 1815."])
def test_a_refused_transfer_is_on_the_timeline_and_the_call_continues(reason: str, briefing: str) -> None:
    developer = make_account()
    refuse_calls(developer, reason)
    call = make_call(make_streaming_number(developer), timezone.now())
    answer = send(developer, "POST", f"/calls/{call.pk}/transfer", {"to": TO, "briefing": briefing})
    assert (answer.status_code, answer.json()["reason"]) == (403, reason)
    assert not Transfer.objects.filter(sent_at__isnull=False).exists()
    assert call.events.get(event_type="transfer.failed").metadata["reason"] == reason
    call.refresh_from_db()
    assert (call.status, call.end_requested_at) == ("answered", None)


@pytest.mark.parametrize(
    ("reason", "is_refused"),
    [
        ("do_not_call", True),
        ("country_not_allowed", True),
        ("outside_calling_hours", False),
        ("too_many_attempts", False),
    ],
)
def test_hours_and_attempts_do_not_apply_to_the_configured_transfer_number(reason: str, is_refused: bool) -> None:
    developer = make_account()
    refuse_calls(developer, reason)
    call = make_call(make_streaming_number(developer, transfer_number=TO), timezone.now())
    if is_refused:
        with pytest.raises(Forbidden):
            admit_transfer(call, TO)
    else:
        assert admit_transfer(call, TO) > 0


def test_hours_and_attempts_do_not_apply_to_the_accounts_own_numbers() -> None:
    developer, now = make_account(), timezone.now()
    DialingPolicy.objects.create(developer=developer, calling_hours=NEVER_NOW, max_calls_per_number_per_day=1)
    own = make_streaming_number(developer, e164="+12025550188")
    monday_noon = datetime(2026, 11, 30, 17, tzinfo=UTC)
    gate.check(developer, own.e164, now=monday_noon)
    with pytest.raises(Forbidden):
        gate.check(developer, TO, now=monday_noon)
    assert now <= timezone.now()


def test_dialed_attempts_of_24_hours_count_and_refused_ones_do_not() -> None:
    developer, now = make_account(), timezone.now()
    DialingPolicy.objects.create(developer=developer, max_calls_per_number_per_day=3)
    number = make_streaming_number(developer)
    outbound = {"direction": "outbound", "to_number": TO}
    make_call(number, now - timedelta(hours=24, seconds=1), **outbound)
    make_call(number, now - timedelta(hours=23), **outbound, refusal_reason="outside_calling_hours")
    make_call(number, now, from_number=TO)
    for failed in ("no_answer", "carrier_failed"):
        make_call(number, now - timedelta(hours=1), **outbound, status="failed", hangup_cause=failed, ended_at=now)
    gate.check(developer, TO, now=now)
    call = make_call(number, now)
    Transfer.objects.create(call=call, key="a", to_number=TO, rate=1, requested_at=now, sent_at=now)
    with pytest.raises(Forbidden) as refused:
        gate.check(developer, TO, now=now)
    assert refused.value.code == "too_many_attempts"
    gate.check(make_account(), TO, now=now)


@pytest.mark.parametrize(
    ("e164", "zones"),
    [
        (TO, ["America/New_York"]),
        ("+14155550199", ["America/Los_Angeles"]),
        ("+4915112345678", ["Europe/Berlin"]),
        ("+18005551234", ["Asia/Tokyo"]),
        ("+80012345678", ["Asia/Tokyo"]),
        ("+15005550006", ["Asia/Tokyo"]),
    ],
)
def test_the_time_zones_of_a_number(e164: str, zones: list[str]) -> None:
    assert [str(zone) for zone in zones_of(e164, "Asia/Tokyo")] == zones


def test_a_mobile_number_has_all_time_zones_of_its_country() -> None:
    assert {"Australia/Perth", "Australia/Sydney"} <= {str(zone) for zone in zones_of("+61412345678", "UTC")}


@pytest.mark.parametrize(
    ("start", "end", "days", "moment", "is_open"),
    [
        ("09:00", "20:00", None, "2026-11-30T09:00", True),
        ("09:00", "20:00", None, "2026-11-30T20:00", False),
        ("09:00", "20:00", None, "2026-11-30T08:59", False),
        ("09:00", "20:00", ["tue"], "2026-11-30T10:00", False),
        ("22:00", "02:00", ["mon"], "2026-11-30T23:00", True),
        ("22:00", "02:00", ["mon"], "2026-12-01T01:59", True),
        ("22:00", "02:00", ["mon"], "2026-12-01T02:00", False),
        ("22:00", "02:00", ["mon"], "2026-11-30T01:00", False),
        ("22:00", "02:00", ["sun"], "2026-11-30T01:00", True),
    ],
)
def test_calling_hours(start: str, end: str, days: list[str] | None, moment: str, is_open: bool) -> None:
    hours = CallingHours.from_json({"start": start, "end": end, **({"days": days} if days else {})})
    assert hours.include(datetime.fromisoformat(moment)) is is_open


@pytest.mark.parametrize(
    ("hours", "zones", "expected"),
    [
        # Monday 03:00 in New York; both coasts are open from 09:00 in Los Angeles.
        ({"start": "09:00", "end": "20:00"}, ["America/New_York"], "2026-11-30T14:00Z"),
        ({"start": "09:00", "end": "20:00"}, ["America/New_York", "America/Los_Angeles"], "2026-11-30T17:00Z"),
        ({"start": "09:00", "end": "10:00", "days": ["sun"]}, ["UTC"], "2026-12-06T09:00Z"),
        ({"start": "09:00", "end": "10:00"}, ["UTC", "Asia/Tokyo"], None),
    ],
)
def test_the_next_opening(hours: dict[str, Any], zones: list[str], expected: str | None) -> None:
    now = (
        datetime(2026, 11, 30, 8, tzinfo=UTC).replace(hour=10)
        if "days" in hours
        else datetime(2026, 11, 30, 8, tzinfo=UTC)
    )
    found = CallingHours.from_json(hours).next_opening(now, [ZoneInfo(zone) for zone in zones])
    assert found == (expected and datetime.fromisoformat(expected))


@pytest.mark.parametrize(
    ("start", "end", "now", "expected"),
    [
        ("02:30", "03:30", "2026-03-08T06:00Z", "2026-03-09T06:30Z"),  # on that Sunday clocks go from 02:00 to 03:00
        ("01:30", "01:45", "2026-11-01T05:50Z", "2026-11-01T06:30Z"),  # the second 01:30 of that Sunday
    ],
)
def test_the_next_opening_when_the_clocks_change(start: str, end: str, now: str, expected: str) -> None:
    hours, zone = CallingHours.from_json({"start": start, "end": end}), ZoneInfo("America/New_York")
    found = hours.next_opening(datetime.fromisoformat(now), [zone])
    assert found == datetime.fromisoformat(expected)
    assert hours.include(found.astimezone(zone))


def test_the_refusal_says_when_the_number_can_be_called() -> None:
    developer = make_account()
    DialingPolicy.objects.create(developer=developer, calling_hours={"start": "09:00", "end": "20:00"})
    with pytest.raises(Forbidden) as refused:
        gate.check(developer, TO, now=datetime(2026, 11, 30, 8, tzinfo=UTC))
    assert refused.value.details == {"next_allowed_at": "2026-11-30T14:00:00Z"}
    gate.check(developer, TO, now=datetime(2026, 11, 30, 14, tzinfo=UTC))


# --- the API ----------------------------------------------------------------------------------------------------------
def test_the_policy_is_set_rule_by_rule() -> None:
    developer = make_account()
    empty = {"allowed_countries": None, "calling_hours": None, "max_calls_per_number_per_day": None}
    assert send(developer, "GET", "/policy").json()["data"] == empty
    hours = {"start": "22:00", "end": "06:30", "days": ["fri", "mon", "mon"]}
    body = {"allowed_countries": ["US", "GB", "US"], "calling_hours": hours}
    given = send(developer, "PUT", "/policy", body, is_admin=True).json()["data"]
    policy = {**empty, "allowed_countries": ["GB", "US"], "calling_hours": {**hours, "days": ["mon", "fri"]}}
    assert given == policy
    changed = {"max_calls_per_number_per_day": 2, "allowed_countries": None}
    assert send(developer, "PUT", "/policy", changed, is_admin=True).json()["data"] == {**policy, **changed}
    assert (
        send(developer, "PUT", "/policy", {"calling_hours": None}, is_admin=True).json()["data"]["calling_hours"]
        is None
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"allowed_countries": ["US", "XX"]}, "allowed_countries"),
        ({"allowed_countries": "US"}, "allowed_countries"),
        ({"calling_hours": {"start": "9:00", "end": "20:00"}}, "calling_hours.start"),
        ({"calling_hours": {"start": "09:00", "end": "24:00"}}, "calling_hours.end"),
        ({"calling_hours": {"start": "09:00"}}, "calling_hours.end"),
        ({"calling_hours": {"start": "09:00", "end": "09:00"}}, "calling_hours.end"),
        ({"calling_hours": {"start": "09:00", "end": "10:00", "days": ["monday"]}}, "calling_hours.days.0"),
        ({"calling_hours": {"start": "09:00", "end": "10:00", "days": []}}, "calling_hours.days"),
        ({"calling_hours": {"start": "09:00", "end": "10:00", "zone": "UTC"}}, "calling_hours.zone"),
        ({"max_calls_per_number_per_day": 0}, "max_calls_per_number_per_day"),
        ({"countries": ["US"]}, "countries"),
    ],
)
def test_an_invalid_policy_is_rejected(body: dict[str, Any], field: str) -> None:
    answer = send(make_account(), "PUT", "/policy", body, is_admin=True)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert not DialingPolicy.objects.exists()


def test_an_ordinary_key_adds_to_the_list_and_changes_nothing_else() -> None:
    developer = make_account()
    assert send(developer, "PUT", "/policy", {"allowed_countries": None}).json()["reason"] == "admin_key_required"
    assert not DialingPolicy.objects.exists()
    added = send(developer, "POST", "/do-not-call", {"phone_number": TO, "reason": "Asked."})
    assert added.status_code == 201
    entry = added.json()["data"]
    assert (entry["phone_number"], entry["reason"], entry["source"]) == (TO, "Asked.", "api")
    assert send(developer, "POST", "/do-not-call", {"phone_number": TO}).json()["data"] == entry
    assert send(developer, "DELETE", f"/do-not-call/{entry['id']}").json()["reason"] == "admin_key_required"
    assert send(make_account(), "DELETE", f"/do-not-call/{entry['id']}", is_admin=True).status_code == 404
    assert send(developer, "GET", "/do-not-call").json()["data"] == [entry]
    assert send(developer, "DELETE", f"/do-not-call/{entry['id']}", is_admin=True).status_code == 204
    assert send(developer, "GET", "/do-not-call").json()["data"] == []
    assert send(developer, "POST", "/do-not-call", {"phone_number": "2025550123"}).status_code == 422


@pytest.mark.parametrize("body", [{}, {"phone_number": None}, {"phone_number": ""}, {"phone_number": "+" + "1" * 5000}])
def test_an_entry_without_a_number_is_rejected(body: dict[str, Any]) -> None:
    answer = send(make_account(), "POST", "/do-not-call", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["phone_number"])
    assert not DoNotCallNumber.objects.exists()


@pytest.mark.parametrize("is_form", [False, True])
def test_import_and_export(is_form: bool) -> None:
    developer = make_account()
    send(developer, "POST", "/do-not-call", {"phone_number": TO})
    file = f"name,phone_number,reason\r\nAda,{TO},x\r\nBob,+12025550124,=1+1\r\nBob,+12025550124,=1+1\r\n".encode(
        "utf-8-sig"
    )
    if is_form:
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
        answer = send(
            developer,
            "POST",
            "/do-not-call/import",
            part + file + b"\r\n--x--\r\n",
            kind="multipart/form-data; boundary=x",
        )
    else:
        answer = send(developer, "POST", "/do-not-call/import", file, kind="text/csv; charset=utf-8")
    assert (answer.status_code, answer.json()) == (200, {"data": {"added": 1, "already_listed": 1}})
    exported = send(developer, "GET", "/do-not-call?format=csv")
    assert exported["Content-Type"].startswith("text/csv")
    lines = exported.content.decode().splitlines()
    assert lines[0] == "phone_number,reason,source,created_at"
    assert [line.split(",")[:3] for line in lines[1:]] == [["+12025550124", "'=1+1", "api"], [TO, "", "api"]]
    other = make_account()
    assert send(other, "POST", "/do-not-call/import", exported.content, kind="text/csv").json()["data"]["added"] == 2


@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8"])
@pytest.mark.parametrize("key", ["", "import-1"])
def test_a_file_of_several_megabytes(kind: str, key: str) -> None:
    developer = make_account()
    row = b"+12025550123," + b"a" * 300 + b"\n"
    file = b"phone_number,reason\n+12025550124,\n" + row * (2 * 1024 * 1024 // len(row))
    headers = {"Idempotency-Key": key} if key else {}
    for _ in range(2):
        answer = send(developer, "POST", "/do-not-call/import", file, kind=kind, **headers)
    assert answer.json()["data"] == ({"added": 2, "already_listed": 0} if key else {"added": 0, "already_listed": 2})
    too_long = file + row * (9 * 1024 * 1024 // len(row))
    answer = send(developer, "POST", "/do-not-call/import", too_long, kind=kind)
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        {"file": ["The file is too large. The maximum is 10 MiB."]},
    )
    assert send(developer, "POST", "/do-not-call", b" " * (1024 * 1024 + 1), kind="text/csv").status_code == 413
    assert DoNotCallNumber.objects.count() == 2


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        (b"", ["file"]),
        (b"number\n+12025550123\n", ["file"]),
        (b"\xff\xfe", ["file"]),
        (b'phone_number\n"+1202', ["file"]),
        (b"phone_number\n+12025550123\n2025550124\n\n+12025550125\n911\n", ["rows.3", "rows.6"]),
    ],
)
def test_an_invalid_file_imports_nothing(file: bytes, fields: list[str]) -> None:
    developer = make_account()
    answer = send(developer, "POST", "/do-not-call/import", file, kind="text/csv")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, fields)
    assert not DoNotCallNumber.objects.exists()


def test_a_form_without_a_file_imports_nothing() -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nphone_number\r\n--x--\r\n'
    answer = send(make_account(), "POST", "/do-not-call/import", form, kind="multipart/form-data; boundary=x")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["file"])
    assert not DoNotCallNumber.objects.exists()
