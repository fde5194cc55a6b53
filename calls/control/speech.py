"""What developers have said in a call, and what the carrier reports that the caller said. In webhook mode the carrier's voice
speaks; a streaming call has one voice, its model's.

Functions that take a locked call belong into its transaction; the carrier is told after the commit. Command ids are made of rows,
so that a command given again is obeyed once.
"""

import logging
import re
from collections.abc import Iterator
from datetime import datetime

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
    """Have a text said: now, or as soon as the call is answered. Once for each `key`. The row is locked."""
    _, is_new = Utterance.objects.get_or_create(key=key, defaults={"call": call, "text": text})
    if is_new and call.status == CallStatus.ANSWERED:
        commands.after_commit(send_waiting, call.pk)


def send_waiting(call_id: int) -> None:
    """Give the carrier all that is still to be said, in its order. What it cannot take now is tried again by the sweeper."""
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
    """What was to be said before a streaming call was answered, for its session to say: given once."""
    with transaction.atomic():
        waiting = list(_waiting(call).select_for_update())
        _hand_over(waiting)
    return tuple(utterance.text for utterance in waiting)


def _waiting(call: Call) -> QuerySet[Utterance]:
    return Utterance.objects.filter(call=call, sent_at=None, ended_at=None)


def _hand_over(utterances: list[Utterance]) -> None:
    """The model has them: what it makes of them is in its own transcript."""
    now = timezone.now()
    Utterance.objects.filter(pk__in=[utterance.pk for utterance in utterances]).update(sent_at=now, ended_at=now)


def _is_refused(call: Call, event_type: str, error: CarrierError) -> bool:
    """Write down that the carrier will not do as it was told. False when it may do so later."""
    logger.warning("The carrier could not speak and listen: %s", error, extra={"call_id": call.pk})
    if error.retryable or error.reason == "not_answered":
        return False
    if error.reason != "call_ended":
        timeline.add_event(call.pk, event_type, "telephony", reason=str(error)[:200])
    return True


def _send(call: Call, utterance: Utterance) -> int:
    """In how many pieces."""
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
    """Pieces of at most `limit` characters that end where a sentence does; a clause or a word, if it is too long on its own."""
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
    """What was being said, or waited to be, at that moment, the oldest first. A late report is not about what came after it."""
    return Utterance.objects.filter(call=call, sent_at__lte=at, ended_at=None)


def cut_off(call: Call, at: datetime) -> bool:
    """The carrier's voice falls silent before it has said everything; whether there was something to say.

    Of the utterance under way it is known how long it was heard, not how much of its text; of those behind it nothing was.
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
    """Of the utterance under way; None where the carrier has not reported its beginning."""
    before = call.utterances.filter(pk__lt=utterance.pk).aggregate(Max("ended_at"))["ended_at__max"]
    since = max(filter(None, (utterance.sent_at, before)))
    begun = call.events.filter(event_type="speak.started", event_timestamp__gte=since, event_timestamp__lte=at)
    started_at = begun.aggregate(Min("event_timestamp"))["event_timestamp__min"]
    return None if started_at is None else int((at - started_at).total_seconds() * 1000)


def on_speak_started(call: Call, event: CarrierEvent) -> None:
    timeline.add_event(call.pk, "speak.started", "telephony", at=event.occurred_at)


def on_speak_ended(call: Call, event: CarrierEvent) -> None:
    """The carrier says what it is given in its order: a piece of the oldest utterance that is not over has been said.

    One that ends because the call does is left to `cut_off`.
    """
    timeline.add_event(call.pk, "speak.ended", "telephony", at=event.occurred_at)
    if event.detail == CUT_OFF:
        return
    at = event.occurred_at
    waiting = Utterance.objects.filter(call=call, sent_at__lte=at, pieces_to_come__gt=0)
    # Of a call that is over, `cut_off` has ended what it had no report of.
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
    """The call is answered: say what waits to be said and, in webhook mode, have the caller's speech written down."""
    commands.after_commit(send_waiting, call.pk)
    if call.mode == CallMode.WEBHOOK:
        commands.after_commit(listen, call)


def listen(call: Call) -> None:
    """Start the carrier's transcription; a command that is lost is given again by the sweeper."""
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
    """The caller talks to somebody else from now on, which is nobody's business."""
    try:
        get_carrier(call, Speech).stop_transcription(
            carrier_call_id=call.carrier_call_id or "", command_id=commands.command_id(call, "transcription-stop")
        )
    except CarrierError as error:
        logger.warning("The carrier could not stop transcribing: %s", error, extra={"call_id": call.pk})


def on_caller_speaks(call: Call, event: CarrierEvent) -> None:
    """Who is talked over falls silent, where the number has it so."""
    if call.is_over or not call.settings.interruptible:
        return
    if cut_off(call, event.occurred_at):
        timeline.add_event(call.pk, "speak.interrupted", "telephony", at=event.occurred_at)
        commands.after_commit(_stop_speaking, call, event.event_id)


def _stop_speaking(call: Call, event_id: str) -> None:
    get_carrier(call, Speech).stop_speaking(
        carrier_call_id=call.carrier_call_id or "", command_id=commands.command_id(call, f"stop:{event_id}")
    )


def on_transcription(call: Call, event: CarrierEvent) -> None:
    """The caller has said something: send it to the developer, whose response says how to continue."""
    text = event.detail.strip()
    if not text or call.mode != CallMode.WEBHOOK or call.connect_to:
        return
    if call.transferred_at is not None and event.occurred_at > call.transferred_at:
        return
    if call.is_over or call.transferred_at is not None:
        # The last words may be known only after the end: nobody can answer them any more.
        timeline.add_transcript(call.pk, "user", text, at=event.occurred_at)
        return
    on_caller_speaks(call, event)
    if not call.speech_transcribed:
        call.speech_transcribed = True
        call.save(update_fields=["speech_transcribed"])
    timeline.add_transcript(call.pk, "user", text, at=event.occurred_at)
    timeline.notify(call, "call.speech", at=event.occurred_at, wants_reply=True, text=text)
