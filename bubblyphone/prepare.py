"""Before the server starts: `python -m bubblyphone.prepare` migrates, gathers static files and loads the demo account.

One process for all three, since most of the time of each would be Django's own start.
"""

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import CommandError, call_command


def close_to_others(folder: Path) -> None:
    """Recordings, documents and secrets are in DATA_DIR: no other user may read it, even if the folder existed before.

    PostgreSQL's group may keep the right to pass through it, which the embedded server needs under root.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(folder.stat().st_mode & 0o710)


def main() -> None:
    """Each step changes nothing when there is nothing to do."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")
    django.setup()
    close_to_others(settings.DATA_DIR)
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except CommandError as error:
        sys.exit(str(error))
    call_command("collectstatic", interactive=False, verbosity=0)
    if settings.DEMO:
        call_command("demo")


if __name__ == "__main__":
    main()
