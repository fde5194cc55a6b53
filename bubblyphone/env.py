"""Reading the environment: a missing value takes its default, a wrong one stops the start with the variable's name."""

import os
import re
from decimal import Decimal
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}
AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
MOST_CALLS = 10_000
LEAST, MOST = Decimal("0.01"), 100_000


def env_str(name: str, default: str = "") -> str:
    """The variable's text without surrounding space, or `default` when it is absent or empty."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, default: bool = False) -> bool:
    """1/true/yes/on or 0/false/no/off. Raises ImproperlyConfigured for anything else."""
    word = os.environ.get(name)
    if word is None:
        return default
    if word.strip().lower() in TRUE_WORDS:
        return True
    if word.strip().lower() in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name}={word!r} is neither true nor false; use 1 or 0.")


def env_int(name: str, default: int, minimum: int = 0) -> int:
    """A whole number of at least `minimum`. Raises ImproperlyConfigured for anything else."""
    text = env_str(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < minimum:
        raise ImproperlyConfigured(f"{name}={text!r} must be a whole number of at least {minimum}.")
    return int(text)


def env_count(name: str, default: int) -> int | None:
    """A whole number from 1 to 10,000; None where the variable is set and empty. Raises ImproperlyConfigured for anything else."""
    if _is_emptied(name):
        return None
    if (number := env_int(name, default, minimum=1)) > MOST_CALLS:
        raise ImproperlyConfigured(f"{name}={number} must be at most {MOST_CALLS}.")
    return number


def env_amount(name: str, default: str) -> Decimal | None:
    """An amount in USD from 0.01 to 100,000; None where the variable is set and empty. Raises ImproperlyConfigured for anything else."""
    if _is_emptied(name):
        return None
    text = env_str(name, default)
    if not AMOUNT.fullmatch(text) or not LEAST <= Decimal(text) <= MOST:
        raise ImproperlyConfigured(f"{name}={text!r} must be an amount in USD like 25 or 7.50, or empty.")
    return Decimal(text)


def _is_emptied(name: str) -> bool:
    return name in os.environ and not env_str(name)


def env_list(name: str) -> list[str]:
    """Comma-separated words, blanks left out."""
    return [word.strip() for word in env_str(name).split(",") if word.strip()]


def env_secret(name: str, default: str = "") -> str:
    """Like env_str, but the value may also stand in the file that NAME_FILE names (container secrets)."""
    file_name = env_str(f"{name}_FILE")
    if file_name:
        try:
            return Path(file_name).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE={file_name!r} cannot be read: {error.strerror}.") from error
    return env_str(name, default)
