"""Reading the environment: a missing value takes its default, a wrong one stops the start with the variable's name."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


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
