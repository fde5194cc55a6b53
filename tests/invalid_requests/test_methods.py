"""Every route lists its methods for OPTIONS and in each 405, and HEAD works wherever GET does."""

from typing import Any

import pytest
from django.test import Client

from tests.factories import bearer, make_developer
from tests.invalid_requests.routes import filled, page_routes
from tests.pages.signed_in import signed_in_client
from tests.schema.test_document import routes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
KINDS = [{"GET", "HEAD"}, {"GET", "HEAD", "POST"}, {"POST"}]


def allowed(answer: Any) -> set[str]:
    return set(answer["Allow"].split(", "))


@pytest.mark.parametrize("path", [path for path, _ in page_routes()])
def test_pages(path: str) -> None:
    url = filled(path)
    visitor = Client(enforce_csrf_checks=True)
    response = visitor.options(url)
    assert (response.status_code, response.content) == (204, b"")
    methods = allowed(response) - {"OPTIONS"}
    assert methods in KINDS
    for client in (visitor, signed_in_client(make_developer())):
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"}:
            answer = client.generic(method, url)
            assert (answer.status_code == 405) is (method not in methods), method
            assert answer.status_code < 500 or path == "/readyz"
            assert answer.status_code != 405 or allowed(answer) == methods


def test_the_api(settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 10_000
    client, headers = Client(), bearer(make_developer(), is_admin=True)
    by_path: dict[str, set[str]] = {}
    for route in routes():
        method, _, path = route.partition(" ")
        by_path.setdefault(path, set()).add(method)
    for path, methods in by_path.items():
        url = f"/api/v1{path.format(id='1', code='GB')}"
        methods |= {"OPTIONS", *({"HEAD"} if "GET" in methods else ())}
        response = client.options(url)
        assert (response.status_code, allowed(response)) == (204, methods), path
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
            answer = client.generic(method, url, headers=headers)
            assert (answer.status_code, allowed(answer)) == (405, methods), f"{method} {path}"
            assert method == "HEAD" or answer.json() == {"message": "Method not allowed."}
