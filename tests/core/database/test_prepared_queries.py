"""Queries that Django compiles once: the same rows as from Django, for other values each time."""

import re
from pathlib import Path
from typing import Any

import pytest
from django import VERSION
from django.apps import apps
from django.db import connection
from django.db.models import F, QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import bubblyphone
from accounts.models import ApiKey, Developer, SessionToken
from agents.models import Agent
from agents.selectors import agents_of
from bubblyphone.core.database import prepared_queries
from bubblyphone.core.database.prepared_queries import PROVEN, IsOneOf, PreparedList, PreparedQuery, prove
from calls.models import Call
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer, make_agent, make_api_key, make_developer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def columns_of(row: Any) -> dict[str, Any]:
    """Every loaded column, also of the related rows that came with it."""
    return {name: value for name, value in vars(row).items() if name != "_state"}


def test_rows_are_those_of_django() -> None:
    developer = make_account()
    linked = make_streaming_number(developer, agent=make_agent(developer=developer))
    for number in (linked, make_streaming_number(developer)):
        make_call(number, timezone.now(), metadata={"order": [1, None]}, analysis_result=None)

    def calls(owner: int) -> QuerySet[Call]:
        return Call.objects.filter(developer_id=owner).order_by("pk")

    def agents(owner: int) -> QuerySet[Agent]:
        return agents_of(Developer(pk=owner))

    for build, count in ((calls, 2), (agents, 1)):
        found = PreparedQuery[Any](build).fetch(developer.pk)
        assert len(found) == count
        assert [columns_of(row) for row in found] == [columns_of(row) for row in build(developer.pk)]


def test_related_rows_come_along_and_other_columns_do_not() -> None:
    developer = make_account()
    make_streaming_number(developer, agent=make_agent(developer=developer))
    make_streaming_number(developer)

    def numbers(owner: int) -> QuerySet[PhoneNumber]:
        rows = PhoneNumber.objects.filter(developer_id=owner).select_related("agent__developer")
        return rows.only("e164", "monthly_cost", "agent__name", "agent__developer__email").order_by("pk")

    expected = list(numbers(developer.pk))
    with CaptureQueriesContext(connection) as queries:
        linked, plain = PreparedQuery(numbers).fetch(developer.pk)
        assert linked.agent is not None
        assert expected[0].agent is not None
        assert columns_of(linked.agent) == columns_of(expected[0].agent)
        assert columns_of(linked.agent.developer) == columns_of(expected[0].agent.developer)
        assert plain.agent is None
    assert len(queries) == 1
    assert [columns_of(row) for row in (linked, plain)] == [columns_of(row) for row in expected]
    assert linked.get_deferred_fields() == expected[0].get_deferred_fields()
    linked.e164 = "+14155550199"
    linked.save(update_fields=["e164"])  # an existing row, in the right database
    assert PhoneNumber.objects.filter(developer=developer, e164="+14155550199").count() == 1


def test_a_query_is_built_once_and_run_with_each_value() -> None:
    built: list[tuple[Any, ...]] = []

    def build(owner: int, label: str) -> QuerySet[ApiKey]:
        built.append((owner, label))
        return ApiKey.objects.filter(developer_id=owner, label=label, revoked_at=None).order_by("pk")

    ours, theirs = make_developer(), make_developer()
    keys = {(owner, label): make_api_key(owner, label=label)[0] for owner in (ours, theirs) for label in ("a%s", "b")}
    query = PreparedQuery(build)
    for (owner, label), key in keys.items():
        with CaptureQueriesContext(connection) as queries:
            assert query.fetch(owner.pk, label) == [key]
        assert len(queries) == 1
    assert query.fetch(ours.pk, "b' OR '1'='1") == []
    assert len(built) == 2  # for the comparison, at the first call


def test_a_list_of_any_length_is_one_value() -> None:
    def build(owners: list[int], label: str) -> QuerySet[ApiKey]:
        rows = ApiKey.objects.filter(IsOneOf(F("developer_id"), owners), label=label)
        return rows.annotate(owner=F("developer__email")).order_by("pk")

    ours, theirs, others = make_developer(), make_developer(), make_developer()
    keys = [make_api_key(owner, label="a")[0] for owner in (ours, theirs, others, ours)]
    query = PreparedQuery(build)
    for owners in ([ours.pk], [ours.pk, theirs.pk], [others.pk, 2**40, ours.pk], []):
        expected = [key for key in keys if key.developer_id in owners]
        found = query.fetch(owners, "a")
        assert found == expected
        assert [vars(row)["owner"] for row in found] == [key.developer.email for key in expected]
        assert [*build(owners, "a")] == expected
    assert query.fetch([ours.pk], "b") == []


