"""Limits counted in Redis, or in the process if Redis is unavailable: concurrency, and requests for an account's pages."""

from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client

from bubblyphone.core.errors import TooManyRequests
from bubblyphone.core.redis import client as redis
from bubblyphone.core.redis import ratelimit
from bubblyphone.core.redis.ratelimit import at_most, hit
from tests.factories import make_developer
from tests.pages.signed_in import signed_in_client

pytestmark = pytest.mark.usefixtures("empty_redis")


@pytest.fixture(params=["redis", "without redis"])
def counter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without redis":
        away = redis.GuardedRedis.from_url("redis://127.0.0.1:9/0", **redis.LIMITS)
        monkeypatch.setattr(redis, "breaker", redis.Breaker())
        monkeypatch.setattr(ratelimit, "get_redis", lambda: away)
        monkeypatch.setattr(ratelimit, "local", ratelimit.LocalLimits())


def places(bucket: str = "trial:1", lease_seconds: int = 15) -> Any:
    return at_most(2, bucket, lease_seconds=lease_seconds, message="Two are running.")


def test_places_are_freed_when_their_holder_is_done(counter: None) -> None:
    with ExitStack() as held:
        held.enter_context(places())
        held.enter_context(places())
        with pytest.raises(TooManyRequests, match=r"^Two are running\.$") as refused, places():
            pass
        assert 14 <= refused.value.retry_after <= 15
        with places("trial:2"):  # another account's
            pass
    with places(), places():
        pass


def test_an_error_also_frees_the_place(counter: None) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), places():
            raise ZeroDivisionError


def test_requests_are_counted_in_a_window(counter: None) -> None:
    assert [hit("somebody", limit=2).remaining for _ in range(3)] == [1, 0, 0]
    assert 59 <= hit("somebody", limit=2).retry_after <= 60
    assert not hit("somebody else", limit=2).is_exceeded


@pytest.mark.django_db
def test_an_account_s_page_requests_are_limited(counter: None, settings: Any) -> None:
    settings.PAGE_RATE_LIMIT_PER_MINUTE = 3
    developer = make_developer()
    browsers = [signed_in_client(developer), signed_in_client(developer)]
    assert [browser.get("/agents").status_code for browser in (*browsers, browsers[0])] == [200] * 3
    page = browsers[1].get("/agents")
    assert page.status_code == 429
    assert 1 <= int(page["Retry-After"]) <= 60
    assert "Your account is sending too many requests." in page.content.decode()
    assert '<a class="button primary wide" href="/">Go to the overview</a>' in page.content.decode()
    back = browsers[1].get("/agents", headers={"Referer": "http://testserver/calls?status=failed"}).content.decode()
    assert '<a class="button primary wide" href="/calls?status=failed">Go back</a>' in back
    foreign = browsers[1].get("/agents", headers={"Referer": "https://example.com/"}).content.decode()
    assert 'href="/">Go to the overview</a>' in foreign
    part = browsers[1].get("/agents", headers={"HX-Request": "true"})
    assert (part.status_code, part.content.decode()) == (429, "Your account is sending too many requests.")
    assert signed_in_client(make_developer()).get("/agents").status_code == 200
    assert Client().get("/login").status_code == 200
