"""Speech with the carrier's voice, and the carrier's reports of what the caller said.

In webhook mode the carrier's voice speaks; a streaming call has a single voice, its model's. Call functions that take a locked call in
its transaction; the carrier is notified after the commit. Command ids derive from rows, so a repeated command runs once.
"""

import logging
import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from calls import timeline
from calls.control import commands, session_messages
from calls.control.session_messages import Speak
from calls.models import Call, CallStatus, Utterance
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import Speech
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.registry import get_carrier
from phone_numbers.models import CallMode

logger = logging.getLogger(__name__)
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
CUT_OFF = "call_hangup"  # how a carrier says that it fell silent because the call ended
# Where to cut a sentence that is too long on its own: at the last of these that fits.
PAUSES = (re.compile(r"(?<=[;:,–—])\s|(?<=[；：，、])"), re.compile(r"\s"))


# --- speaking ---------------------------------------------------------------------------------------------------------
def say(call: Call, text: str, *, key: str) -> None:
    """Speak a text: now, or as soon as the call is answered. Once per `key`. The row is locked."""
    _, is_new = Utterance.objects.get_or_create(key=key, defaults={"call": call, "text": text})
    if is_new and call.status == CallStatus.ANSWERED:
        commands.after_commit(send_waiting, call.pk)


def send_waiting(call_id: int) -> None:
    """Send the carrier all waiting texts, in order. The sweeper retries those it cannot accept now."""
    call = Call.objects.get(pk=call_id)
    for utterance in _waiting(call):
        if call.mode == CallMode.STREAMING:
            if not session_messages.ask_session(call_id, Speak(utterance.text)):
                return
            _hand_over([utterance])
            continue
        began = timezone.now()
        try:
            pieces = _send(call, utterance)
        except CarrierError as error:
            if not _is_refused(call, "speak.failed", error):
                return
            Utterance.objects.filter(pk=utterance.pk).update(ended_at=timezone.now())
        else:
            note_sent(call, utterance, pieces, at=began)


def take_waiting(call: Call) -> tuple[str, ...]:
    """Texts waiting since before a streaming call was answered, for its session to say; returned once."""
    with transaction.atomic():
        waiting = list(_waiting(call).select_for_update())
        _hand_over(waiting)
    return tuple(utterance.text for utterance in waiting)


def _waiting(call: Call) -> QuerySet[Utterance]:
    return Utterance.objects.filter(call=call, sent_at=None, ended_at=None)


def _hand_over(utterances: list[Utterance]) -> None:
    """The model has received them; what it says is in its own transcript."""
    now = timezone.now()
    Utterance.objects.filter(pk__in=[utterance.pk for utterance in utterances]).update(sent_at=now, ended_at=now)


def _is_refused(call: Call, event_type: str, error: CarrierError) -> bool:
    """Record that the carrier refuses a command. False if it may accept it later."""
    logger.warning("The carrier could not speak and listen: %s", error, extra={"call_id": call.pk})
    if error.retryable or error.reason == "not_answered":
        return False
    if error.reason != "call_ended":
        timeline.add_event(call.pk, event_type, "telephony", reason=str(error)[:200])
    return True


def _send(call: Call, utterance: Utterance) -> int:
    """The number of pieces."""
    carrier = get_carrier(call, Speech)
    pieces = list(split_text(utterance.text, carrier.max_speech_characters))
    for number, piece in enumerate(pieces):
        carrier.speak(
            carrier_call_id=call.carrier_call_id or "",
            command_id=commands.command_id(call, f"speak:{utterance.pk}:{number}"),
            text=piece,
            voice=call.settings.voice,
            language=call.settings.language,
        )
    return len(pieces)


def note_sent(call: Call, utterance: Utterance, pieces: int, *, at: datetime) -> None:
    with transaction.atomic():
        unsent = Utterance.objects.filter(pk=utterance.pk, sent_at=None)
        if unsent.update(sent_at=at, pieces_to_come=pieces):
            timeline.add_transcript(call.pk, "model", utterance.text, at=at, item_id=_item_id(utterance))


def split_text(text: str, limit: int) -> Iterator[str]:
    """Pieces of at most `limit` characters that end with a sentence, or with a clause or word if a sentence is too long."""
    piece = ""
    for sentence in SENTENCE_END.split(text.strip()):
        for part in _cut(sentence, limit):
            if piece and len(piece) + 1 + len(part) > limit:
                yield piece
                piece = ""
            piece = f"{piece} {part}" if piece else part
    if piece:
        yield piece


def _cut(sentence: str, limit: int) -> Iterator[str]:
    while len(sentence) > limit:
        ends = (max((found.start() for found in pause.finditer(sentence, 1, limit + 1)), default=0) for pause in PAUSES)
        end = next(filter(None, ends), limit)
        yield sentence[:end]
        sentence = sentence[end:].lstrip()
    if sentence:
        yield sentence


def _item_id(utterance: Utterance) -> str:
    return f"utterance:{utterance.pk}"


def _being_said(call: Call, at: datetime) -> QuerySet[Utterance]:
    """Texts being spoken or waiting at that time, oldest first. A late report does not concern later texts."""
    return Utterance.objects.filter(call=call, sent_at__lte=at, ended_at=None)


