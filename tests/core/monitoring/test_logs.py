"""Which records are logged, and what each line contains."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from structlog.contextvars import bound_contextvars, clear_contextvars, get_contextvars

from bubblyphone.core.background.jobs import name_in_log
from bubblyphone.core.monitoring.logs import DropExpectedErrors, formatter, in_context
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_api_key


@pytest.fixture(autouse=True)
def nothing_bound() -> Iterator[None]:
    clear_contextvars()
    yield
    clear_contextvars()


@pytest.mark.parametrize(
    ("path", "is_kept"),
    [("/readyz", False), ("", False), ("/api/v1/calls", True), (None, True)],
)
def test_only_useful_records_are_logged(path: str | None, is_kept: bool) -> None:
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "It failed.", (), None)
    record.request = SimpleNamespace(path=path)
    assert DropExpectedErrors().filter(record) is is_kept


def line_of(form: str, record: logging.LogRecord) -> str:
    return formatter(form).format(record)


def record_of(message: str, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("calls.control", logging.WARNING, "", 0, message, (), None)
    record.__dict__.update(extra)
    record.created = 1_780_000_000.25
    return record


def test_a_text_line_ends_with_its_ids() -> None:
    with bound_contextvars(call_id=42, request_id="r-1"):
        line = line_of("text", record_of("The line is gone.", reason="busy", request=SimpleNamespace()))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}Z WARNING calls\.control: The line is gone\. call_id=42 reason=busy request_id=r-1",
        line,
    )


def test_a_json_line_has_the_same_names() -> None:
    with bound_contextvars(account_id=7):
        line = json.loads(line_of("json", record_of("Gone.\nFor good.", reason="busy")))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "WARNING", "logger": "calls.control", "event": "Gone.\nFor good.", "account_id": 7, "reason": "busy",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_is_part_of_its_line(form: str) -> None:
    record = record_of("It failed.")
    try:
        raise ValueError("no")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = line_of(form, record)
    traceback = json.loads(line)["exception"] if form == "json" else line.partition("\n")[2]
    assert traceback.startswith("Traceback (most recent call last):")
    assert traceback.endswith("ValueError: no")


def test_ids_are_passed_to_another_thread() -> None:
    with ThreadPoolExecutor(1) as threads, bound_contextvars(call_id=42):
        assert threads.submit(in_context(get_contextvars)).result() == {"call_id": 42}


def test_a_job_logs_its_name_and_ids() -> None:
    def renew(number_id: int, reason: str) -> None: ...

    name_in_log(None, func=renew, task={"args": (9, "due")})
    assert get_contextvars() == {"job": f"{__name__}.{renew.__qualname__}", "number_id": 9}


class Ids(logging.Handler):
    """Records the context variables at each line of a logger."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(get_contextvars())


@pytest.mark.django_db
def test_a_request_logs_its_id_account_and_call() -> None:
    developer = make_account()
    call = make_call(make_streaming_number(developer), timezone.now(), status="completed", ended_at=timezone.now())
    key = make_api_key(developer)[1]
    ids, log = Ids(), logging.getLogger("django.request")
    log.addHandler(ids)
    try:
        answer = Client().get(
            f"/api/v1/calls/{call.pk}/recording", headers={"Authorization": f"Bearer {key}", "X-Request-Id": "mine"}
        )
    finally:
        log.removeHandler(ids)
    assert answer.status_code == 404  # it has no recording
    assert ids.seen == [{"request_id": "mine", "account_id": developer.pk, "call_id": call.pk}]
