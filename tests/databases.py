"""Copies of migrated databases. Migrations take ten seconds, which every run, worker and platform would otherwise wait for."""

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
# Files that determine the contents of a migrated database.
FINGERPRINTED = (
    "*/migrations/*.py",
    "*/*/migrations/*.py",
    "*/*/schedules.py",
    "staff/roles.py",
    "bubblyphone/settings*.py",
)


def saved_cluster() -> Path:
    """Where later runs find the data of a PostgreSQL with the current template, once it exists."""
    files = [
        PROJECT / "requirements" / "core.txt",
        *(path for pattern in FINGERPRINTED for path in PROJECT.glob(pattern)),
    ]
    fingerprint = hashlib.sha256(str(os.getuid()).encode())  # the user who starts it owns the files
    for path in sorted(set(files)):
        fingerprint.update(f"{path.relative_to(PROJECT)}\0".encode() + path.read_bytes())
    return CLUSTERS / fingerprint.hexdigest()[:16]


def copy_cluster(origin: Path, copy: Path) -> None:
    """Copy the data of a stopped PostgreSQL, with owners and modes. Delete copies that have not been used for days."""
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
    """The name of a migrated, otherwise empty database. The first process creates it, and others wait."""
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
    """Create a copy of a database. Returns its URL."""
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
