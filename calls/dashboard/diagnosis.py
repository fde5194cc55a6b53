"""Why a call failed, or what went wrong in it: a sentence, whose fault it was, the evidence, and what to do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.utils.timezone import localtime

from billing import switch
from calls.dashboard.wording import seconds_in_words
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
    Fault.CALLEE: "The callee",
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
    """The model owed an answer at the end and stayed silent: that is why the call ended, no matter who hung up."""
    silences = case.named("dead_air")
    if not silences or case.call.voicemail_detected or case.call.transferred_at is not None:
        return None
    if case.call.transcript.filter(
        role=TranscriptEntry.Role.MODEL, spoken_at__gt=silences[-1].event_timestamp
    ).exists():
        return None
    text = "The model stopped responding and did not recover before the call ended."
    fix = "Call again. If it keeps happening, choose another model or set a backup model."
    return Diagnosis(Fault.MODEL, text, fix, list(_lines(silences))[:MAX_EVIDENCE])


# --- how it ended -----------------------------------------------------------------------------------------------------
def _busy(case: Case) -> Diagnosis:
    if case.call.direction == Direction.INBOUND:
        text = "Your limit on concurrent calls was reached, so the caller heard a busy signal."
        return Diagnosis(Fault.SETTINGS, text, "Raise the limit on the Limits page.", _told(case))
    return Diagnosis(
        Fault.CALLEE,
        "The number was busy.",
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
    text = "Nobody picked up."
    return Diagnosis(Fault.CALLEE, text, "Call again at another time of day.", _reported(case))


def _canceled(case: Case) -> Diagnosis:
    what = "the browser connected" if case.call.sandbox else "it was answered"
    if case.call.end_requested_cause == HangupCause.INSUFFICIENT_BALANCE:
        if not switch.is_on():
            text = f"We canceled the call before {what} because a spending limit was reached."
            return Diagnosis(Fault.SETTINGS, text, "Raise or remove the limit.", _told(case))
        text = f"We canceled the call before {what} because your balance or a limit was used up."
        return Diagnosis(Fault.SETTINGS, text, "Add credit or raise the limit.", _told(case))
    if case.call.end_requested_cause == HangupCause.ACCOUNT_DEACTIVATED:
        text = f"We canceled the call before {what} because the account was deactivated."
        return Diagnosis(Fault.SETTINGS, text, "Contact support.", _told(case))
    text = f"You ended the call before {what}."
    return Diagnosis(Fault.NOBODY, text, "Nothing to do.", _told(case, "hangup.requested"))


def _rejected(case: Case) -> Diagnosis:
    if case.call.direction == Direction.INBOUND:
        text = "The call was rejected before it was answered."
        return Diagnosis(
            Fault.SETTINGS, text, "Check your webhook's response and your limit of calls per caller.", _told(case)
        )
    text = "The callee or their phone company declined the call."
    return Diagnosis(
        Fault.CALLEE, text, "Call from a number the callee knows, or ask them to allow your number.", _reported(case)
    )


def _invalid_number(case: Case) -> Diagnosis:
    text = f"{case.call.to_number} cannot be reached."
    return Diagnosis(
        Fault.SETTINGS,
        text,
        "Check the number. It must start with + and the country code, without a 0 after it.",
        _reported(case),
    )


def _insufficient_balance(case: Case) -> Diagnosis:
    if case.named("limit.reached") or not switch.is_on():
        text = "A spending limit was reached."
        return Diagnosis(Fault.SETTINGS, text, "Raise or remove the limit.", _told(case))
    text = "Your balance was used up."
    return Diagnosis(Fault.SETTINGS, text, "Add credit, or turn on automatic top-ups.", _told(case))


def _max_duration(case: Case) -> Diagnosis:
    text = f"The call reached its maximum duration of {seconds_in_words(case.setting('max_call_duration'))}."
    return Diagnosis(Fault.SETTINGS, text, "If this is too short, raise “Max duration” on the agent or number.")


def _silence_timeout(case: Case) -> Diagnosis:
    text = f"Nobody said anything for {seconds_in_words(case.setting('silence_timeout'))}."
    fix = "If people need more time, raise “Silence timeout” on the agent or number."
    return Diagnosis(case.other_party, text, fix)


def _webhook_failed(case: Case) -> Diagnosis:
    if not case.deliveries:
        text = "The number is answered by your server but has no webhook URL."
        return Diagnosis(Fault.SETTINGS, text, "Add a webhook URL to the number, or let an AI agent answer it.")
    failed = [delivery for delivery in case.deliveries if delivery.status != WebhookDelivery.Status.DELIVERED]
    delivery = (failed or list(case.deliveries))[-1]
    text = f"Your server did not respond to {delivery.event_type} with an action."
    fix = 'Respond within 10 seconds with status 200 and an action, like {"action": "answer", "text": "…"}.'
    return Diagnosis(Fault.WEBHOOK, text, fix, list(_attempts([delivery])))


def _model_failed(case: Case) -> Diagnosis:
    slug = case.call.model_slug or "the model"
    if case.call.answered_at is None:
        text = f"The model {slug} is not available, so the caller heard a busy signal."
        fix = "Choose another model or add a model key for it on the agent's or number's page."
        return Diagnosis(Fault.SETTINGS, text, fix, _told(case))
    failures = case.named("model.failed")
    evidence = _told(case, "model.failed", "model.reconnected") if failures else []
    if failures and failures[-1].metadata.get("refused"):
        if case.setting("model_key_id"):
            text = f"{slug} rejected your model key."
            return Diagnosis(
                Fault.SETTINGS, text, "Test the key on the Model keys page. Its quota may be used up.", evidence
            )
        text = f"{slug} rejected our request."
        return Diagnosis(Fault.PLATFORM, text, "Choose another model until we have fixed this.", evidence)
    text = f"The connection to {slug} failed."
    fix = "Call again. If it keeps happening, choose another model or set a backup model."
    return Diagnosis(Fault.MODEL, text, fix, evidence)


def _carrier_failed(case: Case) -> Diagnosis:
    evidence = [*_told(case, "stream.failed", "stream.error"), *_reported(case)]
    streams = case.named("stream.connected", "stream.failed", "stream.restarted", "stream.reconnected")
    last = streams[-1] if streams else None
    is_ours = last is not None and (
        last.event_type == "stream.connected" or last.metadata.get("reason") in OUR_RESTARTS
    )
    if is_ours and case.call.hangup_reported_cause != HangupCause.CARRIER_FAILED:
        text = "A process on our side stopped, and the call was lost."
        return Diagnosis(
            Fault.PLATFORM, text, "Call again. You are only billed up to the moment the process stopped.", evidence
        )
    if case.call.carrier_call_id is None:
        text = "The phone network did not accept the call."
        return Diagnosis(
            Fault.CARRIER, text, "Call again. If it keeps happening, call from another of your numbers.", evidence
        )
    text = "The phone network dropped the call or its audio."
    return Diagnosis(Fault.CARRIER, text, "Call again. You are only billed for the connected time.", evidence)


def _account_deactivated(case: Case) -> Diagnosis:
    text = "We ended the call because the account was deactivated."
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
        "A process on our side stopped {}. Another one continued the conversation.",
    ),
    (
        ("stream.reconnected", "stream.error"),
        {"connection_lost", ""},
        Fault.CARRIER,
        "The carrier's audio connection broke {}. The conversation continued.",
    ),
    (
        ("model.failed", "model.reconnected"),
        set(),
        Fault.MODEL,
        "The connection to the model broke {}. The conversation continued.",
    ),
    (("dead_air",), set(), Fault.MODEL, "The model stopped responding {}. We prompted it and it continued."),
    (
        ("stream.reconnected",),  # the carrier may have been asked several times
        {"deploy"},
        Fault.NOBODY,
        "We restarted a server {} during the call. The conversation continued.",
    ),
)


# --- what went wrong although it ended as it should -------------------------------------------------------------------
def _trouble_on_the_way(case: Case) -> Diagnosis | None:
    failed = [delivery for delivery in case.deliveries if delivery.status == WebhookDelivery.Status.FAILED]
    if tools := [delivery for delivery in failed if delivery.event_type == "call.tool_call"]:
        text = f"{_times(len(tools), 'tool call')} failed. The agent was informed and continued."
        fix = 'Respond within 10 seconds with status 200 and {"result": …}. You can test tools in the agent editor.'
        return Diagnosis(Fault.WEBHOOK, text, fix, list(_attempts(tools)), is_end=False)
    if failed:
        text = f"{_times(len(failed), 'webhook')} of this call could not be delivered."
        fix = "Respond with a 2xx status within 10 seconds. You can resend the webhooks below."
        return Diagnosis(Fault.WEBHOOK, text, fix, list(_attempts(failed)), is_end=False)
    if transfers := case.named("transfer.failed"):
        return _failed_transfers(transfers)
    for names, reasons, fault, text in RECOVERED:
        found = [event for event in case.named(*names) if not reasons or event.metadata.get("reason", "") in reasons]
        if found:
            sentence = text.format(_times(len(found), "time"))
            return Diagnosis(
                fault, sentence, "Nothing to do, unless it happens often.", list(_lines(found)), is_end=False
            )
    return None


def _failed_transfers(transfers: list[CallEvent]) -> Diagnosis:
    evidence = list(_lines(transfers))
    reason = str(transfers[-1].metadata.get("reason"))
    if reason in HangupCause.values and reason != HangupCause.INSUFFICIENT_BALANCE:
        text = "The transfer recipient could not be reached. The conversation continued."
        fix = "Check the transfer number."
        fault = Fault.CARRIER if reason == HangupCause.CARRIER_FAILED else Fault.CALLEE
        return Diagnosis(fault, text, fix, evidence, is_end=False)
    text = "A transfer was refused. The conversation continued."
    if reason in {"no_destination", "webhook_failed"} or transfers[-1].source == CallEvent.Source.WEBHOOK:
        fix = 'Respond with {"result": {"transfer_to": "+14155550100"}} and an E.164 number that can be called.'
        return Diagnosis(Fault.WEBHOOK, text, fix, evidence, is_end=False)
    funds = ", and keep enough balance for its first minute" if switch.is_on() else ""
    fix = f"Transfer to a number that can be called{funds}."
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
    reports = CarrierEventRecord.objects.filter(
        carrier=case.call.carrier, carrier_call_id=case.call.carrier_call_id
    ).exclude(cause="")
    return [
        f"{localtime(record.occurred_at):%H:%M:%S} the carrier reported {record.cause}{f' ({record.detail})' if record.detail else ''}"
        for record in reports.order_by("occurred_at")[:MAX_EVIDENCE]
    ]


def _attempts(deliveries: Sequence[WebhookDelivery]) -> Iterator[str]:
    """The last attempts, as they are in the webhook log."""
    attempts = [(delivery, attempt) for delivery in deliveries for attempt in delivery.attempts.all()]
    for delivery, attempt in attempts[-MAX_EVIDENCE:]:
        answer = f"HTTP {attempt.response_status}" if attempt.response_status else "no response"
        why = f", {attempt.error_message}" if attempt.error_message else ""
        yield f"{localtime(attempt.created_at):%H:%M:%S} {delivery.event_type}: {answer} after {attempt.latency_ms} ms{why}"


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