def cut_off(call: Call, at: datetime) -> bool:
    """The carrier's voice stops before it has said everything; returns whether anything was pending.

    For the current utterance we know how long it was heard, but not how much of its text; later ones were not heard.
    """
    speaking = _being_said(call, at)
    stopped = list(speaking)
    if not stopped:
        return False
    speaking.update(ended_at=at)
    heard_ms = _milliseconds_heard(call, stopped[0], at)
    for utterance in stopped:
        timeline.mark_interrupted(call.pk, _item_id(utterance), heard_ms)
        heard_ms = 0
    return True


def _milliseconds_heard(call: Call, utterance: Utterance, at: datetime) -> int | None:
    """For the current utterance; None if the carrier has not reported its start."""
    before = call.utterances.filter(pk__lt=utterance.pk).aggregate(Max("ended_at"))["ended_at__max"]
    since = max(filter(None, (utterance.sent_at, before)))
    begun = call.events.filter(event_type="speak.started", event_timestamp__gte=since, event_timestamp__lte=at)
    started_at = begun.aggregate(Min("event_timestamp"))["event_timestamp__min"]
    return None if started_at is None else int((at - started_at).total_seconds() * 1000)


def on_speak_started(call: Call, event: CarrierEvent) -> None:
    timeline.add_event(call.pk, "speak.started", "telephony", at=event.occurred_at)


def on_speak_ended(call: Call, event: CarrierEvent) -> None:
    """The carrier speaks texts in order: a piece of the oldest unfinished utterance was spoken.

    If it ended because the call did, `cut_off` handles it.
    """
    timeline.add_event(call.pk, "speak.ended", "telephony", at=event.occurred_at)
    if event.detail == CUT_OFF:
        return
    at = event.occurred_at
    waiting = Utterance.objects.filter(call=call, sent_at__lte=at, pieces_to_come__gt=0)
    # After the end of a call, `cut_off` has ended the unreported ones.
    utterance = waiting.filter(ended_at__gte=at).first() if call.is_over else waiting.filter(ended_at=None).first()
    if utterance is None:
        return
    utterance.pieces_to_come -= 1
    if utterance.pieces_to_come == 0:
        utterance.ended_at = at
        timeline.mark_complete(call.pk, _item_id(utterance))
    utterance.save(update_fields=["pieces_to_come", "ended_at"])


# --- listening --------------------------------------------------------------------------------------------------------
def begin_after_commit(call: Call) -> None:
    """The call was answered: speak the waiting texts and, in webhook mode, start transcribing the caller."""
    commands.after_commit(send_waiting, call.pk)
    if call.mode == CallMode.WEBHOOK:
        commands.after_commit(listen, call)


def listen(call: Call) -> None:
    """Start the carrier's transcription; if the command is lost, the sweeper sends it again."""
    try:
        get_carrier(call, Speech).start_transcription(
            carrier_call_id=call.carrier_call_id or "",
            command_id=commands.command_id(call, "transcription"),
            language=call.settings.language,
            interim=call.settings.interruptible,
        )
    except CarrierError as error:
        if not _is_refused(call, "listening.failed", error):
            return
    Call.objects.filter(pk=call.pk, listening_since=None).update(listening_since=timezone.now())


def stop_listening(call: Call) -> None:
    """From now on the caller talks to someone else, which must not be transcribed."""
    try:
        get_carrier(call, Speech).stop_transcription(
            carrier_call_id=call.carrier_call_id or "", command_id=commands.command_id(call, "transcription-stop")
        )
    except CarrierError as error:
        logger.warning("The carrier could not stop transcribing: %s", error, extra={"call_id": call.pk})


def on_caller_speaks(call: Call, event: CarrierEvent) -> None:
    """Barge-in: stop speaking, if the number allows interruptions."""
    if call.is_over or not call.settings.interruptible:
        return
    if cut_off(call, event.occurred_at):
        timeline.add_event(call.pk, "speak.interrupted", "telephony", at=event.occurred_at)
        transaction.on_commit(partial(_stop_speaking, call, event.event_id), robust=True)


def _stop_speaking(call: Call, event_id: str) -> None:
    """If the carrier takes commands in responses, before the response to the report: otherwise it could speak the dropped texts."""
    carrier = get_carrier(call, Speech)
    stop = partial(
        carrier.stop_speaking,
        carrier_call_id=call.carrier_call_id or "",
        command_id=commands.command_id(call, f"stop:{event_id}"),
    )
    if carrier.stops_in_response:
        stop()
    else:
        commands.in_thread(stop)


def on_transcription(call: Call, event: CarrierEvent) -> None:
    """The caller said something: send it to the developer, whose response says how to continue."""
    text = event.detail.strip()
    if not text or call.mode != CallMode.WEBHOOK or call.connect_to:
        return
    if call.transferred_at is not None and event.occurred_at > call.transferred_at:
        return
    if call.is_over or call.transferred_at is not None:
        # The last words may arrive after the end, when nobody can answer them.
        timeline.add_transcript(call.pk, "user", text, at=event.occurred_at)
        return
    on_caller_speaks(call, event)
    if not call.speech_transcribed:
        call.speech_transcribed = True
        call.save(update_fields=["speech_transcribed"])
    timeline.add_transcript(call.pk, "user", text, at=event.occurred_at)
    timeline.notify(call, "call.speech", at=event.occurred_at, wants_reply=True, text=text)
