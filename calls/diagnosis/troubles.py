"""Explains problems in a call that ended normally, and problems that ended it regardless of its hangup cause."""

from billing import billing_switch
from calls.diagnosis.case import MAX_EVIDENCE, Case, Diagnosis, Fault, attempts, lines, page_url, times
from calls.models import CallEvent, HangupCause, TranscriptEntry
from webhooks.models import WebhookDelivery

# Problems that the call recovered from: events, their reasons (none: any), whose fault, in words.
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

# By the reason of `lookup.failed`; other reasons are limits of the account.
LOOKUP_FAILURES: dict[str, tuple[Fault, str]] = {
    "timeout": (Fault.WEBHOOK, "Respond to the lookup within 2 seconds. You can test it where the lookup URL is set."),
    "unreachable": (
        Fault.WEBHOOK,
        "Check that the server at the lookup URL is running and reachable from the Internet.",
    ),
    "bad_response": (Fault.WEBHOOK, "Respond with status 200 and a JSON object of at most 64 KiB, without a redirect."),
    "malformed": (Fault.WEBHOOK, "Correct what your server responds. You can test it where the lookup URL is set."),
    "too_many_lookups": (Fault.WEBHOOK, "Respond to lookups faster, or limit the calls that come in at the same time."),
    "model_unavailable": (Fault.SETTINGS, "Respond with another `agent_id`, or change the model of that agent."),
    "unsigned": (Fault.PLATFORM, "Rotate the number's signing secret, or contact support."),
    "process_ended": (Fault.PLATFORM, "Nothing to do, unless it happens often."),
}


def silent_model(case: Case) -> Diagnosis | None:
    """The model owed an answer at the end and stayed silent: this ended the call, no matter who hung up."""
    silences = case.named("dead_air")
    if not silences or case.call.voicemail_detected or case.call.transferred_at is not None:
        return None
    if case.call.transcript.filter(
        role=TranscriptEntry.Role.MODEL, spoken_at__gt=silences[-1].event_timestamp
    ).exists():
        return None
    text = "The model stopped responding and did not recover before the call ended."
    fix = "Call again. If it keeps happening, choose another model or set a backup model."
    return Diagnosis(Fault.MODEL, text, fix, list(lines(silences))[:MAX_EVIDENCE], case.configuration_page)


def on_the_way(case: Case) -> Diagnosis | None:
    """Problems that the call continued in spite of; None if there were none."""
    failed = [delivery for delivery in case.deliveries if delivery.status == WebhookDelivery.Status.FAILED]
    if tools := [delivery for delivery in failed if delivery.event_type == "call.tool_call"]:
        text = f"{times(len(tools), 'tool call')} failed. The agent was informed and continued."
        fix = 'Respond within 10 seconds with status 200 and {"result": …}. You can test tools in the agent editor.'
        if all(delivery.method for delivery in tools):
            fix = "Check the URL, headers, and secrets of the tool. You can test it in the agent editor."
        return Diagnosis(Fault.WEBHOOK, text, fix, list(attempts(tools)), case.configuration_page, is_end=False)
    if lookups := case.named("lookup.failed"):
        return _failed_lookup(case, lookups)
    if failed:
        text = f"{times(len(failed), 'webhook')} of this call could not be delivered."
        fix = "Respond with a 2xx status within 10 seconds. You can resend the webhooks below."
        return Diagnosis(Fault.WEBHOOK, text, fix, list(attempts(failed)), page_url("webhooks"), is_end=False)
    if transfers := case.named("transfer.failed"):
        return _failed_transfers(case, transfers)
    for names, reasons, fault, text in RECOVERED:
        found = [event for event in case.named(*names) if not reasons or event.metadata.get("reason", "") in reasons]
        if found:
            sentence = text.format(times(len(found), "time"))
            return Diagnosis(
                fault, sentence, "Nothing to do, unless it happens often.", list(lines(found)), is_end=False
            )
    return None


def _failed_lookup(case: Case, lookups: list[CallEvent]) -> Diagnosis:
    """Unlike a webhook, it cannot be resent: the call is over, and nobody would use the response."""
    reason = str(lookups[-1].metadata.get("reason"))
    fault, fix = LOOKUP_FAILURES.get(reason, (Fault.SETTINGS, "Raise or remove the limit."))
    page = page_url("caps") if reason not in LOOKUP_FAILURES else case.configuration_page
    text = "The lookup failed. The call continued without it."
    return Diagnosis(fault, text, fix, list(lines(lookups)), page, is_end=False)


def _failed_transfers(case: Case, transfers: list[CallEvent]) -> Diagnosis:
    evidence = list(lines(transfers))
    reason = str(transfers[-1].metadata.get("reason"))
    if reason in HangupCause.values and reason != HangupCause.INSUFFICIENT_BALANCE:
        text = "The transfer recipient could not be reached. The conversation continued."
        fix = "Check the transfer number."
        fault = Fault.CARRIER if reason == HangupCause.CARRIER_FAILED else Fault.CALLEE
        return Diagnosis(fault, text, fix, evidence, case.configuration_page, is_end=False)
    text = "A transfer was refused. The conversation continued."
    if reason in {"no_destination", "webhook_failed"} or transfers[-1].source == CallEvent.Source.WEBHOOK:
        fix = 'Respond with {"result": {"transfer_to": "+14155550100"}} and an E.164 number that can be called.'
        return Diagnosis(Fault.WEBHOOK, text, fix, evidence, page_url("webhooks"), is_end=False)
    funds = ", and keep enough balance for its first minute" if billing_switch.is_on() else ""
    fix = f"Transfer to a number that can be called{funds}."
    return Diagnosis(Fault.SETTINGS, text, fix, evidence, case.configuration_page, is_end=False)
