"""Warm transfers: the recipient hears a briefing before being connected."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from calls.clock import sweeper
from calls.control import transfers
from calls.models import Transfer
from phone_numbers.carriers.carrier_events import CarrierEventType
from phone_numbers.carriers.registry import forget_carriers
from tests import carriers
from tests.calls.control.test_transfers import PERSON, after, entries, events, post, report, running_call

pytestmark = pytest.mark.django_db
BRIEFING = "Ada Lovelace calls about order 1815."


def test_the_number_and_the_briefing_are_checked() -> None:
    call = running_call()
    for body in (
        {"briefing": BRIEFING},
        {"to": PERSON, "transfer_to": PERSON},
        {"to": PERSON, "briefing": "x" * 501},
        {"to": PERSON, "briefing": 5},
    ):
        assert post(call, "transfer", body).status_code == 422, body
    assert not Transfer.objects.exists()
    assert post(call, "transfer", {"transfer_to": PERSON, "briefing": BRIEFING}).status_code == 200
    transfer = Transfer.objects.get()
    assert (transfer.to_number, transfer.briefing) == (PERSON, BRIEFING)


def test_a_leg_is_not_connected_during_its_briefing() -> None:
    call = running_call()
    post(call, "transfer", {"to": PERSON, "briefing": BRIEFING})
    leg = Transfer.objects.get()
    report(call, CarrierEventType.INITIATED, 5, leg=leg, direction="outbound")
    report(call, CarrierEventType.ANSWERED, 10, leg=leg)
    assert call.transferred_at is None
    report(call, CarrierEventType.ENDED, 14, leg=leg, cause="normal_clearing")  # hung up during the briefing
    leg.refresh_from_db()
    assert (call.status, leg.reason, leg.failed_at) == ("answered", "rejected", after(14))
    assert events(call) == ["transfer.requested", "transfer.briefing", "transfer.failed"]
    report(call, CarrierEventType.ENDED, 95, cause="normal_clearing")
    assert entries(call) == {"telephony": Decimal("0.08"), "model": Decimal("0.063")}


def test_the_second_billing_phase_starts_when_both_parties_are_connected() -> None:
    call = running_call()
    post(call, "transfer", {"to": PERSON, "briefing": BRIEFING})
    leg = Transfer.objects.get()
    report(call, CarrierEventType.ANSWERED, 10, leg=leg)
    transfers.answered(call, leg, at=after(60))  # as `_connect` does after the carrier has bridged them
    report(call, CarrierEventType.ENDED, 90, leg=leg, cause="normal_clearing")
    report(call, CarrierEventType.ENDED, 90, cause="normal_clearing")
    assert (call.status, call.hangup_cause) == ("completed", "transferred")
    assert entries(call) == {"telephony": Decimal("0.04"), "transfer": Decimal("0.05"), "model": Decimal("0.04")}


# --- a process dies between two steps ---------------------------------------------------------------------------------
class Commands:
    """A carrier that records commands, and refuses those named in `refused`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []  # (command, its ID)
        self.refused: set[str] = set()
        recorded = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = self.path.rpartition("/")[2]
                recorded.taken.append((name, body["command_id"]))
                status = 422 if name in recorded.refused else 200
                answer = (
                    {"errors": [{"code": "90018", "title": "ended"}]} if status == 422 else {"data": {"result": "ok"}}
                )
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def names(self) -> list[str]:
        return [name for name, _ in self.taken]


@pytest.fixture
def carrier(settings: Any) -> Iterator[Commands]:
    commands = Commands()
    base_url = f"http://127.0.0.1:{commands.server.server_port}/v2"
    carriers.configure(settings, {"api_key": "KEY", "base_url": base_url})
    yield commands
    forget_carriers()
    commands.server.shutdown()
    commands.server.server_close()


def answered_leg() -> Transfer:
    """The recipient has answered. What should follow was lost with its process: nothing is committed in a test."""
    call = running_call()
    post(call, "transfer", {"to": PERSON, "briefing": BRIEFING})
    leg = Transfer.objects.get()
    Transfer.objects.update(sent_at=timezone.now())
    report(call, CarrierEventType.ANSWERED, 10, leg=leg)
    return leg


def sweep(seconds: float) -> None:
    sweeper.resume_briefings(timezone.now() + timedelta(seconds=seconds))


def test_a_lost_briefing_is_repeated_with_the_same_id(carrier: Commands) -> None:
    answered_leg()
    sweep(3)
    assert carrier.taken == []
    sweep(6)
    sweep(8)
    assert carrier.names() == ["speak", "speak"]
    assert len(set(carrier.taken)) == 1  # the carrier drops the repeat


@pytest.mark.parametrize("kind", [CarrierEventType.SPEAK_STARTED, CarrierEventType.SPEAK_ENDED])
def test_a_briefing_that_was_spoken_is_not_repeated(carrier: Commands, kind: CarrierEventType) -> None:
    leg = answered_leg()
    report(leg.call, kind, 11, leg=leg, detail="call_hangup" if kind == CarrierEventType.SPEAK_ENDED else "")
    sweep(60)
    assert carrier.taken == []


def test_a_lost_bridge_command_is_sent_after_the_briefing(carrier: Commands) -> None:
    leg = answered_leg()
    report(leg.call, CarrierEventType.SPEAK_STARTED, 11, leg=leg)
    report(leg.call, CarrierEventType.SPEAK_ENDED, 14, leg=leg, detail="completed")
    sweep(6)
    leg.refresh_from_db()
    assert (carrier.names(), leg.answered_at is not None) == (["bridge"], True)
    sweep(8)
    assert carrier.names() == ["bridge"]


@pytest.mark.parametrize(("is_briefed", "command"), [(False, "speak"), (True, "bridge")])
def test_a_command_that_the_carrier_refuses_fails_the_transfer(
    carrier: Commands, is_briefed: bool, command: str
) -> None:
    carrier.refused.add(command)
    leg = answered_leg()
    if is_briefed:
        report(leg.call, CarrierEventType.SPEAK_ENDED, 14, leg=leg, detail="completed")
    sweep(6)
    leg.refresh_from_db()
    assert (carrier.names()[0], leg.reason, leg.answered_at) == (command, "carrier_failed", None)
    assert events(leg.call)[-1] == "transfer.failed"
