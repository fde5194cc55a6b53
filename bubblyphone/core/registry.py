"""How an app calls code of higher apps: it declares an extension point, and the higher app registers with it in `AppConfig.ready`."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Any number of objects, in the order of registration."""

    def __init__(self) -> None:
        self._items: list[T] = []

    def register(self, *items: T) -> None:
        self._items += items

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)


class Slot(Generic[T]):
    """Exactly one object. `name` is used in the error if nothing was registered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._item: T | None = None

    def register(self, item: T) -> None:
        """Raises RuntimeError if one is already registered."""
        if self._item is not None:
            raise RuntimeError(f"{self._name} is registered already.")
        self._item = item

    def get(self) -> T:
        """Raises RuntimeError if none is registered."""
        if self._item is None:
            raise RuntimeError(f"No app has registered {self._name}.")
        return self._item


def dotted_path(function: Callable[..., object]) -> str:
    """A function's dotted path, as used by django-q2's table and log lines."""
    return f"{function.__module__}.{function.__qualname__}"
