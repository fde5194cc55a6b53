"""Simulates a process that crashes between any two database statements."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connection


class Killed(BaseException):
    """Everything since the last commit is lost, and nothing is cleaned up."""


class _Countdown:
    def __init__(self, statements: int) -> None:
        self.left = statements
        self.is_dead = False

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        if self.is_dead:  # the database rolls back a lost connection, so let the rollback through
            return execute(*arguments)
        if self.left == 0:
            self.is_dead = True
            raise Killed
        self.left -= 1
        return execute(*arguments)


@contextmanager
def dying_after(statements: int) -> Iterator[_Countdown]:
    """Crash the code in this context after this many statements. `left` is how many more it could have run."""
    countdown = _Countdown(statements)
    with suppress(Killed), connection.execute_wrapper(countdown):
        yield countdown


def deaths(work: Callable[[], object], *, every: int = 1) -> Iterator[int]:
    """Run `work` and crash it after 0, 1, 2 … statements, until it completes. `work` starts over each time.

    `every` skips some: 4 means 0, 4, 8 … statements.
    """
    for statements in range(0, 500, every):
        with dying_after(statements) as countdown:
            work()
        yield statements
        if not countdown.is_dead:
            return
    raise AssertionError("it never completed")
