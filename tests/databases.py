"""Migrated databases by the copy: migrations take ten seconds, which each worker and each platform of a test run would wait for."""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

PROJECT = Path(__file__).resolve().parents[1]
TEMPLATE = "bubblyphone_migrated"
LOCK = 20_261_128


def template() -> str:
    """The name of a database that is migrated and has nothing else in it; the first who asks makes it, others wait."""
    with _connect() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
            unfinished = make_copy("template0")
            command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(command, cwd=PROJECT, env={**os.environ, "DATABASE_URL": unfinished}, check=True)
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
