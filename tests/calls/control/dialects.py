"""Reports of call events, in the format and with the signature of each carrier."""

import base64
import json
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from twilio.request_validator import RequestValidator

from phone_numbers.carriers.registry import forget_carriers
from tests.fakes.recording_server import Answer, ReceivedRequest, RecordingServer
from tests.phone_numbers.carriers import small

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OURS, PERSON = "+14155550100", "+12025550123"


@dataclass(frozen=True, slots=True)
class Report:
    """A request from the carrier to the platform."""

    path: str
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"

    def deliver(self, client: Client) -> int:
        sent = client.post(self.path, self.body, content_type=self.content_type, headers=self.headers)
        return sent.status_code


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """`kind` is a CarrierEventType; `at` is in seconds from BEGIN. With `leg_state`, the event is about a leg called for the caller."""

    kind: str
    at: float
    cause: str = ""
    detail: str = ""
    leg_state: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def moment(self) -> datetime:
        return BEGIN + timedelta(seconds=self.at)


class Dialect(ABC):
    """A carrier whose REST API is `server`. It reports one call, `sid`, and the call's second leg, `leg_sid`."""

    slug: str
    backend: str = ""

    def __init__(self, settings: Any, server: RecordingServer) -> None:
        row = settings.CARRIERS.get(self.slug, {"NAME": self.slug.title(), "BACKEND": self.backend, "OPTIONS": {}})
        options = {**row["OPTIONS"], **self.options(server.url)}
        settings.CARRIERS = {**settings.CARRIERS, self.slug: {**row, "OPTIONS": options, "IS_CONFIGURED": True}}
        forget_carriers()
        self.public_url, self.server = settings.PUBLIC_URL, server
        self.sid = self.new_sid()
        self.leg_sid = self.new_sid()
        server.answer_to = self._answer_to  # type: ignore[method-assign]

    @abstractmethod
    def options(self, url: str) -> dict[str, str]: ...

    @abstractmethod
    def new_sid(self) -> str: ...

    @abstractmethod
    def placed(self) -> Any:
        """The response to a request to place the call."""

    @abstractmethod
    def report(self, reported: ReportedEvent, *, inbound: bool, state: str = "") -> Report: ...

    def is_placing(self, request: ReceivedRequest) -> bool:
        return request.path == "/calls"

    def is_transferring(self, request: ReceivedRequest) -> bool:
        """Whether the request calls someone else for the caller."""
        return request.path.endswith("/transfer")

    def _answer_to(self, request: ReceivedRequest) -> Answer:
        if self.is_placing(request):
            return Answer(200, json.dumps(self.placed()).encode())
        return Answer()


class TelnyxDialect(Dialect):
    slug = "telnyx"

    def options(self, url: str) -> dict[str, str]:
        return {"public_key": PUBLIC_KEY, "api_key": "KEY", "connection_id": "c", "base_url": url}

    def new_sid(self) -> str:
        return f"v3:{uuid.uuid4()}"

    def placed(self) -> Any:
        return {"data": {"call_control_id": self.sid}}

    def report(self, reported: ReportedEvent, *, inbound: bool, state: str = "") -> Report:
        words: dict[str, tuple[str, dict[str, Any]]] = {
            "initiated": ("initiated", {"direction": "incoming" if inbound else "outgoing", "state": "parked"}),
            "answered": ("answered", {}),
            "ended": ("hangup", {"hangup_cause": self._cause(reported.cause), "hangup_source": "caller"}),
            "machine_detected": ("machine.premium.detection.ended", {"result": reported.detail or "machine"}),
            "machine_greeting_ended": ("machine.premium.greeting.ended", {"result": reported.detail}),
            "screening_detected": ("machine.premium.call_screening.detected", {"result": "screening"}),
            "dtmf": ("dtmf.received", {"digit": reported.detail}),
            "recording_saved": ("recording.saved", {"recording_urls": {"wav": reported.detail}}),
        }
        name, payload = words[reported.kind]
        state = reported.leg_state or state
        body = telnyx_event(
            name,
            self.leg_sid if reported.leg_state else self.sid,
            reported.at,
            client_state=base64.b64encode(state.encode()).decode() if state else None,
            **{"from": PERSON if inbound else OURS, "to": OURS if inbound else PERSON},
            **payload,
        )
        return signed_by_telnyx(body)

    def _cause(self, cause: str) -> str:
        return {
            "busy": "user_busy",
            "no_answer": "timeout",
            "rejected": "call_rejected",
            "invalid_number": "not_found",
        }.get(cause, cause)


