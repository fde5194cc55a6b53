"""REST: Recordings of calls, and their audio, which requires the account's credentials.

https://www.twilio.com/docs/voice/api/recording
"""

import re

from aiohttp import web

from sandbox.exchange.http import json_response
from sandbox.exchange.recording_store import RecordingStore
from sandbox.exchange.twilio import errors
from sandbox.exchange.twilio.account import Account
from sandbox.exchange.twilio.calls_api import live_call
from sandbox.exchange.twilio.forms import read_form
from sandbox.exchange.twilio.http import ACCOUNT, PREFIX, route
from sandbox.exchange.twilio.recordings import CallRecording, RecordRequest
from sandbox.exchange.twilio.values import page_of

CREATE = "RecordingChannels RecordingStatusCallback RecordingStatusCallbackMethod RecordingStatusCallbackEvent"


class RecordingsApi:
    """Handlers by resource and method."""

    def __init__(self, store: RecordingStore) -> None:
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        audio = f"{PREFIX}Accounts/{{account_sid}}/Recordings/{{recording_sid}}"
        return [
            route("POST", "/Calls/{sid}/Recordings", self.create),
            route("GET", "/Calls/{sid}/Recordings", self.list),
            route("GET", "/Calls/{sid}/Recordings/{recording_sid}", self.fetch),
            route("POST", "/Calls/{sid}/Recordings/{recording_sid}", self.update),
            route("DELETE", "/Calls/{sid}/Recordings/{recording_sid}", self.delete),
            route("GET", "/Recordings", self.list),
            route("GET", "/Recordings/{recording_sid}", self.fetch),
            route("DELETE", "/Recordings/{recording_sid}", self.delete),
            web.get(f"{audio}.wav", self.download),
            web.get(f"{audio}.mp3", self.download_mp3),
            web.get(audio, self.download),
        ]

    async def create(self, request: web.Request, account: Account) -> web.Response:
        form = await read_form(request, CREATE, "RecordingTrack Trim")
        call = live_call(request, account)
        if call.status != "in-progress":
            raise errors.not_recordable()
        recording = call.recordings.start(RecordRequest.of_form(form, "StartCallRecordingAPI"))
        return json_response(recording.describe(), 201)

    async def list(self, request: web.Request, account: Account) -> web.Response:
        call_sid = request.match_info.get("sid") or request.query.get("CallSid")
        rows = [each for each in reversed(account.recordings.values()) if call_sid in {None, each.call_sid}]
        return json_response(page_of(request.path, request.query, "recordings", rows, CallRecording.describe))

    async def fetch(self, request: web.Request, account: Account) -> web.Response:
        return json_response(_recording(request, account).describe())

    async def update(self, request: web.Request, account: Account) -> web.Response:
        form = await read_form(request, "Status PauseBehavior")
        call = live_call(request, account)
        if request.match_info["recording_sid"] == "Twilio.CURRENT":
            running = [each for each in call.recordings.by_sid.values() if each.audio is not None]
            if not running:
                raise errors.not_recordable()
            recording = running[-1]
        else:
            recording = _recording(request, account)
        status = form.choice("Status", ("stopped", "paused", "in-progress"), "in-progress")
        call.recordings.change(recording, status, keeps_silence=form.text("PauseBehavior") != "skip")
        return json_response(recording.describe())

    async def delete(self, request: web.Request, account: Account) -> web.Response:
        recording = _recording(request, account)
        if recording.audio is not None:
            raise errors.not_recordable()
        self._store.remove(recording.sid)
        del account.recordings[recording.sid]
        return web.Response(status=204)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The WAV, also of recordings made before a restart of the exchange."""
        account, sid = request[ACCOUNT], request.match_info["recording_sid"]
        if not re.fullmatch(r"RE[0-9a-f]{32}", sid) or self._store.owner_of(sid) != account.sid:
            raise errors.not_found(request.path)
        return web.FileResponse(self._store.path(sid), headers={"Content-Type": "audio/x-wav"})

    async def download_mp3(self, request: web.Request) -> web.StreamResponse:
        raise errors.not_offered("mp3 files")


def _recording(request: web.Request, account: Account) -> CallRecording:
    recording = account.recordings.get(request.match_info["recording_sid"])
    call_sid = request.match_info.get("sid")
    if recording is None or call_sid not in {None, recording.call_sid}:
        raise errors.not_found(request.path)
    return recording
