"""Conferences of several calls (https://www.twilio.com/docs/voice/twiml/conference)."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from sandbox.exchange.audio.audio_queue import SILENCE, AudioQueue
from sandbox.exchange.audio.mixing import mix
from sandbox.exchange.bridging import MAX_LAG_MS
from sandbox.exchange.twilio.twiml import INVALID_ATTRIBUTE, Source, TwimlError, check_attributes, flag_of, method_of
from sandbox.exchange.twilio.values import API_VERSION, new_sid, now, rfc2822

if TYPE_CHECKING:
    from sandbox.exchange.legs import Leg
    from sandbox.exchange.twilio.account import Account
    from sandbox.exchange.twilio.calls import Call

KNOWN = (
    "muted beep startConferenceOnEnter endConferenceOnExit waitUrl waitMethod maxParticipants participantLabel"
    " statusCallback statusCallbackMethod statusCallbackEvent"
)
UNOFFERED = (
    "record region trim coach eventCallbackUrl jitterBufferSize recordingStatusCallback recordingStatusCallbackMethod"
    " recordingStatusCallbackEvent"
)
EVENTS = frozenset({"start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement"})


@dataclass(slots=True, eq=False)
class Participant:
    """One call in a conference. `lines` has the pending audio for its person, by the speaker's CallSid."""

    call: "Call"
    label: str | None
    is_muted: bool
    starts: bool
    ends: bool
    is_held: bool = False
    joined_at: datetime = field(default_factory=now)
    out: asyncio.Event = field(default_factory=asyncio.Event)
    lines: dict[str, AudioQueue] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Conference:
    """A conference with this name. For a leg it acts as a bridge, but with more than two legs."""

    account: "Account"
    name: str
    callback_url: str = ""
    callback_method: str = "POST"
    events: frozenset[str] = frozenset()
    sid: str = field(default_factory=lambda: new_sid("CF"))
    status: str = "init"
    created_at: datetime = field(default_factory=now)
    participants: dict[str, Participant] = field(default_factory=dict)
    reason: str | None = None
    ender: str | None = None
    _sequence: int = 0

    # --- participants -------------------------------------------------------------------------------------------------

    def enter(self, participant: Participant) -> None:
        """Add a participant. The conference starts when there are two, and one of them has `startConferenceOnEnter`."""
        self.participants[participant.call.sid] = participant
        participant.call.leg.bridge = self
        self._tell("participant-join", participant)
        has_starter = any(each.starts for each in self.participants.values())
        if self.status == "init" and has_starter and len(self.participants) > 1:
            self.status = "in-progress"
            self._tell("conference-start")

    def exit(self, participant: Participant) -> None:
        """Remove a participant. The conference ends with the last one, or with one that has `endConferenceOnExit`."""
        if self.participants.pop(participant.call.sid, None) is None:
            return
        if participant.call.leg.bridge is self:
            participant.call.leg.bridge = None
        for other in self.participants.values():
            other.lines.pop(participant.call.sid, None)
        participant.out.set()
        self._tell("participant-leave", participant)
        if participant.ends or not self.participants:
            self.ender = self.ender or participant.call.sid
            who = "participant-with-end-conference-on-exit" if participant.ends else "last-participant"
            self.end(f"{who}-left")

    def end(self, reason: str) -> None:
        """Remove all participants, once."""
        if self.status == "completed":
            return
        self.status, self.reason = "completed", reason
        for participant in list(self.participants.values()):
            self.exit(participant)
        self._tell("conference-end")

    def find(self, call_sid: str) -> Participant | None:
        """A participant by CallSid or label."""
        for participant in self.participants.values():
            if call_sid in {participant.call.sid, participant.label}:
                return participant
        return None

    # --- as a leg's bridge --------------------------------------------------------------------------------------------

    def send(self, leg: "Leg", frame: bytes) -> None:
        """Send 20 ms of this leg's PCMU to the others."""
        speaker = self.participants.get(leg.call_control_id)
        if speaker is None or speaker.is_muted or speaker.is_held or self.status != "in-progress":
            return
        for listener in self.participants.values():
            if listener is speaker or listener.is_held:
                continue
            line = listener.lines.setdefault(speaker.call.sid, AudioQueue())
            if line.queued_ms >= MAX_LAG_MS:
                line.clear()
            line.write(frame)

    def receive(self, leg: "Leg") -> bytes:
        """Receive 20 ms of PCMU from the others."""
        listener = self.participants.get(leg.call_control_id)
        if listener is None:
            return SILENCE
        return mix(*[line.next_frame() for line in listener.lines.values()])

    def press(self, leg: "Leg", digit: str) -> None:
        """Pass on a key to all others."""
        for other in self.participants.values():
            if other.call.leg is not leg:
                other.call.leg.handset.on_dtmf(digit)

    def leave(self, leg: "Leg") -> None:
        """The leg has ended."""
        participant = self.participants.get(leg.call_control_id)
        if participant is not None:
            self.exit(participant)

    def part(self) -> None:
        """End the conference."""
        self.end("conference-ended-via-api")

    # --- reports ------------------------------------------------------------------------------------------------------

    def _tell(self, event: str, participant: Participant | None = None) -> None:
        self._sequence += 1
        if event.partition("-")[2] not in self.events:
            return
        params = {
            "AccountSid": self.account.sid,
            "ConferenceSid": self.sid,
            "FriendlyName": self.name,
            "StatusCallbackEvent": event,
            "SequenceNumber": str(self._sequence),
            "Timestamp": rfc2822(now()) or "",
        }
        if participant is not None:
            params |= {
                "CallSid": participant.call.sid,
                "Muted": str(participant.is_muted).lower(),
                "Hold": str(participant.is_held).lower(),
                "StartConferenceOnEnter": str(participant.starts).lower(),
                "EndConferenceOnExit": str(participant.ends).lower(),
            }
            if participant.label:
                params["ParticipantLabel"] = participant.label
        if event == "conference-end":
            params["ReasonConferenceEnded"] = self.reason or ""
        queue = self.account.conference_callbacks
        self.account.send(queue, self.callback_url, self.callback_method, params)

    @property
    def path(self) -> str:
        return f"{self.account.path}/Conferences/{self.sid}"

    def describe(self) -> dict[str, Any]:
        """The Conference resource."""
        return {
            "sid": self.sid,
            "account_sid": self.account.sid,
            "friendly_name": self.name,
            "status": self.status,
            "region": "us1",
            "reason_conference_ended": self.reason,
            "call_sid_ending_conference": self.ender,
            "api_version": API_VERSION,
            "date_created": rfc2822(self.created_at),
            "date_updated": rfc2822(now()),
            "uri": f"{self.path}.json",
            "subresource_uris": {"participants": f"{self.path}/Participants.json"},
        }

    def describe_participant(self, participant: Participant) -> dict[str, Any]:
        """The Participant resource."""
        return {
            "account_sid": self.account.sid,
            "call_sid": participant.call.sid,
            "conference_sid": self.sid,
            "label": participant.label,
            "muted": participant.is_muted,
            "hold": participant.is_held,
            "coaching": False,
            "call_sid_to_coach": None,
            "start_conference_on_enter": participant.starts,
            "end_conference_on_exit": participant.ends,
            "status": "connected",
            "queue_time": None,
            "date_created": rfc2822(participant.joined_at),
            "date_updated": rfc2822(now()),
            "uri": f"{self.path}/Participants/{participant.call.sid}.json",
        }


