"""The documented webhook receivers, run unchanged, and called by the code that calls developers' servers."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.secrets import create_secret
from bubblyphone.docs.views import TOOL_EXAMPLE
from bubblyphone.services.ports import find_free
from calls import call_report
from calls.dashboard import lookup_trial, tool_trial
from calls.models import TranscriptEntry
from tests import languages
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_endpoint, make_secret_for
from webhooks.models import WebhookDelivery
from webhooks.sending.delivery import Dispatcher
from webhooks.sending.signing import SigningKeys, signature_headers

CODE = settings.BASE_DIR / "templates" / "docs" / "code"
PYTHON = [sys.executable, "{program}"]
EVENT = '{"event":"call.hangup","call_id":"42","name":"Zoë"}'
SECONDS = 30.0


@contextmanager
def running(program: str, arguments: list[str], folder: Path, **environment: str) -> Iterator[str]:
    """Run the program in its own folder on a free port. Yields its URL."""
    port = find_free()
    shutil.copy(CODE / f"{program}.txt", folder / program)
    command = [part.format(port=port, program=program) for part in arguments]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment, "PORT": str(port)}, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            with suppress(httpx2.TransportError):
                httpx2.post(f"http://127.0.0.1:{port}", content=b"{}", trust_env=False)
                break
            assert process.poll() is None and time.monotonic() < deadline, (folder / "output.txt").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(SECONDS)


@pytest.mark.parametrize("language", languages.COMMANDS)
def test_a_receiver_accepts_a_signed_event_once(language: str, tmp_path: Path) -> None:
    command = languages.command_for(language)
    with running(f"receiver.{language}", command, tmp_path, WEBHOOK_SECRET="whsec_new") as url:
        for secret, status in [("whsec_other", 401), ("whsec_new", 200), ("whsec_new", 200)]:
            headers = signature_headers(SigningKeys(secret), EVENT, "evt_1", int(time.time()))
            answer = httpx2.post(url, content=EVENT.encode(), headers=headers, trust_env=False)
            assert answer.status_code == status
        output = (tmp_path / "output.txt").read_text()
    assert output.count("evt_1") == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("empty_redis")
def test_the_quick_start_s_server_identifies_the_caller_books_and_stores_the_report(tmp_path: Path) -> None:
    developer = make_account()
    secret, plaintext = make_secret_for(developer)
    number = make_streaming_number(developer, signing_secret=secret)
    _, endpoint_secret = make_endpoint(developer, "http://127.0.0.1:9", "call.report")
    with running("receiver.py", PYTHON, tmp_path, WEBHOOK_SECRETS=f"{plaintext} {endpoint_secret}") as url:
        found = lookup_trial.try_lookup(developer=developer, url=f"{url}/lookup", agent_id=None, number_id=number.pk)
        assert (found["is_usable"], found["status"]) == (True, 200), found
        assert json.loads(found["answer"]) == {"dynamic_variables": {"customer_name": "Ada"}}
        create_secret(developer=developer, name="BOOKING_KEY", value="s3cret")
        tool = {**json.loads(TOOL_EXAMPLE), "url": f"{url}/bookings"}
        booked = tool_trial.try_http_tool(
            developer=developer, agent_id=None, definition=tool, arguments={"day": "Friday", "time": "19:30"}
        )
        assert booked.result == {"result": {"booked": True}}
        call = _ended_call(number)
        call_report.send_due()
        WebhookDelivery.objects.update(url=url)
        asyncio.run(_deliver_all())
    with closing(sqlite3.connect(tmp_path / "calls.db")) as database:
        assert database.execute("SELECT day, time FROM bookings").fetchall() == [("Friday", "19:30")]
        rows = database.execute("SELECT id, caller, seconds, transcript FROM calls").fetchall()
    assert rows == [(str(call.pk), "+15551230000", 60, "model: Hello, Ada.\nuser: A table, please.")]


def _ended_call(number: Any) -> Any:
    now = timezone.now()
    minute = timedelta(minutes=1)
    end = {"ended_at": now - minute, "settled_at": now, "transcript_announced": True, "duration_seconds": 60}
    call = make_call(number, now - 2 * minute, status="completed", hangup_cause="normal_clearing", **end)
    for seconds, (role, text) in enumerate([("model", "Hello, Ada."), ("user", "A table, please.")]):
        at = now - 2 * minute + timedelta(seconds=seconds)
        TranscriptEntry.objects.create(call=call, role=role, text=text, spoken_at=at)
    return call


async def _deliver_all() -> None:
    task = asyncio.create_task(Dispatcher(retry_delays=(), endpoint_retry_delays=()).run())
    try:
        async with asyncio.timeout(SECONDS):
            while await WebhookDelivery.objects.exclude(status="delivered").aexists():
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await sync_to_async(lambda: connection.close())()
