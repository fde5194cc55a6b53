"""`python -m tests.large.visit` in the environment of a database from `tests.large.fill` opens every page, list and file of its account.

Prints for each its status, its number of queries, the faster of two requests with a warm cache and the first one with an empty cache, and
how much of the last request was spent in Python and in the database. Times are in ms. Run `manage.py collectstatic` before.
"""

import argparse
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Developer  # noqa: E402
from bubblyphone.core.redis.client import get_redis  # noqa: E402
from bubblyphone.server.database_pool import share_connections  # noqa: E402
from tests.factories import bearer  # noqa: E402
from tests.large.fill import EMAIL  # noqa: E402
from tests.large.targets import targets  # noqa: E402
from tests.staff.sign_in import make_staff, staff_client  # noqa: E402

STAFF = "staff@example.com"
WARM_REQUESTS = 2


@dataclass(slots=True)
class Visit:
    """One request and its measurements. Times are in ms."""

    client: Client
    path: str
    status: int = 0
    elapsed: float = 0.0
    python: float = 0.0  # CPU time of this process
    queries: list[float] = field(default_factory=list)

    def make(self) -> "Visit":
        began, cpu = time.perf_counter(), time.process_time()
        with connection.execute_wrapper(self._timed):
            self.status = self.client.get(self.path).status_code
        self.elapsed, self.python = (time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000
        return self

    def _timed(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.queries.append((time.perf_counter() - began) * 1000)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", default="", help="a regular expression of kind and path, like '^api .*calls'")
    only = arguments.parse_args().only
    share_connections()  # as a web process does
    account, browser = Developer.objects.get(email=EMAIL), Client()
    browser.force_login(account)
    staff = staff_client(Developer.objects.filter(email=STAFF).first() or make_staff(email=STAFF))
    clients = {"page": browser, "api": Client(headers=bearer(account)), "admin": staff}
    for kind, path in targets(account, timezone.now()):
        if not re.search(only, f"{kind} {path}"):
            continue
        get_redis().flushdb()
        Visit(clients[kind], "/healthz").make()
        first = Visit(clients[kind], path).make()
        warm = [Visit(clients[kind], path).make() for _ in range(WARM_REQUESTS)]
        last = warm[-1]
        print(  # noqa: T201
            f"{kind:5} {path[:80]:80} {last.status} {len(last.queries):3} queries {min(visit.elapsed for visit in warm):6.0f} ms "
            f"(first {first.elapsed:6.0f}), python {last.python:5.0f}, database {sum(last.queries):5.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
