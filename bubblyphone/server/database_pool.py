"""The database connections that the threads of a web or media process share."""

import select
import time
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import connections
from django.db.backends.postgresql.psycopg_any import BaseTzLoader, get_adapters_template
from psycopg import Connection
from psycopg.abc import Buffer
from psycopg_pool import ConnectionPool

POOL_WAIT_SECONDS = 10  # how long a request waits for a connection before it fails
# A firewall may have silently dropped a connection that was idle for longer than this.
TRUSTED_SECONDS = 5.0

_ask = ConnectionPool.check_connection
_given_at: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()


def share_connections() -> None:
    """Let the threads of this process take their database connections from a pool.

    Requests run in many threads. A new connection costs 7 ms, and its PostgreSQL process then loads the catalog entries of
    every table it uses: together half the time of a small page.
    """
    get_adapters_template(settings.USE_TZ, UTC).register_loader("timestamptz", UtcLoader)
    ConnectionPool.check_connection = staticmethod(check_connection)  # type: ignore[assignment, method-assign]
    pool = {"min_size": 2, "max_size": settings.DATABASE_POOL_SIZE, "timeout": POOL_WAIT_SECONDS}
    for database in connections.settings.values():
        options = {**database.get("OPTIONS", {}), "pool": pool}
        database |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


def check_connection(connection: Connection) -> None:
    """Raises psycopg's OperationalError if the connection is no longer usable.

    psycopg's own check sends a query every time, which costs an eighth of a small request. A server that closes a connection says so,
    so for one that was used a moment ago the socket is enough: if nothing has arrived, the connection is open.
    """
    now = time.monotonic()
    is_fresh = now - _given_at.get(connection, 0.0) < TRUSTED_SECONDS
    _given_at[connection] = now
    if connection.closed or not is_fresh or _has_news(connection):
        _ask(connection)


def _has_news(connection: Connection) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class UtcLoader(BaseTzLoader):  # type: ignore[misc]
    """Reads a time as Django's loader does, in a quarter of the time: a page of calls has a hundred of them.

    psycopg's fast loader returns other time zone objects than Django's, which takes each text apart with a regular expression.
    """

    timezone = UTC

    def load(self, data: Buffer) -> datetime:
        try:
            moment = datetime.fromisoformat(bytes(data).decode())
        except ValueError:
            return self._load_as_django(data)  # raises its error for times that Python cannot represent
        return moment if moment.tzinfo is UTC else self._load_as_django(data)

    def _load_as_django(self, data: Buffer) -> datetime:
        loaded: datetime = super().load(data)
        return loaded
