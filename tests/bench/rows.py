"""`python -m tests.bench.rows NUMBER`: migrates, then creates an account with credit and a number that OpenAI's model answers.

Also creates a few past calls, and API keys that it prints as JSON. Each key can send 100 requests per minute.
"""

import json
import sys
from datetime import timedelta

import django
from django.core.management import call_command
from django.utils import timezone

CALLS, KEYS = 30, 60


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    # Models can only be imported now.
    from accounts.services import issue_api_key
    from tests.calls.rows import make_account, make_call, make_streaming_number

    developer = make_account("1000")
    number = make_streaming_number(developer, e164=sys.argv[1], model_slug="gpt-realtime-mini", webhook_url="")
    for place in range(CALLS):
        began = timezone.now() - timedelta(hours=place + 1)
        ended = {"status": "completed", "hangup_cause": "normal_clearing", "ended_at": began, "settled_at": began}
        make_call(number, began, duration_seconds=95, carrier_call_id=f"v3:past:{place}", **ended)
    sys.stdout.write(json.dumps([issue_api_key(developer=developer)[1] for _ in range(KEYS)]))


if __name__ == "__main__":
    main()
