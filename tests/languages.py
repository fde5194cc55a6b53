"""Languages of the published receivers: what is there, else Debian's (`python -m tests.languages`). Some 10 MB in all."""

import os
import shutil
import subprocess
import sys

import pytest

# How a program of each is run, in the order of preference. Debian's interpreter of Go has a tenth of the compiler's size.
COMMANDS = {
    "js": (["node", "{program}"],),
    "go": (["go", "run", "{program}"], ["yaegi", "run", "{program}"]),
    "php": (["php", "-S", "127.0.0.1:{port}", "{program}"],),
}
PACKAGES = {"js": ["nodejs"], "go": ["yaegi"], "php": ["php-cli", "php-sqlite3"]}


def find(language: str) -> list[str] | None:
    """The first command for it that is installed."""
    return next((command for command in COMMANDS[language] if shutil.which(command[0])), None)


def missing() -> list[str]:
    """The languages that cannot be run."""
    return [language for language in COMMANDS if find(language) is None]


def command_for(language: str) -> list[str]:
    """The command, or the end of the test: skipped, and in CI failed."""
    command = find(language)
    if command is None:
        reason = f"Nothing runs {language}; `make test` installs {' and '.join(PACKAGES[language])} where it can."
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return command


def install() -> None:
    """Get what is missing from Debian, as root. What cannot be had is left to the tests, which say so."""
    wanted = [package for language in missing() for package in PACKAGES[language]]
    if not wanted or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *wanted]):
        subprocess.run(["apt-get", *command], env=environment, stdout=sys.stderr, check=False)


if __name__ == "__main__":
    install()
    if still := missing():
        sys.stderr.write(f"Nothing runs {', '.join(still)}: tests of the published receivers need it.\n")
