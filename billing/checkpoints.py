"""Sums of the ledger up to an entry, so that a balance need not add up years. `manage.py ledger verify` proves them."""

import logging

from django.db import OperationalError, connection, transaction

logger = logging.getLogger(__name__)
# Payments and calls may have to wait this long, once an hour.
LOCK_TIMEOUT = "2s"
MOVE = """
INSERT INTO billing_balancecheckpoint (developer_id, entry_id, amount)
SELECT entry.developer_id, %(last)s, COALESCE(checkpoint.amount, 0) + SUM(entry.amount)
FROM billing_ledgerentry entry LEFT JOIN billing_balancecheckpoint checkpoint ON checkpoint.developer_id = entry.developer_id
WHERE entry.id > COALESCE(checkpoint.entry_id, 0) AND entry.id <= %(last)s GROUP BY entry.developer_id, checkpoint.amount
ON CONFLICT (developer_id) DO UPDATE SET entry_id = EXCLUDED.entry_id, amount = EXCLUDED.amount
WHERE billing_balancecheckpoint.entry_id < EXCLUDED.entry_id
"""


def move() -> None:
    """The hourly job: add up to the last entry before which no more entries can appear."""
    try:
        last = _last_settled_entry()
    except OperationalError as error:
        logger.warning("The ledger was busy. Balance checkpoints were not moved this time.", exc_info=error)
        return
    with connection.cursor() as cursor:
        cursor.execute(MOVE, {"last": last})


def _last_settled_entry() -> int:
    """Ids are assigned before their transactions end.

    While no other transaction writes, no smaller id can still appear. Raises OperationalError if writers do not finish in time.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute("LOCK TABLE billing_ledgerentry IN SHARE MODE")
        cursor.execute("SELECT COALESCE(MAX(id), 0) FROM billing_ledgerentry")
        found: tuple[int] = cursor.fetchone()
    return found[0]
