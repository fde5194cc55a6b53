"""Scripts of calls, which are stored between the requests for their documents.

Each function is its own short transaction.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from phone_numbers.models import CallScript, CarrierCommand

Condition = Callable[["Script"], bool]
KEPT = timedelta(days=2)
ANSWER_TIME = timedelta(seconds=5)
# Partial results arrive several times a second while the caller speaks; the document ends a second or two after the last.
PARTIAL_TIME = timedelta(seconds=5)
MAX_SAID = 200  # stored ids of pieces, so that a repeated command is spoken once

MAX_ANSWERED = 20


@dataclass(slots=True)
class Piece:
    """A text to speak, identified by `command_id`."""

    command_id: str
    text: str
    voice: str = ""
    language: str = ""


@dataclass(slots=True)
class Script:
    """The next steps of a call. Twilio fetches them as TwiML, again whenever a document has ended or we request it.

    `number` counts the documents. `saying` is what the current document speaks, since `saying_since`, and `hears` is whether it listens.
    `stream` is used once. `room` is a conference, which the call leaves only at its end. `answered` are the latest requests that got a
    document, and `document` is the last of these documents.
    """

    client_state: str = ""
    is_inbound: bool = False
    is_answered: bool = False
    is_rejected: bool = False
    is_live: bool = False
    stream: str = ""
    room: str = ""
    is_in_room: bool = False
    listens: bool = False
    language: str = ""
    is_interruptible: bool = True
    number: int = 0
    to_say: list[Piece] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    saying: list[Piece] = field(default_factory=list)
    saying_since: str = ""
    hears: bool = False
    answered: list[str] = field(default_factory=list)
    document: str = ""
    asked_at: str = ""  # when the next document was requested, by Twilio or by us from Twilio; empty once it is written
    heard_at: str = ""  # when the caller was last heard while the current document listens

    @property
    def is_being_asked(self) -> bool:
        """Whether a document is about to be written, which will then include new steps."""
        return _is_recent(self.asked_at, ANSWER_TIME)

    @property
    def is_hearing_caller(self) -> bool:
        """Whether the caller is in the middle of a sentence: another document would lose it."""
        return _is_recent(self.heard_at, PARTIAL_TIME)

    def withdraw(self, asked_at: str) -> None:
        """The request for a document that was made then has failed."""
        if self.asked_at == asked_at:
            self.asked_at = ""

    def has_answered(self, token: str) -> bool:
        """Whether a request got a document; all attempts of it share the `token`."""
        return bool(token) and token in self.answered

    @property
    def has_orders(self) -> bool:
        """Whether there is enough for a first document; texts wait for the command to listen that follows them."""
        return bool(self.stream or self.room or self.listens)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "Script":
        known = {entry.name for entry in fields(cls)}
        kept = {name: value for name, value in state.items() if name in known}
        pieces = {name: [Piece(**piece) for piece in kept.get(name, [])] for name in ("to_say", "saying")}
        return cls(**{**kept, **pieces})


def _is_recent(moment: str, span: timedelta) -> bool:
    return bool(moment) and timezone.now() - datetime.fromisoformat(moment) < span


def read(account_sid: str, call_sid: str) -> Script:
    """The call's script; an empty one if it has none."""
    row = CallScript.objects.filter(account=account_sid, carrier_call_id=call_sid).first()
    return Script.from_json(row.state) if row else Script()


def change(account_sid: str, call_sid: str, edit: Callable[[Script], None]) -> Script:
    """Edit a call's script under a lock; returns it as it is now."""
    with transaction.atomic():
        CallScript.objects.get_or_create(account=account_sid, carrier_call_id=call_sid)
        row = CallScript.objects.select_for_update().get(account=account_sid, carrier_call_id=call_sid)
        script = Script.from_json(row.state)
        edit(script)
        script.said, script.answered = script.said[-MAX_SAID:], script.answered[-MAX_ANSWERED:]
        row.state, row.changed_at = asdict(script), timezone.now()
        row.save(update_fields=["state", "changed_at"])
    return script


def prune(now: datetime | None = None) -> None:
    """A job: delete the scripts and commands of calls that ended long ago."""
    before = (now or timezone.now()) - KEPT
    CallScript.objects.filter(changed_at__lt=before).delete()
    CarrierCommand.objects.filter(created_at__lt=before).delete()
