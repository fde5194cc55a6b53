"""`manage.py ledger verify`: prove that the ledger is right."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.models import LedgerEntry
from billing.verification import find_problems


class Command(BaseCommand):
    help = "Check every balance, every entry and what it is for; exit 1 and name what is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["verify"])

    def handle(self, *args: Any, **options: Any) -> None:
        problems = find_problems()
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(f"The ledger is wrong in {len(problems)} places.")
        self.stdout.write(f"The ledger is right: {LedgerEntry.objects.count()} entries checked.")
