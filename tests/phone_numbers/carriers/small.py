"""A fictional carrier, written as described in docs/adding-a-carrier.md. It only reports and places calls.

Requests and reports are JSON. A report has the fields of a CarrierEvent and is signed with HMAC-SHA256 of its body.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx2

from phone_numbers.carriers.base import (
    Carrier,
    CarrierError,
    DialRequest,
    InvalidSignature,
    StreamSettings,
    WebhookRequest,
)
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.carriers.telnyx.media_protocol import TelnyxMediaProtocol

SIGNATURE = "X-Small-Signature"


def sign(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class SmallCarrier(Carrier, CallControl):
    media_protocol = TelnyxMediaProtocol
    detects_voicemail = True

    def __init__(self, *, secret: str = "", base_url: str = "") -> None:
        self._secret = secret
        self._http = httpx2.Client(base_url=base_url, timeout=10, trust_env=False)

    def parse_webhook(self, request: WebhookRequest) -> Sequence[CarrierEvent]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not hmac.compare_digest(sign(self._secret, request.body), headers.get(SIGNATURE.lower(), "")):
            raise InvalidSignature("The signature does not match.")
        try:
            report = json.loads(request.body)
            kind, at = CarrierEventType(report.pop("type")), datetime.fromisoformat(report.pop("occurred_at"))
            return (CarrierEvent(type=kind, occurred_at=at, **report),)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("Not a report of this carrier's.") from error

    def dial(self, request: DialRequest) -> str:
        stream = request.stream.url if request.stream else ""
        placed = self._tell(
            "calls", request.command_id, to=request.to_number, state=request.client_state, stream=stream
        )
        return str(placed["id"])

    def answer(
        self, *, carrier_call_id: str, client_state: str, command_id: str, stream: StreamSettings | None
    ) -> None:
        self._tell(f"calls/{carrier_call_id}/answer", command_id, stream=stream.url if stream else "")

    def reject(self, *, carrier_call_id: str, command_id: str) -> None:
        self._tell(f"calls/{carrier_call_id}/reject", command_id)

    def hang_up(self, *, carrier_call_id: str, command_id: str) -> None:
        try:
            self._tell(f"calls/{carrier_call_id}/hang_up", command_id)
        except CarrierError as error:
            if error.reason != "call_ended":
                raise

    def start_stream(self, *, carrier_call_id: str, command_id: str, stream: StreamSettings) -> None:
        self._tell(f"calls/{carrier_call_id}/stream", command_id, stream=stream.url)

    def transfer(self, request: DialRequest, *, carrier_call_id: str) -> None:
        path = f"calls/{carrier_call_id}/transfer"
        self._tell(path, request.command_id, to=request.to_number, state=request.client_state)

    def bridge(self, *, carrier_call_id: str, other_carrier_call_id: str, command_id: str) -> None:
        self._tell(f"calls/{carrier_call_id}/bridge", command_id, to=other_carrier_call_id)

    def send_dtmf(self, *, carrier_call_id: str, command_id: str, digits: str) -> None:
        self._tell(f"calls/{carrier_call_id}/keys", command_id, keys=digits)

    def is_alive(self, *, carrier_call_id: str) -> bool:
        try:
            return bool(self._tell(f"calls/{carrier_call_id}/state", "")["is_alive"])
        except CarrierError as error:
            if error.reason == "call_ended":
                return False
            raise

    def _tell(self, path: str, command_id: str, **fields: str) -> dict[str, Any]:
        try:
            answer = self._http.post(f"/{path}", json={"command_id": command_id, **fields})
        except httpx2.ConnectError as error:
            raise CarrierError("The carrier could not be reached.", retryable=True, reason="unreachable") from error
        except httpx2.TransportError as error:
            raise CarrierError("The carrier did not respond.", retryable=True, reason="outcome_unknown") from error
        if answer.status_code == 404:
            raise CarrierError("There is no such call.", reason="call_ended")
        if answer.status_code >= 400:
            is_unknown = answer.status_code >= 500
            reason = "outcome_unknown" if is_unknown else "rejected"
            raise CarrierError("The carrier refused.", retryable=is_unknown, reason=reason)
        return dict(answer.json())


class BlindCarrier(SmallCarrier):
    """The same carrier without answering machine detection."""

    detects_voicemail = False
