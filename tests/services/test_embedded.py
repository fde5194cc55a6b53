"""The embedded PostgreSQL and Valkey: start, stop, start again, and what survives a kill -9."""

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
    """A data folder whose path has a space in it, closed to other users as mkdtemp makes it."""
    with tempfile.TemporaryDirectory(prefix="bubbly phone-") as folder:
        yield Path(folder)


@pytest.fixture
def postgres(home: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(home, SecretsStore(home / "secrets.json"))
    yield server
    server.stop()


def test_data_survives_kill_9_and_the_address_stays_the_same(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE calls AS SELECT 7 AS id")
    assert postgres.process is not None
    postgres.process.send_signal(signal.SIGKILL)
    postgres.process.wait()

    assert postgres.start() == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM calls").fetchall() == [(7,)]


def test_a_server_left_by_a_killed_supervisor_is_ended_first(home: Path, postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    successor = EmbeddedPostgres(home, SecretsStore(home / "secrets.json"))
    try:
        assert successor.start() == url
        assert postgres.process is not None
        assert postgres.process.wait(30) == 0
    finally:
        successor.stop()


def test_a_lock_whose_process_id_now_belongs_to_another_program_is_no_obstacle(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    lock = postgres.data / "postmaster.pid"
    stale = lock.read_text().splitlines()
    postgres.stop()
    stale[0] = "1"
    lock.write_text("\n".join(stale) + "\n")
    lock.chmod(0o644)
    assert postgres.start().endswith("/bubblyphone")


def test_only_the_password_opens_the_database(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    password = postgres.secrets_store.get("POSTGRES_PASSWORD")
    assert password is not None
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "guess"))


def test_text_sorts_by_code_point_everywhere(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.start()) as connection:
        row = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname='bubblyphone'"
        ).fetchone()
    assert row == ("b", "C.UTF-8")


def test_valkey_starts_again_at_the_same_address_and_wants_its_password(home: Path) -> None:
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


def test_kept_values_are_readable_by_us_alone_and_damage_is_named(home: Path) -> None:
    path = home / "secrets.json"
    secrets_store = SecretsStore(path)
    made = secrets_store.get_or_make("SECRET_KEY", lambda: "first")
    assert (made, SecretsStore(path).get_or_make("SECRET_KEY", lambda: "second")) == ("first", "first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("{")
    with pytest.raises(ServiceError, match=r"Cannot read .*secrets\.json"):
        SecretsStore(path)