async def join(call: "Call", element: Element, source: Source) -> dict[str, str]:
    """Stay in the conference until it ends or the call leaves. Returns the parameters for <Dial>'s `action`. Raises TwimlError."""
    check_attributes(element, KNOWN, UNOFFERED)
    name = (element.text or "").strip()
    if not name or len(name) > 128:
        raise TwimlError(INVALID_ATTRIBUTE, "A conference has a name of up to 128 characters.")
    if element.get("waitUrl", ""):
        raise TwimlError(INVALID_ATTRIBUTE, "The built-in exchange has no music: waitUrl must be empty.")
    room = _room(call, name, element, source)
    participant = Participant(
        call=call,
        label=element.get("participantLabel"),
        is_muted=flag_of(element, "muted", default=False),
        starts=flag_of(element, "startConferenceOnEnter", default=True),
        ends=flag_of(element, "endConferenceOnExit", default=False),
    )
    room.enter(participant)
    try:
        await participant.out.wait()
    finally:
        room.exit(participant)
    return {"DialCallStatus": "completed", "ConferenceSid": room.sid}


def _room(call: "Call", name: str, element: Element, source: Source) -> Conference:
    """The conference with this name, or a new one. Its callbacks are those of the first participant."""
    for room in call.account.conferences.values():
        if room.name == name and room.status != "completed":
            return room
    events = frozenset(element.get("statusCallbackEvent", "").split())
    if not events <= EVENTS:
        raise TwimlError(
            INVALID_ATTRIBUTE, f"statusCallbackEvent of <Conference> may only contain {', '.join(sorted(EVENTS))}."
        )
    callback = element.get("statusCallback", "")
    room = Conference(
        call.account,
        name,
        source.at(callback, "POST").url if callback else "",
        method_of(element, "statusCallbackMethod"),
        events,
    )
    call.account.conferences[room.sid] = room
    return room
