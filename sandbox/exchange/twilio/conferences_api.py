"""REST: Conferences and their Participants (https://www.twilio.com/docs/voice/api/conference-resource)."""

from aiohttp import web

from sandbox.exchange.http import json_response
from sandbox.exchange.twilio import errors
from sandbox.exchange.twilio.account import Account
from sandbox.exchange.twilio.conferences import Conference, Participant
from sandbox.exchange.twilio.forms import read_form
from sandbox.exchange.twilio.http import route
from sandbox.exchange.twilio.values import page_of

UPDATE = "Muted Hold EndConferenceOnExit"
UNOFFERED = "HoldUrl HoldMethod AnnounceUrl AnnounceMethod WaitUrl WaitMethod BeepOnExit Coaching CallSidToCoach"


class ConferencesApi:
    """Handlers by resource and method. Participants can only join by <Dial><Conference>."""

    def routes(self) -> list[web.RouteDef]:
        return [
            route("GET", "/Conferences", self.list),
            route("GET", "/Conferences/{sid}", self.fetch),
            route("POST", "/Conferences/{sid}", self.update),
            route("GET", "/Conferences/{sid}/Participants", self.participants),
            route("GET", "/Conferences/{sid}/Participants/{call}", self.participant),
            route("POST", "/Conferences/{sid}/Participants/{call}", self.update_participant),
            route("DELETE", "/Conferences/{sid}/Participants/{call}", self.remove),
        ]

    async def list(self, request: web.Request, account: Account) -> web.Response:
        name, status = request.query.get("FriendlyName"), request.query.get("Status")
        rooms = [
            room
            for room in reversed(account.conferences.values())
            if name in {None, room.name} and status in {None, room.status}
        ]
        return json_response(page_of(request.path, request.query, "conferences", rooms, Conference.describe))

    async def fetch(self, request: web.Request, account: Account) -> web.Response:
        return json_response(_room(request, account).describe())

    async def update(self, request: web.Request, account: Account) -> web.Response:
        form = await read_form(request, "Status", "AnnounceUrl AnnounceMethod")
        room = _room(request, account)
        if form.choice("Status", ("completed",), ""):
            room.end("conference-ended-via-api")
        return json_response(room.describe())

    async def participants(self, request: web.Request, account: Account) -> web.Response:
        room = _room(request, account)
        rows = list(room.participants.values())
        return json_response(page_of(request.path, request.query, "participants", rows, room.describe_participant))

    async def participant(self, request: web.Request, account: Account) -> web.Response:
        room = _room(request, account)
        return json_response(room.describe_participant(_participant(request, room)))

    async def update_participant(self, request: web.Request, account: Account) -> web.Response:
        form = await read_form(request, UPDATE, UNOFFERED)
        room = _room(request, account)
        participant = _participant(request, room)
        participant.is_muted = form.flag("Muted", default=participant.is_muted)
        participant.is_held = form.flag("Hold", default=participant.is_held)
        participant.ends = form.flag("EndConferenceOnExit", default=participant.ends)
        return json_response(room.describe_participant(participant))

    async def remove(self, request: web.Request, account: Account) -> web.Response:
        room = _room(request, account)
        room.exit(_participant(request, room))
        return web.Response(status=204)


def _room(request: web.Request, account: Account) -> Conference:
    room = account.conferences.get(request.match_info["sid"])
    if room is None:
        raise errors.not_found(request.path)
    return room


def _participant(request: web.Request, room: Conference) -> Participant:
    found = room.find(request.match_info["call"])
    if found is None:
        raise errors.not_found(request.path)
    return found
