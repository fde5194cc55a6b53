"""A web process whose Redis is missing or hangs: everything works, limits count per process, and nobody waits."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import httpx2
import psycopg
import pytest

from bubblyphone.services.ports import find_free
from tests.factories import PASSWORD
from tests.services import web
from tests.services.silence import SilentServer

PAGES = ["/", "/billing", "/usage", "/billing/statements", "/billing/payments", "/calls", "/agents", "/numbers"]
API = ["phone-numbers", "billing/balance", "billing/usage", "billing/statements", "billing/transactions", "calls"]
MAX_SECONDS = 1.0


class Visitor:
    """A browser and an API client for one account."""

    def __init__(self, url: str, database: str) -> None:
        command = [sys.executable, "-m", "tests.services.waiting_rows", "1"]
        environment = {**os.environ, "DATABASE_URL": database}
        row = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        self.account = json.loads(row)
        self.database = database
        key = {"Authorization": f"Bearer {self.account['api_key']}"}
        self.browser = httpx2.Client(base_url=url, trust_env=False, timeout=30)
        self.api = httpx2.Client(base_url=f"{url}/api/v1/", headers=key, trust_env=False, timeout=30)

    def token(self, page: str) -> str:
        return re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.browser.get(page).text)[0]

    def sign_in(self, password: str) -> httpx2.Response:
        form = {"email": self.account["email"], "password": password, "csrfmiddlewaretoken": self.token("/login")}
        return self.browser.post("/login", data=form)


@pytest.fixture(scope="module", params=["closed", "silent"])
def visitor(request: pytest.FixtureRequest) -> Iterator[Visitor]:
    silent = SilentServer()
    port = silent.port if request.param == "silent" else find_free()
    try:
        with web.running(REDIS_URL=f"redis://127.0.0.1:{port}/0") as (url, database, _):
            yield Visitor(url, database)
    finally:
        silent.stop()


def test_signing_in_and_the_limit_on_wrong_passwords(visitor: Visitor) -> None:
    assert visitor.sign_in(PASSWORD).status_code == 302
    visitor.browser.cookies.clear()
    answers = [visitor.sign_in("wrong secret").text for _ in range(21)]
    assert ["Too many failed attempts" in answer for answer in answers] == [False] * 20 + [True]
    visitor.browser.cookies.set("sessionid", visitor.account["session"])


def test_pages_and_api_respond_without_delay(visitor: Visitor) -> None:
    visitor.browser.cookies.set("sessionid", visitor.account["session"])
    visitor.browser.get("/")  # detects that Redis is unavailable
    times = []
    for client, path in [*((visitor.browser, path) for path in PAGES), *((visitor.api, path) for path in API)]:
        began = time.monotonic()
        response = client.get(path)
        times.append(time.monotonic() - began)
        assert response.status_code == 200, path
    assert median(times) < MAX_SECONDS


def test_a_late_entry_appears_immediately(visitor: Visitor) -> None:
    def spent() -> str:
        return str(visitor.api.get("billing/usage?period=2026-01").json()["data"]["total_cost"])

    before = spent()
    with psycopg.connect(visitor.database) as database:
        database.execute(
            "INSERT INTO billing_ledgerentry (key, developer_id, kind, amount, description, created_at) SELECT 'number:0:late',"
            " id, 'number_month', -3, 'Late', '2026-01-15' FROM accounts_developer WHERE email = %s",
            [visitor.account["email"]],
        )
    assert (before, spent()) == ("0.00", "3.00")


def test_a_button_pressed_several_times_acts_once(visitor: Visitor) -> None:
    visitor.browser.cookies.set("sessionid", visitor.account["session"])
    form = {"label": "Pressed", "csrfmiddlewaretoken": visitor.token("/api-keys")}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: visitor.browser.post("/api-keys", data=form), range(4)))
    assert {answer.status_code for answer in answers} == {302}
    with psycopg.connect(visitor.database) as database:
        row = database.execute("SELECT count(*) FROM accounts_apikey WHERE label = 'Pressed'").fetchone()
    assert row == (1,)


def test_a_key_s_rate_limit_applies(visitor: Visitor) -> None:
    statuses = {visitor.api.get("billing/balance").status_code for _ in range(101)}
    assert statuses == {200, 429}
