"""Reads environment variables: a missing one gets its default, an invalid one stops the start with an error that names it.

A read with a `purpose` is a declaration: `bubblyphone.write_environment_docs` generates docs/environment-variables.md and
.env.example from it.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypedDict, Unpack

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}
AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
MOST_CALLS = 10_000
LEAST, MOST = Decimal("0.01"), 100_000


class Described(TypedDict, total=False):
    """The documentation of a variable. Defaults that depend on other variables are `shown` as text."""

    purpose: str
    unit: str
    shown: str
    example: str


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable. `default` and `example` are texts as written in the environment."""

    name: str
    kind: str
    default: str
    purpose: str
    example: str
    is_secret: bool


# Sections of the settings page, in the order of their declaration.
DECLARED: dict[str, list[Variable]] = {}


def section(title: str) -> None:
    """The following declarations belong to this section."""
    DECLARED[title] = []


def _declare(name: str, kind: str, default: object, described: Described, *, is_secret: bool = False) -> None:
    if "purpose" not in described:
        return
    kind = f"{kind}, {described['unit']}" if "unit" in described else kind
    text = str(int(default)) if isinstance(default, bool) else str(default)
    shown, example = described.get("shown", text), described.get("example", text)
    found = Variable(name, kind, shown, described["purpose"], example, is_secret)
    DECLARED[next(reversed(DECLARED))].append(found)


def env_str(name: str, default: str = "", **described: Unpack[Described]) -> str:
    """The variable's text without surrounding space, or `default` when it is absent or empty."""
    _declare(name, "text", default, described)
    return os.environ.get(name, "").strip() or default


def env_choice(name: str, choices: Sequence[str], **described: Unpack[Described]) -> str:
    """One of `choices`, the first of which is the default. Raises ImproperlyConfigured for anything else."""
    shown = ", ".join(f"`{choice}`" for choice in choices)
    _declare(name, f"one of {shown}", choices[0], described)
    choice = env_str(name, choices[0])
    if choice not in choices:
        raise ImproperlyConfigured(f"{name}={choice!r} must be one of: {', '.join(choices)}.")
    return choice


def env_bool(name: str, default: bool = False, **described: Unpack[Described]) -> bool:
    """1/true/yes/on or 0/false/no/off. Raises ImproperlyConfigured for anything else."""
    _declare(name, "`1` or `0`", default, described)
    word = os.environ.get(name)
    if word is None:
        return default
    if word.strip().lower() in TRUE_WORDS:
        return True
    if word.strip().lower() in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name}={word!r} is neither true nor false; use 1 or 0.")


def env_int(name: str, default: int, minimum: int = 0, **described: Unpack[Described]) -> int:
    """A whole number of at least `minimum`. Raises ImproperlyConfigured for anything else."""
    _declare(name, f"whole number from {minimum}", default, described)
    text = env_str(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < minimum:
        raise ImproperlyConfigured(f"{name}={text!r} must be a whole number of at least {minimum}.")
    return int(text)


def env_count(name: str, default: int, **described: Unpack[Described]) -> int | None:
    """A whole number from 1 to 10,000; None if the variable is set but empty. Raises ImproperlyConfigured for anything else."""
    _declare(name, f"whole number from 1 to {MOST_CALLS:,}, or empty", default, described)
    if _is_emptied(name):
        return None
    if (number := env_int(name, default, minimum=1)) > MOST_CALLS:
        raise ImproperlyConfigured(f"{name}={number} must be at most {MOST_CALLS}.")
    return number


def env_amount(name: str, default: str, **described: Unpack[Described]) -> Decimal | None:
    """An amount in USD from 0.01 to 100,000; None if the variable is set but empty. Raises ImproperlyConfigured for anything else."""
    _declare(name, f"amount in USD from {LEAST} to {MOST:,}, or empty", default, described)
    if _is_emptied(name):
        return None
    text = env_str(name, default)
    if not AMOUNT.fullmatch(text) or not LEAST <= Decimal(text) <= MOST:
        raise ImproperlyConfigured(f"{name}={text!r} must be an amount in USD like 25 or 7.50, or empty.")
    return Decimal(text)


def _is_emptied(name: str) -> bool:
    return name in os.environ and not env_str(name)


def env_list(name: str, **described: Unpack[Described]) -> list[str]:
    """Comma-separated words, blanks left out."""
    _declare(name, "comma-separated list", "", described)
    return [word.strip() for word in env_str(name).split(",") if word.strip()]


def env_secret(name: str, default: str = "", **described: Unpack[Described]) -> str:
    """Like env_str, but the value can also be in the file named by NAME_FILE (container secrets), unless it is set itself."""
    _declare(name, "text", default, described, is_secret=True)
    file_name = env_str(f"{name}_FILE")
    if not file_name or env_str(name):
        return env_str(name, default)
    try:
        return Path(file_name).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE={file_name!r} cannot be read: {error.strerror}.") from error
