"""Waits for the threads that send carrier commands, before a test stops the carrier that answers them."""

from threading import Barrier

from django.db import connections

from calls.control.commands import COMMANDS_AT_ONCE, THREADS


def finish_commands() -> None:
    """Wait until no command runs, and close the database connections of all threads.

    A barrier makes every thread wait for all others, so none can be running a command. Without this, a request to a stopped server would
    time out only after ten seconds.
    """
    all_are_free = Barrier(COMMANDS_AT_ONCE)

    def be_free() -> None:
        all_are_free.wait(timeout=30)
        connections.close_all()

    for done in [THREADS.submit(be_free) for _ in range(COMMANDS_AT_ONCE)]:
        done.result()
