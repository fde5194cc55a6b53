"""`python -m tests.bench.rows NUMBER`: migrates, and gives an account with credit a number that OpenAI's model answers."""

import sys

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    # Models can be imported only now.
    from tests.calls.rows import make_account, make_streaming_number

    make_streaming_number(make_account("1000"), e164=sys.argv[1], model_slug="gpt-realtime-mini", webhook_url="")


if __name__ == "__main__":
    main()
