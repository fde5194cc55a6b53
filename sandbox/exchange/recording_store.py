"""Stores recordings, and creates URLs that are valid for ten minutes, like the signed URLs of an object store."""

import contextlib
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web

from bubblyphone.core.json.documents import parse_stored_json
from sandbox.exchange import errors
from sandbox.exchange.http import data_response

logger = logging.getLogger(__name__)

URL_SECONDS = 600
# A real carrier keeps recordings permanently. This one keeps them long enough to be downloaded.
KEEP_SECONDS = 86400.0


class RecordingStore:
    """Two files per recording: the WAV and its metadata. If `folder` is None, they are deleted when the exchange stops."""

    def __init__(self, folder: Path | None, secret: str, base_url: Callable[[], str]) -> None:
        self._temporary = TemporaryDirectory(prefix="exchange-recordings-") if folder is None else None
        self._folder = Path(self._temporary.name) if self._temporary else Path(str(folder))
        self._secret = secret.encode()
        self._base_url = base_url
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._clear_old()

    def close(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def _clear_old(self) -> None:
        for path in self._folder.glob("*.*"):
            # Two concurrent saves both delete old files.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - KEEP_SECONDS:
                    path.unlink()

    def put(self, recording_id: str, wav: bytes, about: dict[str, Any]) -> None:
        """Store a recording. Blocks while it writes. Raises OSError."""
        self._clear_old()
        (self._folder / f"{recording_id}.wav").write_bytes(wav)
        (self._folder / f"{recording_id}.json").write_text(json.dumps(about))

    def path(self, recording_id: str) -> Path:
        """The path of a recording's WAV."""
        return self._folder / f"{recording_id}.wav"

    def owner_of(self, recording_id: str) -> str | None:
        """The connection or account that a recording belongs to, or None if it does not exist."""
        path = self._folder / f"{recording_id}.json"
        return parse_stored_json(path.read_text())["connection_id"] if path.exists() else None

    def remove(self, recording_id: str) -> None:
        """Delete a recording."""
        for suffix in ("wav", "json"):
            (self._folder / f"{recording_id}.{suffix}").unlink(missing_ok=True)

    def url(self, recording_id: str) -> str:
        """A URL from which anyone can download the WAV until it expires."""
        expires = str(int(time.time()) + URL_SECONDS)
        query = f"X-Amz-Expires={URL_SECONDS}&expires={expires}&X-Amz-Signature={self._sign(recording_id, expires)}"
        return f"{self._base_url()}/recordings/{recording_id}.wav?{query}"

    def _sign(self, recording_id: str, expires: str) -> str:
        return hmac.new(self._secret, f"{recording_id}|{expires}".encode(), hashlib.sha256).hexdigest()

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/recordings/{recording_id}.wav", self.download),
            web.get("/v2/recordings/{recording_id}", self.describe),
            web.delete("/v2/recordings/{recording_id}", self.delete),
        ]

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The WAV. The URL is the credential. Requests with another one, like the API key, are refused, as by an object store."""
        recording_id, query = request.match_info["recording_id"], request.query
        if "Authorization" in request.headers:
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed.")
        signature = self._sign(recording_id, query.get("expires", ""))
        if not hmac.compare_digest(signature.encode(), query.get("X-Amz-Signature", "").encode()):
            return _refusal(403, "SignatureDoesNotMatch", "The signature does not match.")
        if time.time() > int(query["expires"]):
            return _refusal(403, "AccessDenied", "Request has expired.")
        path = self.path(recording_id)
        if not path.exists():
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        return web.FileResponse(path, headers={"Content-Type": "audio/wav"})

    async def describe(self, request: web.Request) -> web.Response:
        """The recording's record, with a new URL."""
        return data_response(self._record(request.match_info["recording_id"]))

    async def delete(self, request: web.Request) -> web.Response:
        record = self._record(request.match_info["recording_id"])
        self.remove(record["id"])
        return data_response(record)

    def _record(self, recording_id: str) -> dict[str, Any]:
        path = self._folder / f"{recording_id}.json"
        # The ID is one path segment, so it cannot leave the folder, but it may not be a valid file name.
        if not recording_id.replace("-", "").isalnum() or not path.exists():
            raise errors.not_found("recording")
        about: dict[str, Any] = parse_stored_json(path.read_text())
        return about | {
            "record_type": "recording",
            "id": recording_id,
            "status": "completed",
            "source": "call",
            "created_at": about["recording_ended_at"],
            "updated_at": about["recording_ended_at"],
            "download_urls": {"wav": self.url(recording_id)},
        }


def _refusal(status: int, code: str, message: str) -> web.Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(text=body, status=status, content_type="application/xml")
