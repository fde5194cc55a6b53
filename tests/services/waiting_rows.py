"""Accounts in a web process's database, for test_waiting. `python -m tests.services.waiting_rows 3` prints them as JSON lines."""

import json
import sys
from typing import Any

import django

django.setup()

from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from agents.services import create_model_key  # noqa: E402
from calls.after_call import recording_access  # noqa: E402
from calls.models import Recording  # noqa: E402
from phone_numbers.models import CountryRequirements  # noqa: E402
from tests.calls.rows import make_account, make_call, make_streaming_number  # noqa: E402
from tests.factories import make_api_key  # noqa: E402

PAPER = {"id": "paper", "name": "Passport", "type": "document", "description": "", "example": "", "time_limit": None}


def account() -> dict[str, Any]:
    """An account with credit, a number that nobody calls, a model key and a recorded call."""
    developer, now = make_account(), timezone.now()
    browser = Client()
    browser.force_login(developer)
    call = make_call(make_streaming_number(developer), now, status="completed", ended_at=now, carrier_call_id=None)
    recording = Recording.objects.create(call=call, maker="platform", status="ready", name="calls/1.wav", size_bytes=9)
    key = create_model_key(developer=developer, provider="openai", api_key="sk-proj-0123456789")
    idle = make_streaming_number(developer)
    return {
        "email": developer.email, "session": browser.cookies["sessionid"].value, "api_key": make_api_key(developer)[1], "model_key": key.pk,
        "number": idle.pk, "e164": idle.e164, "recording": recording_access.signed_url(recording).url.partition("/recordings")[2],
    }  # fmt: skip


if __name__ == "__main__":
    CountryRequirements.objects.create(country_code="GB", number_type="local", items=[PAPER], fetched_at=timezone.now())
    for _ in range(int(sys.argv[1])):
        sys.stdout.write(json.dumps(account()) + "\n")
