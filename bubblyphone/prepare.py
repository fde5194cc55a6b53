"""Before the server starts: `python -m bubblyphone.prepare` migrates, gathers static files and loads the demo account.

One process for all three, since most of the time of each would be Django's own start.
"""

import os

import django
from django.conf import settings
from django.core.management import call_command


def main() -> None:
    """Each step changes nothing when there is nothing to do."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    if settings.DEMO:
        call_command("demo")


if __name__ == "__main__":
    main()
