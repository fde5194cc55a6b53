"""File storages that are unreachable, each in a different way."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bubblyphone.storage import private_storage
from tests.fakes.recording_server import Answer, RecordingServer

MESSAGE = "The file storage cannot be reached. Try again in a minute."


def _bucket(address: str) -> dict[str, Any]:
    return private_storage("files", Path("unused"), f"s3+http://key:secret@{address}/calls?region=us-east-1")


@contextmanager
def no_folder(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A file exists where the folder should be."""
    (tmp_path / "files").write_text("")
    yield private_storage("files", tmp_path, "")


@contextmanager
def closed_port(tmp_path: Path) -> Iterator[dict[str, Any]]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # but does not listen
        yield _bucket(f"127.0.0.1:{taken.getsockname()[1]}")


@contextmanager
def answering(answer: Answer) -> Iterator[dict[str, Any]]:
    with RecordingServer([answer]) as server:
        yield _bucket(server.url.removeprefix("http://"))


# Each yields an entry for STORAGES.
AWAY: dict[str, Callable[[Path], Any]] = {
    "a file instead of the folder": no_folder,
    "closed port": closed_port,
    "503": lambda tmp_path: answering(Answer(503, b"")),
    "403": lambda tmp_path: answering(Answer(403, b"")),
    "closes the connection": lambda tmp_path: answering(Answer(None)),
}
