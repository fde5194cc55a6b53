"""Bring all stored secrets under the newest of ENCRYPTION_KEYS, so that the older keys can be removed."""

from typing import Any

from cryptography.fernet import InvalidToken
from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from bubblyphone.core.crypto import renew

BATCH = 200


class Command(BaseCommand):
    """Put the new key first in ENCRYPTION_KEYS, restart, run this, then remove the old keys. Can be repeated at any time."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        renewed = unreadable = 0
        for label, fields in settings.ENCRYPTED_FIELDS.items():
            for counts in self._batches(apps.get_model(label), fields):
                renewed += counts[0]
                unreadable += counts[1]
        self.stdout.write(f"{renewed} secrets were re-encrypted with the newest key.")
        if unreadable:
            raise CommandError(
                f"{unreadable} secrets could not be decrypted with any key in ENCRYPTION_KEYS and were not changed."
            )

    def _batches(self, model: type[models.Model], fields: list[str]) -> Any:
        """Go through a table in short transactions, so that nobody waits long; yields (renewed, unreadable) of each."""
        last = 0
        while True:
            with transaction.atomic():
                rows = list(
                    model._default_manager.select_for_update(of=("self",)).filter(pk__gt=last).order_by("pk")[:BATCH]
                )
                if not rows:
                    return
                yield tuple(map(sum, zip(*(_renew_row(row, fields) for row in rows), strict=True)))
            last = rows[-1].pk


def _renew_row(row: models.Model, fields: list[str]) -> tuple[int, int]:
    changed, unreadable = [], 0
    for name in fields:
        before = getattr(row, name)
        if not before:
            continue
        try:
            after = renew(before)
        except InvalidToken:
            unreadable += 1
            continue
        if after != before:
            setattr(row, name, after)
            changed.append(name)
    if changed:
        row.save(update_fields=changed)
    return len(changed), unreadable