def test_what_cannot_be_prepared_is_refused() -> None:
    keys = ApiKey.objects.all()
    with pytest.raises(ValueError, match="compares each of its values with a column"):
        PreparedQuery(lambda owner: keys).fetch(1)
    with pytest.raises(ValueError, match="compares each of its values with a column"):
        PreparedQuery(lambda owner, count: keys.filter(developer_id=owner)[:count]).fetch(1, 5)
    with pytest.raises(ValueError, match="returns model instances and prefetches nothing"):
        PreparedQuery[Any](lambda owner: keys.filter(developer_id=owner).values("pk")).fetch(1)
    with pytest.raises(ValueError, match="returns model instances and prefetches nothing"):
        PreparedQuery(lambda owner: Developer.objects.filter(pk=owner).prefetch_related("api_keys")).fetch(1)
    with pytest.raises(TypeError, match="integers, texts, and lists of integers"):
        PreparedQuery(lambda hint: keys.filter(hint=hint)).fetch(None)  # type: ignore[arg-type]


def test_a_query_that_depends_on_the_time_is_refused() -> None:
    """The time of its first call would be kept: what has expired since then would still be found."""
    query = PreparedQuery(lambda owner: SessionToken.objects.filter(developer_id=owner, expires_at__gt=timezone.now()))
    for _ in range(2):
        with pytest.raises(ValueError, match="uses nothing that changes"):
            query.fetch(1)


def test_queries_are_prepared_with_the_installed_version() -> None:
    """After an update, review the changes to the compiler that `prepared_queries` relies on, then set the new version."""
    assert VERSION[:2] == PROVEN
    assert prove() is True


def test_django_s_compiler_is_only_used_in_one_file() -> None:
    own = Path(bubblyphone.__file__).parent
    packages = {path for config in apps.get_app_configs() if (path := Path(config.path)).parent == own.parent}
    files = [path for package in packages | {own} for path in package.rglob("*.py")]
    internal = re.compile(
        r"get_compiler|klass_info|annotation_col_map|get_related_populators|_iterable_class|models\.sql"
    )
    assert [path.name for path in files if internal.search(path.read_text())] == ["prepared_queries.py"]


def test_other_versions_run_ordinary_queries(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(PreparedQuery, "is_on", True)
    monkeypatch.setattr(prepared_queries.logger, "propagate", True)
    assert prove((6, 1)) is False
    assert "Django 6.1" in caplog.text
    developer = make_developer()
    key, plaintext = make_api_key(developer)
    values: list[int] = []

    def build(owner: int) -> QuerySet[ApiKey]:
        values.append(owner)
        return ApiKey.objects.filter(developer_id=owner)

    query = PreparedQuery(build)
    assert [query.fetch(developer.pk), query.fetch(0)] == [[key], []]
    assert values == [developer.pk, 0]
    answer = Client(headers={"Authorization": f"Bearer {plaintext}"}).get("/api/v1/api-keys?per_page=1")
    assert [row["id"] for row in answer.json()["data"]] == [key.pk]
    assert prove() is True


def test_a_list_shows_only_its_account_page_by_page() -> None:
    """Forth and back, for two accounts in turn and pages of two sizes."""
    accounts = [make_account(), make_account()]
    clients = [Client(headers=bearer(account)) for account in accounts]
    ids: list[list[int]] = [[], []]
    for place in range(10):
        number = make_streaming_number(accounts[place % 2])
        ids[place % 2].insert(0, number.pk)

    def page(account: int, query: str) -> tuple[list[int], str | None, str | None]:
        answer = clients[account].get(f"/api/v1/phone-numbers?{query}").json()
        return [row["id"] for row in answer["data"]], answer["meta"]["next_cursor"], answer["meta"]["prev_cursor"]

    for size in (2, 3):
        for account in (0, 1):
            first, onward, before = page(account, f"per_page={size}")
            assert (first, before) == (ids[account][:size], None)
            second, _, back = page(account, f"per_page={size}&cursor={onward}")
            assert second == ids[account][size : 2 * size]
            assert page(account, f"per_page={size}&cursor={back}")[0] == first
            assert (
                page(1 - account, f"per_page={size}&cursor={onward}")[0]
                == [pk for pk in ids[1 - account] if pk < first[-1]][:size]
            )


def test_a_list_keeps_few_variants() -> None:
    """Clients choose the page size, so that they cannot fill the memory with queries."""
    built: list[int] = []

    def rows_of(owner: Developer) -> QuerySet[ApiKey]:
        built.append(owner.pk)
        return ApiKey.objects.filter(developer=owner)

    rows = PreparedList(rows_of).of(make_developer().pk)
    for count in (*range(1, 101), 100, 1):
        assert rows.first("-id", "lt", None, count) == []
    assert len(built) == 2 * 101  # 100 was kept, 1 was not


def test_a_revoked_key_stops_at_once() -> None:
    developer = make_developer()
    key, plaintext = make_api_key(developer)
    client = Client(headers={"Authorization": f"Bearer {plaintext}"})
    assert client.get("/api/v1/auth/me").status_code == 200
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    assert client.get("/api/v1/auth/me").status_code == 401
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=None)
    Developer.objects.filter(pk=developer.pk).update(is_active=False)
    assert client.get("/api/v1/auth/me").status_code == 401
