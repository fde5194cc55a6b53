"""The end of what carrier commands' threads do, before a test stops the carrier that answers them."""

from threading import Barrier

from django.db import connections

from calls.control.commands import COMMANDS_AT_ONCE, THREADS


def finish_commands() -> None:
    """Wait until no command runs, and close the database connections of all threads.

    Each thread waits for all others here, so it has nothing else to do. A request that a stopped server leaves unanswered would last
    ten seconds.
    """
    all_are_free = Barrier(COMMANDS_AT_ONCE)

    def be_free() -> None:
        all_are_free.wait(timeout=30)
        connections.close_all()

    for done in [THREADS.submit(be_free) for _ in range(COMMANDS_AT_ONCE)]:
        done.result()