def telnyx_event(kind: str, call: str, at: float, **payload: Any) -> dict[str, Any]:
    call_fields = {"call_control_id": call, "call_leg_id": "leg", "call_session_id": "session", "connection_id": "c"}
    return {
        "data": {
            "record_type": "event",
            "event_type": f"call.{kind}",
            "id": str(uuid.uuid4()),
            "occurred_at": (BEGIN + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "payload": {**call_fields, "client_state": None, "from": "+15551230000", **payload},
        },
        "meta": {"attempt": 1},
    }


def signed_by_telnyx(body: dict[str, Any]) -> Report:
    raw, stamp = json.dumps(body).encode(), str(int(time.time()))
    signature = base64.b64encode(KEY.sign(stamp.encode() + b"|" + raw)).decode()
    return Report("/webhooks/telnyx", raw, {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature})


class TwilioDialect(Dialect):
    slug = "twilio"
    account, token = "AC" + "0123456789abcdef" * 2, "twilio-token"

    def options(self, url: str) -> dict[str, str]:
        return {"account_sid": self.account, "auth_token": self.token, "base_url": url}

    def new_sid(self) -> str:
        return f"CA{uuid.uuid4().hex}"

    def placed(self) -> Any:
        return {"sid": self.sid, "status": "queued"}

    def is_placing(self, request: ReceivedRequest) -> bool:
        return request.method == "POST" and request.path.endswith("/Calls.json")

    def is_transferring(self, request: ReceivedRequest) -> bool:
        return self.is_placing(request)

    def _answer_to(self, request: ReceivedRequest) -> Answer:
        return Answer(200, b'{"calls": []}') if request.method == "GET" else super()._answer_to(request)

    def report(self, reported: ReportedEvent, *, inbound: bool, state: str = "") -> Report:
        leg, state = bool(reported.leg_state), reported.leg_state or state
        is_inbound = inbound and not leg
        stamp = {"Timestamp": format_datetime(reported.moment)}
        name, form = "status", dict[str, str]()
        match reported.kind:
            case "initiated":
                name, form = ("voice", {"CallStatus": "ringing"}) if is_inbound else ("status", stamp)
                form = {"CallStatus": "initiated", **form}
            case "answered":
                # Twilio does not report the answer of an inbound call. It requests the next document instead.
                name, form = ("next", {}) if is_inbound else ("status", stamp)
                form = {"CallStatus": "in-progress", **form}
            case "ended":
                form = {**stamp, **self._end(reported)}
            case "machine_detected":
                name, form = "machine", {"AnsweredBy": reported.detail or "machine_start"}
            case "recording_saved":
                name = "recording"
                form = {"RecordingStatus": "completed", "RecordingSid": "RE1", "RecordingUrl": reported.detail}
            case "dtmf":
                name, form = f"heard?n={reported.fields.get('n', 1)}", {"Digits": reported.detail}
        query = f"{'&' if '?' in name else '?'}state={state}" if state else ""
        params = {
            "AccountSid": self.account,
            "CallSid": self.leg_sid if leg else self.sid,
            "Direction": "inbound" if is_inbound else "outbound-api",
            "From": PERSON if inbound else OURS,
            "To": OURS if is_inbound else PERSON,
            "CallStatus": "in-progress",
            **form,
        }
        return self.signed(f"/webhooks/twilio/{name}{query}", params)

    def signed(self, path: str, params: dict[str, str], token: str = "") -> Report:
        url = f"{self.public_url}{path}"
        signature = RequestValidator(token or self.token).compute_signature(url, params)
        form = "application/x-www-form-urlencoded"
        return Report(path, urlencode(params).encode(), {"X-Twilio-Signature": signature}, form)

    def _end(self, reported: ReportedEvent) -> dict[str, str]:
        seconds = str(reported.fields.get("seconds", 0))
        status, sip = {
            "normal_clearing": ("completed", "200"),
            "busy": ("busy", "486"),
            "no_answer": ("no-answer", "487"),
            "rejected": ("busy", "603"),
            "invalid_number": ("failed", "404"),
        }[reported.cause]
        return {"CallStatus": status, "SipResponseCode": sip, "CallDuration": seconds}


class SmallDialect(Dialect):
    slug = "small"
    backend = "tests.phone_numbers.carriers.small.SmallCarrier"
    secret = "small-secret"

    def options(self, url: str) -> dict[str, str]:
        return {"secret": self.secret, "base_url": url}

    def new_sid(self) -> str:
        return f"small-{uuid.uuid4()}"

    def placed(self) -> Any:
        return {"id": self.sid}

    def report(self, reported: ReportedEvent, *, inbound: bool, state: str = "") -> Report:
        detail = reported.detail or ("machine" if reported.kind == "machine_detected" else "")
        body = {
            "type": reported.kind,
            "event_id": str(uuid.uuid4()),
            "carrier_call_id": self.leg_sid if reported.leg_state else self.sid,
            "occurred_at": reported.moment.isoformat(),
            "client_state": reported.leg_state or state,
            "direction": ("inbound" if inbound else "outbound") if reported.kind == "initiated" else "",
            "from_number": PERSON if inbound else OURS,
            "to_number": OURS if inbound else PERSON,
            "cause": reported.cause,
            "detail": detail,
        }
        raw = json.dumps(body).encode()
        return Report("/webhooks/small", raw, {small.SIGNATURE: small.sign(self.secret, raw)})


DIALECTS: dict[str, type[Dialect]] = {each.slug: each for each in (TelnyxDialect, TwilioDialect, SmallDialect)}
