"""The operating system's user that runs PostgreSQL, which refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from bubblyphone.services.errors import ServiceError


class PopenIdentity(TypedDict, total=False):
    """The arguments of subprocess.Popen that change the user of the child."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Owner:
    """A user and group id."""

    uid: int
    gid: int

    def popen_identity(self) -> PopenIdentity:
        """Arguments for Popen; none if we already are that user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can enter `folder` and every folder above it. The system decides; nothing is computed from modes."""
        command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)]
        return subprocess.run(command, cwd="/", check=False, **self.popen_identity()).returncode == 0


def choose_owner(data: Path) -> Owner:
    """The current user; for root, the owner of existing `data`, otherwise `postgres`, otherwise `nobody`."""
    if os.geteuid() != 0:
        return Owner(os.geteuid(), os.getegid())
    if data.exists() and data.stat().st_uid != 0:
        return Owner(data.stat().st_uid, data.stat().st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(entry.pw_uid, entry.pw_gid)
    raise ServiceError(
        "PostgreSQL does not run as root and this system has neither a user 'postgres' nor 'nobody'. "
        "Run as an ordinary user, or set DATABASE_URL to your own server."
    )
