"""Why a call failed, or what went wrong in it: a sentence, whose fault it was, the evidence, and what to do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.utils.timezone import localtime

from calls.models import Call, CallEvent, CarrierEventRecord, Direction, HangupCause, TranscriptEntry
from webhooks.models import WebhookDelivery

MAX_EVIDENCE = 5


class Fault(StrEnum):
    """Whose fault it was."""

    CALLER = "caller"
    CALLEE = "callee"
    CARRIER = "carrier"
    MODEL = "model"
    WEBHOOK = "your_webhook"
    SETTINGS = "your_settings"
    PLATFORM = "us"
    NOBODY = "nobody"

    @property
    def words(self) -> str:
        """How a reader is told."""
        return FAULT_WORDS[self]


FAULT_WORDS = {
    Fault.CALLER: "The caller",
    Fault.CALLEE: "The person called",
    Fault.CARRIER: "The carrier",
    Fault.MODEL: "The model",
    Fault.WEBHOOK: "Your webhook",
    Fault.SETTINGS: "Your settings",
    Fault.PLATFORM: "BubblyPhone",
    Fault.NOBODY: "Nobody",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`is_end`: it is why the call ended or never began; else the call went on in spite of it."""

    fault: Fault
    sentence: str
    fix: str
    evidence: list[str] = field(default_factory=list)
    is_end: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a call, oldest first."""

    call: Call
    events: Sequence[CallEvent]
    deliveries: Sequence[WebhookDelivery]

    def named(self, *names: str) -> list[CallEvent]:
        return [event for event in self.events if event.event_type in names]

    @property
    def other_party(self) -> Fault:
        return Fault.CALLER if self.call.direction == Direction.INBOUND else Fault.CALLEE

    def setting(self, name: str) -> object:
        return self.call.config.get(name, {}).get("value")


def diagnose(call: Call, events: Sequence[CallEvent], deliveries: Sequence[WebhookDelivery]) -> Diagnosis | None:
    """None for a running call, and if nothing went wrong."""
    if not call.is_over:
        return None
    case = Case(call, events, deliveries)
    if call.hangup_cause in ENDED_BY_SOMEBODY and (silent := _silent_model(case)):
        return silent
    explain = ENDINGS.get(call.hangup_cause)
    return explain(case) if explain else _trouble_on_the_way(case)


def _silent_model(case: Case) -> Diagnosis | None:
    """The model owed an answer at the end and stayed silent: that is why the call ended, whoever hung up."""
    silences = case.named("dead_air")
    if not silences or case.call.voicemail_detected or case.call.transferred_at is not None:
        return None
    if case.call.transcript.filter(
        role=TranscriptEntry.Role.MODEL, spoken_at__gt=silences[-1].event_timestamp
    ).exists():
        return None
    text = "The model did not answer until the call ended."
    fix = "Call again. If it continues, choose another model or set a fallback model."
    return Diagnosis(Fault.MODEL, text, fix, list(_lines(silences))[:MAX_EVIDENCE])


# --- how it ended -----------------------------------------------------------------------------------------------------
def _busy(case: Case) -> Diagnosis:
    if case.call.direction == Direction.INBOUND:
        text = "You have as many calls at the same time as your own limit allows, so the caller heard the busy tone."
        return Diagnosis(Fault.SETTINGS, text, "Raise the limit on the billing page.", _told(case))
    return Diagnosis(
        Fault.CALLEE,
        "The number that was called was busy with another call.",
        "Call again later.",
        _reported(case),
    )


def _no_answer(case: Case) -> Diagnosis:
    if case.call.sandbox:
        text = "The browser never connected."
        fix = "Allow the microphone, and connect to `ws_url` within 30 seconds of starting the call."
        return Diagnosis(Fault.CALLER, text, fix)
    if case.call.direction == Direction.INBOUND:
        text = "The caller hung up before the call was answered."
        return Diagnosis(Fault.CALLER, text, "Nothing to do.")
    text = "Nobody picked up before the ringing ended."
    return Diagnosis(Fault.CALLEE, text, "Call again at another time of day.", _reported(case))


def _canceled(case: Case) -> Diagnosis:
    what = "the browser connected" if case.call.sandbox else "it was answered"
    if case.call.end_requested_cause == HangupCause.INSUFFICIENT_BALANCE:
        text = f"We canceled the call before {what}, because your balance or a limit of yours was used up."
        return Diagnosis(Fault.SETTINGS, text, "Add credit, or raise the limit.", _told(case))
    if case.call.end_requested_cause == HangupCause.ACCOUNT_DEACTIVATED:
        text = f"We canceled the call before {what}, because the account was deactivated."
        return Diagnosis(Fault.SETTINGS, text, "Contact support.", _told(case))
    text = f"The call was hung up from your side before {what}."
    return Diagnosis(Fault.NOBODY, text, "Nothing to do.", _told(case, "hangup.requested"))


def _rejected(case: Case) -> Diagnosis:
    if case.call.direction == Direction.INBOUND:
        text = "The call was turned away before it was answered."
        return Diagnosis(
            Fault.SETTINGS, text, "Look at your webhook's answer, or at your limits per caller.", _told(case)
        )
    text = "The person called, or their phone company, declined the call."
    return Diagnosis(
        Fault.CALLEE, text, "Call from a number that they know, or ask them to let it through.", _reported(case)
    )


def _invalid_number(case: Case) -> Diagnosis:
    text = f"{case.call.to_number} is not a number that can be reached."
    return Diagnosis(
        Fault.SETTINGS, text, "Check the number: + and country code, without a 0 after it.", _reported(case)
    )


def _insufficient_balance(case: Case) -> Diagnosis:
    if case.named("limit.reached"):
        text = "A spending limit was reached."
        return Diagnosis(Fault.SETTINGS, text, "Raise the limit that is named here, or take it away.", _told(case))
    text = "Your balance was used up."
    return Diagnosis(Fault.SETTINGS, text, "Add credit, or switch on auto top-up.", _told(case))


def _max_duration(case: Case) -> Diagnosis:
    text = f"The call reached its longest duration, {case.setting('max_call_duration')} seconds."
    return Diagnosis(Fault.SETTINGS, text, "Raise “Longest call” of the agent or the number, if that is too short.")


def _silence_timeout(case: Case) -> Diagnosis:
    text = f"Nobody said anything for {case.setting('silence_timeout')} seconds."
    fix = "If people need longer to think, raise “Silence limit” of the agent or the number."
    return Diagnosis(case.other_party, text, fix)


def _webhook_failed(case: Case) -> Diagnosis:
    if not case.deliveries:
        text = "The number is in webhook mode but had no webhook URL, so nobody could say what to do with the call."
        return Diagnosis(Fault.SETTINGS, text, "Give the number a webhook URL, or let an AI model answer it.")
    failed = [delivery for delivery in case.deliveries if delivery.status != WebhookDelivery.Status.DELIVERED]
    delivery = (failed or list(case.deliveries))[-1]
    text = f"Your server did not say what to do when it was sent {delivery.event_type}."
    fix = 'Answer within 10 seconds with status 200 and an action such as {"action": "answer", "text": "…"}.'
    return Diagnosis(Fault.WEBHOOK, text, fix, list(_attempts([delivery])))


def _model_failed(case: Case) -> Diagnosis:
    slug = case.call.model_slug or "the model"
    if case.call.answered_at is None:
        text = f"No call could use {slug}, so the caller heard the busy tone."
        fix = "Choose another model, or add a model key for it, on the agent's or the number's page."
        return Diagnosis(Fault.SETTINGS, text, fix, _told(case))
    failures = case.named("model.failed")
    evidence = _told(case, "model.failed", "model.reconnected") if failures else []
    if failures and failures[-1].metadata.get("refused"):
        if case.setting("model_key_id"):
            text = f"{slug} refused the call with your model key."
            return Diagnosis(
                Fault.SETTINGS, text, "Test the key on the page “Model keys”. Its quota may be used up.", evidence
            )
        text = f"{slug} refused our request."
        return Diagnosis(Fault.PLATFORM, text, "Choose another model until we have fixed this.", evidence)
    text = f"The connection to {slug} failed."
    fix = "Call again. If it continues, choose another model or set a fallback model."
    return Diagnosis(Fault.MODEL, text, fix, evidence)


def _carrier_failed(case: Case) -> Diagnosis:
    evidence = [*_told(case, "stream.failed", "stream.error"), *_reported(case)]
    streams = case.named("stream.connected", "stream.failed", "stream.restarted", "stream.reconnected")
    last = streams[-1] if streams else None
    is_ours = last is not None and (
        last.event_type == "stream.connected" or last.metadata.get("reason") in OUR_RESTARTS
    )
    if is_ours and case.call.hangup_reported_cause != HangupCause.CARRIER_FAILED:
        text = "We lost the call: the process that held the conversation went away, and the call was hung up."
        return Diagnosis(Fault.PLATFORM, text, "Call again. You are billed up to the last sign of life only.", evidence)
    if case.call.carrier_call_id is None:
        text = "The phone network did not take the call."
        return Diagnosis(Fault.CARRIER, text, "Call again; if it goes on, try another number of yours.", evidence)
    text = "The phone network dropped the call or its audio."
    return Diagnosis(Fault.CARRIER, text, "Call again. What was not carried is not billed.", evidence)


def _account_deactivated(case: Case) -> Diagnosis:
    text = "The account was deactivated while the call was running, so we ended the call."
    return Diagnosis(Fault.SETTINGS, text, "Contact support.", _told(case))


ENDINGS: dict[str, Callable[[Case], Diagnosis]] = {
    HangupCause.BUSY: _busy,
    HangupCause.NO_ANSWER: _no_answer,
    HangupCause.REJECTED: _rejected,
    HangupCause.INVALID_NUMBER: _invalid_number,
    HangupCause.INSUFFICIENT_BALANCE: _insufficient_balance,
    HangupCause.MAX_DURATION: _max_duration,
    HangupCause.SILENCE_TIMEOUT: _silence_timeout,
    HangupCause.WEBHOOK_FAILED: _webhook_failed,
    HangupCause.MODEL_FAILED: _model_failed,
    HangupCause.CARRIER_FAILED: _carrier_failed,
    HangupCause.CANCELED: _canceled,
    HangupCause.ACCOUNT_DEACTIVATED: _account_deactivated,
}


# Ends that may have another reason than the one they are named by.
ENDED_BY_SOMEBODY = {HangupCause.NORMAL_CLEARING, HangupCause.SILENCE_TIMEOUT, HangupCause.MAX_DURATION}
# Reasons of `stream.restarted` that are not the carrier's fault.
OUR_RESTARTS = {"deploy", "session_lost"}
# What the call recovered from: events, and their reasons (none: any), whose fault, in words.
RECOVERED: tuple[tuple[tuple[str, ...], set[str], Fault, str], ...] = (
    (
        ("stream.reconnected",),
        {"session_lost"},
        Fault.PLATFORM,
        "A process of ours stopped {}; another one went on with the conversation.",
    ),
    (
        ("stream.reconnected", "stream.error"),
        {"connection_lost", ""},
        Fault.CARRIER,
        "The carrier's audio connection broke {}; the conversation went on.",
    ),
    (
        ("model.failed", "model.reconnected"),
        set(),
        Fault.MODEL,
        "The connection to the model broke {}; the conversation went on.",
    ),
    (("dead_air",), set(), Fault.MODEL, "The model fell silent {} when it should have answered; it was made to go on."),
    (
        ("stream.reconnected",),  # the carrier may have been asked several times
        {"deploy"},
        Fault.NOBODY,
        "We restarted a server {} during the call; the conversation went on.",
    ),
)


# --- what went wrong although it ended as it should -------------------------------------------------------------------
def _trouble_on_the_way(case: Case) -> Diagnosis | None:
    failed = [delivery for delivery in case.deliveries if delivery.status == WebhookDelivery.Status.FAILED]
    if tools := [delivery for delivery in failed if delivery.event_type == "call.tool_call"]:
        text = f"{_times(len(tools), 'tool call')} got no usable answer; the agent was told so and went on."
        fix = 'Answer within 10 seconds with status 200 and {"result": …}. The agent editor can try a tool.'
        return Diagnosis(Fault.WEBHOOK, text, fix, list(_attempts(tools)), is_end=False)
    if failed:
        text = f"{_times(len(failed), 'webhook')} about this call could not be delivered."
        fix = "Have your server answer with a status of 200 to 299 within 10 seconds, then send them again below."
        return Diagnosis(Fault.WEBHOOK, text, fix, list(_attempts(failed)), is_end=False)
    if transfers := case.named("transfer.failed"):
        return _failed_transfers(transfers)
    for names, reasons, fault, text in RECOVERED:
        found = [event for event in case.named(*names) if not reasons or event.metadata.get("reason", "") in reasons]
        if found:
            sentence = text.format(_times(len(found), "time"))
            return Diagnosis(fault, sentence, "Nothing, unless it happens often.", list(_lines(found)), is_end=False)
    return None


def _failed_transfers(transfers: list[CallEvent]) -> Diagnosis:
    evidence = list(_lines(transfers))
    reason = str(transfers[-1].metadata.get("reason"))
    if reason in HangupCause.values and reason != HangupCause.INSUFFICIENT_BALANCE:
        text = "The person to transfer the call to was not reached; the conversation went on."
        fix = "Check the transfer number, or call it yourself."
        fault = Fault.CARRIER if reason == HangupCause.CARRIER_FAILED else Fault.CALLEE
        return Diagnosis(fault, text, fix, evidence, is_end=False)
    text = "A transfer was refused; the conversation went on."
    if reason in {"no_destination", "webhook_failed"} or transfers[-1].source == CallEvent.Source.WEBHOOK:
        fix = 'Respond with {"result": {"transfer_to": "+14155550100"}} and a number in E.164 that can be called.'
        return Diagnosis(Fault.WEBHOOK, text, fix, evidence, is_end=False)
    fix = "Transfer to a number that can be called, and keep enough balance for its first minute."
    return Diagnosis(Fault.SETTINGS, text, fix, evidence, is_end=False)


# --- evidence ---------------------------------------------------------------------------------------------------------
def _told(case: Case, *names: str) -> list[str]:
    """The moments of those names, else all that give a reason."""
    events = case.named(*names) if names else [event for event in case.events if event.metadata.get("reason")]
    return list(_lines(events))[:MAX_EVIDENCE]


def _lines(events: Sequence[CallEvent]) -> Iterator[str]:
    for event in events:
        why = event.metadata.get("detail") or event.metadata.get("reason") or ""
        yield f"{localtime(event.event_timestamp):%H:%M:%S} {event.event_type}{f': {why}' if why else ''}"


def _reported(case: Case) -> list[str]:
    """What the carrier said of the end."""
    if case.call.carrier_call_id is None:
        return []
    records = CarrierEventRecord.objects.filter(carrier_call_id=case.call.carrier_call_id).exclude(cause="")
    return [
        f"{localtime(record.occurred_at):%H:%M:%S} the carrier reported {record.cause}{f' ({record.detail})' if record.detail else ''}"
        for record in records.order_by("occurred_at")[:MAX_EVIDENCE]
    ]


def _attempts(deliveries: Sequence[WebhookDelivery]) -> Iterator[str]:
    """The last attempts, as they are in the webhook log."""
    attempts = [(delivery, attempt) for delivery in deliveries for attempt in delivery.attempts.all()]
    for delivery, attempt in attempts[-MAX_EVIDENCE:]:
        answer = f"HTTP {attempt.response_status}" if attempt.response_status else "no answer"
        why = f", {attempt.error_message}" if attempt.error_message else ""
        yield f"{localtime(attempt.created_at):%H:%M:%S} {delivery.event_type}: {answer} after {attempt.latency_ms} ms{why}"


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
