"""`python -m tests.bench.webhook_rows URL…`: migrates. Then, for each URL, creates an account with one endpoint.

Prints the IDs and secrets of the endpoints as JSON.
"""

import json
import sys

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    # Models can be imported only now.
    from tests.factories import make_developer, make_endpoint

    made = [make_endpoint(make_developer(), url) for url in sys.argv[1:]]
    sys.stdout.write(json.dumps([(endpoint.pk, secret) for endpoint, secret in made]))


if __name__ == "__main__":
    main()
