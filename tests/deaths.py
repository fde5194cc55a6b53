"""A process that dies between any two statements to the database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connection


class Killed(BaseException):
    """What was done since the last commit is gone, and nobody cleans up."""


class _Countdown:
    def __init__(self, statements: int) -> None:
        self.left = statements
        self.is_dead = False

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        if self.is_dead:  # what the database does for a connection that is gone: it rolls back
            return execute(*arguments)
        if self.left == 0:
            self.is_dead = True
            raise Killed
        self.left -= 1
        return execute(*arguments)


@contextmanager
def dying_after(statements: int) -> Iterator[_Countdown]:
    """Everything within ends after so many statements; `left` says how many more there were to be."""
    countdown = _Countdown(statements)
    with suppress(Killed), connection.execute_wrapper(countdown):
        yield countdown


def deaths(work: Callable[[], object], *, every: int = 1) -> Iterator[int]:
    """Do a thing and die in it after 0, 1, 2 … statements; ends with the time that it came through. `work` starts over each time.

    `every` skips some: 4 is 0, 4, 8 … statements.
    """
    for statements in range(0, 500, every):
        with dying_after(statements) as countdown:
            work()
        yield statements
        if not countdown.is_dead:
            return
    raise AssertionError("it never came through")
