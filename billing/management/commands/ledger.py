"""`manage.py ledger verify`: prove that the ledger is right."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.ledger_verification import check_and_note
from billing.models import LedgerEntry


class Command(BaseCommand):
    help = "Check all balances and ledger entries. Prints the problems and exits with status 1 if there are any."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["verify"])

    def handle(self, *args: Any, **options: Any) -> None:
        problems = check_and_note()
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(f"Ledger check failed. Problems: {len(problems)}.")
        self.stdout.write(f"Ledger check passed. Entries checked: {LedgerEntry.objects.count()}.")
