"""Finds the languages of the published webhook receivers, or installs them from Debian (`python -m tests.languages`).

About 10 MB, or 250 MB where Debian has only the Go compiler.
"""

import os
import shutil
import subprocess
import sys

import pytest

# Commands to run a program, in order of preference. Debian's Go interpreter is a tenth of the compiler's size.
COMMANDS = {
    "js": (["node", "{program}"],),
    "go": (["go", "run", "{program}"], ["yaegi", "run", "{program}"]),
    "php": (["php", "-S", "127.0.0.1:{port}", "{program}"],),
}
# Alternatives, in order of preference. Debian 13 has no yaegi.
PACKAGES = {"js": (["nodejs"],), "go": (["yaegi"], ["golang-go"]), "php": (["php-cli", "php-sqlite3"],)}


def find(language: str) -> list[str] | None:
    """The first installed command for this language."""
    return next((command for command in COMMANDS[language] if shutil.which(command[0])), None)


def missing() -> list[str]:
    """Languages that cannot be run."""
    return [language for language in COMMANDS if find(language) is None]


def command_for(language: str) -> list[str]:
    """The command for this language. If there is none, skips the test, or fails it in CI."""
    command = find(language)
    if command is None:
        reason = f"Nothing runs {language}; `make test` installs {' and '.join(PACKAGES[language][0])} where it can."
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return command


def install() -> None:
    """Install missing languages from Debian, as root. If some cannot be installed, the tests report it."""
    if not missing() or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    _apt_get("update")
    for language in missing():
        # The first alternative that can be installed.
        any(_apt_get("install", "-y", "--no-install-recommends", *packages) for packages in PACKAGES[language])


def _apt_get(*arguments: str) -> bool:
    """Whether it succeeded."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    result = subprocess.run(["apt-get", "-qq", *arguments], env=environment, stdout=sys.stderr, check=False)
    return result.returncode == 0


if __name__ == "__main__":
    install()
    if still := missing():
        sys.stderr.write(f"Nothing runs {', '.join(still)}: tests of the published receivers need it.\n")
