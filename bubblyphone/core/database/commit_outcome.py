"""Whether a transaction was committed whose COMMIT got no response because the connection broke."""

from django.db import OperationalError, connection


def transaction_id() -> str:
    """The ID of the current transaction, to ask for its outcome later."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        (identifier,) = cursor.fetchone()
    return str(identifier)


def was_committed(identifier: str) -> bool:
    """Ask on a new connection. If the transaction is still open, end it and raise OperationalError: ask again later.

    Without that, PostgreSQL may take hours to notice that the client of an open transaction is gone.
    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid = %s::text::xid8::xid",
            [identifier],
        )
        if cursor.rowcount:
            raise OperationalError("The transaction is still open")
        # A standby that took over without this transaction may not have reached its ID, and refuses to tell the status of later ones.
        cursor.execute(
            "SELECT pg_xact_status(id) FROM (VALUES (%s::text::xid8)) AS asked (id)"
            " WHERE id < pg_snapshot_xmax(pg_current_snapshot())",
            [identifier],
        )
        row = cursor.fetchone()
    return row is not None and row[0] == "committed"
