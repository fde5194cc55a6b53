"""`manage.py restore FILE`: the installation of a backup, in place of an empty one."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bubblyphone.core.backup.errors import BackupError
from bubblyphone.core.backup.making import describe
from bubblyphone.core.backup.restoring import check, restore


class Command(BaseCommand):
    help = "Restore a backup made by `manage.py backup`. The file is verified before anything changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--force", action="store_true", help="replace all data of an installation that is not empty"
        )
        parser.add_argument("--without-keys", action="store_true", help="restore although encryption keys are missing")
        parser.add_argument(
            "--check", action="store_true", help="verify the file and say what is missing; change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            about = check(path, force=options["force"] or options["check"], without_keys=options["without_keys"])
        except (BackupError, OSError) as error:
            raise CommandError(f"Nothing was changed. {error}") from error
        self.stderr.write(describe(about))
        if options["check"]:
            return
        try:
            restore(path, about)
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stderr.write("Restored. Start the services.", self.style.SUCCESS)
