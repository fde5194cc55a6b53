"""`manage.py demo`: create the demo account, or reuse it, and print its login."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bubblyphone.core.errors import ApplicationError
from sandbox import demo


class Command(BaseCommand):
    help = "Create the demo account (only with DEMO=1) and write its login to DATA_DIR/demo.json."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo account is not for production. Set DEMO=1 on other servers.")
        path = settings.DATA_DIR / "demo.json"
        try:
            access = demo.load(path)
        except ApplicationError as error:
            raise CommandError(f"Creating the demo account failed: {error.message}") from error
        self.stdout.write(f"Demo account {access.email} with {len(access.numbers)} numbers: see {path}")
