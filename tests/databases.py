"""Migrated databases by the copy: migrations take ten seconds, which each run, worker and platform would wait for."""

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

PROJECT = Path(__file__).resolve().parents[1]
TEMPLATE = "bubblyphone_migrated"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "bubblyphone.settings_test"}
LOCK = 20_261_128
CLUSTERS = PROJECT / "var" / "test-clusters"
UNUSED_SECONDS = 3 * 86400
# What decides what a migrated database holds.
FINGERPRINTED = (
    "*/migrations/*.py",
    "*/*/migrations/*.py",
    "*/*/schedules.py",
    "staff/roles.py",
    "bubblyphone/settings*.py",
)


def saved_cluster() -> Path:
    """Where the data of a PostgreSQL with today's template is kept for the runs to come, once there is one."""
    files = [
        PROJECT / "requirements" / "core.txt",
        *(path for pattern in FINGERPRINTED for path in PROJECT.glob(pattern)),
    ]
    fingerprint = hashlib.sha256(str(os.getuid()).encode())  # who started it owns the files
    for path in sorted(set(files)):
        fingerprint.update(f"{path.relative_to(PROJECT)}\0".encode() + path.read_bytes())
    return CLUSTERS / fingerprint.hexdigest()[:16]


def copy_cluster(origin: Path, copy: Path) -> None:
    """Copy the data of a PostgreSQL that is not running, owners and modes too, and drop copies that nobody has used for days."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    unfinished = copy.with_name(f"{copy.name}-{secrets.token_hex(4)}")
    subprocess.run(["cp", "-a", origin, unfinished], check=True)
    try:
        unfinished.rename(copy)
    except OSError:  # another run was faster
        shutil.rmtree(unfinished)
    for old in CLUSTERS.iterdir() if CLUSTERS.exists() else ():
        if time.time() - old.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(old, ignore_errors=True)


def template() -> str:
    """The name of a database that is migrated and has nothing else in it; the first who asks makes it, others wait."""
    with _connect() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
            unfinished = make_copy("template0")
            command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(command, cwd=PROJECT, env={**os.environ, **SETTINGS, "DATABASE_URL": unfinished}, check=True)
            names = sql.Identifier(_name_in(unfinished)), sql.Identifier(TEMPLATE)
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))
    return TEMPLATE


def make_copy(origin: str) -> str:
    """The URL of a new database like that one."""
    name = f"bubblyphone_{secrets.token_hex(6)}"
    with _connect() as connection:
        names = sql.Identifier(name), sql.Identifier(origin)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
    return urlsplit(_server())._replace(path=f"/{name}").geturl()


def _server() -> str:
    return os.environ["TEST_DATABASE_URL"]


def _connect() -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(_server(), autocommit=True)


def _name_in(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")
