"""`python -m tests.bench.rows WEBHOOK_URL`: migrates, then creates an account with credit and the numbers that are called.

Also creates a few past calls, and API keys that it prints as JSON. Each key can send 100 requests per minute.
"""

import json
import sys
from datetime import timedelta

import django
from django.core.management import call_command
from django.utils import timezone

CALLS, KEYS = 30, 60
# Answered by OpenAI's model, which speaks the caller's format, and by Gemini's, which needs 16 kHz and gives 24.
OPENAI, GEMINI = "+14155550100", "+14155550101"
# By OpenAI's model, too: calls are recorded, or what is said is sent to the account's server at once, or both.
RECORDED, TRANSCRIBED, RECORDED_AND_TRANSCRIBED = "+14155550102", "+14155550103", "+14155550104"
# With this prompt the bench's model also sends what is said as text.
WRITES = "Write everything down."


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)  # pages name these files
    # Models can only be imported now.
    from accounts.services import issue_api_key
    from tests.calls.rows import make_account, make_call, make_streaming_number

    developer = make_account("1000")
    number = make_streaming_number(developer, e164=OPENAI, model_slug="gpt-realtime-mini", webhook_url="")
    make_streaming_number(developer, e164=GEMINI, model_slug="gemini-3.1-flash-live", webhook_url="")
    transcribed = {"system_prompt": WRITES, "webhook_url": sys.argv[1], "realtime_transcript": True}
    recorded = {"recording_enabled": True}
    for e164, features in (
        (RECORDED, {"webhook_url": "", **recorded}),
        (TRANSCRIBED, transcribed),
        (RECORDED_AND_TRANSCRIBED, {**transcribed, **recorded}),
    ):
        make_streaming_number(developer, e164=e164, model_slug="gpt-realtime-mini", **features)
    for place in range(CALLS):
        began = timezone.now() - timedelta(hours=place + 1)
        ended = {"status": "completed", "hangup_cause": "normal_clearing", "ended_at": began, "settled_at": began}
        make_call(number, began, duration_seconds=95, carrier_call_id=f"v3:past:{place}", **ended)
    sys.stdout.write(json.dumps([issue_api_key(developer=developer)[1] for _ in range(KEYS)]))


if __name__ == "__main__":
    main()
