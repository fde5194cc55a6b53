"""Reading several things as of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_state() -> Iterator[None]:
    """All that is read within is of one and the same state of the database; nothing can be written.

    In a transaction that has begun already it is as that transaction has it.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:  # it cannot be set later
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
