"""The embedded PostgreSQL and Valkey: starting, stopping, restarting, and surviving a kill -9."""

import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from bubblyphone.services.errors import ServiceError
from bubblyphone.services.postgres import EmbeddedPostgres
from bubblyphone.services.secrets_store import SecretsStore
from bubblyphone.services.valkey import EmbeddedValkey


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder whose path has a space, closed to other users like mkdtemp's."""
    with tempfile.TemporaryDirectory(prefix="bubbly phone-") as folder:
        yield Path(folder)


@pytest.fixture
def postgres(home: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(home, SecretsStore(home / "secrets.json"))
    yield server
    server.stop()


def test_data_and_address_survive_kill_9(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE calls AS SELECT 7 AS id")
    assert postgres.process is not None
    postgres.process.send_signal(signal.SIGKILL)
    postgres.process.wait()

    assert postgres.start() == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM calls").fetchall() == [(7,)]


def test_a_server_left_by_a_killed_supervisor_is_stopped_first(home: Path, postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    successor = EmbeddedPostgres(home, SecretsStore(home / "secrets.json"))
    try:
        assert successor.start() == url
        assert postgres.process is not None
        assert postgres.process.wait(30) == 0
    finally:
        successor.stop()


def test_a_stale_lock_with_another_program_s_process_id_is_ignored(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    lock = postgres.data / "postmaster.pid"
    stale = lock.read_text().splitlines()
    postgres.stop()
    stale[0] = "1"
    lock.write_text("\n".join(stale) + "\n")
    lock.chmod(0o644)
    assert postgres.start().endswith("/bubblyphone")


def test_the_database_requires_its_password(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    password = postgres.secrets_store.get("POSTGRES_PASSWORD")
    assert password is not None
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "guess"))


def test_text_is_sorted_by_code_point_everywhere(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.start()) as connection:
        row = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname='bubblyphone'"
        ).fetchone()
    assert row == ("b", "C.UTF-8")


def test_valkey_restarts_at_the_same_address_and_requires_its_password(home: Path) -> None:
    valkey = EmbeddedValkey(home, SecretsStore(home / "secrets.json"))
    url = valkey.start()
    with redis.Redis.from_url(url) as client:
        assert client.set("a", 1) is True
    with (
        pytest.raises(redis.AuthenticationError),
        redis.Redis.from_url(url.split(":")[0] + "://" + url.split("@")[1]) as client,
    ):
        client.ping()
    valkey.stop()
    assert valkey.start() == url
    valkey.stop()


def test_stored_values_are_private_and_damage_is_reported(home: Path) -> None:
    path = home / "secrets.json"
    secrets_store = SecretsStore(path)
    made = secrets_store.get_or_make("SECRET_KEY", lambda: "first")
    assert (made, SecretsStore(path).get_or_make("SECRET_KEY", lambda: "second")) == ("first", "first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("{")
    with pytest.raises(ServiceError, match=r"Cannot read .*secrets\.json"):
        SecretsStore(path)
