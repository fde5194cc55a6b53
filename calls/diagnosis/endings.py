"""Explains a call that ended badly, or never started, by its hangup cause."""

from collections.abc import Callable

from billing import billing_switch
from calls.diagnosis.case import Case, Diagnosis, Fault, attempts, page_url, reported, told
from calls.models import Direction, HangupCause
from calls.outcomes import describe_ending, seconds_in_words
from webhooks.models import WebhookDelivery

# Reasons of `stream.restarted` that are not the carrier's fault.
OUR_RESTARTS = {"deploy", "session_lost"}


def _busy(case: Case) -> Diagnosis:
    if case.call.direction == Direction.INBOUND:
        text = "Your limit on concurrent calls was reached, so the caller heard a busy signal."
        return Diagnosis(Fault.SETTINGS, text, "Raise the limit on the Limits page.", told(case), page_url("caps"))
    return Diagnosis(
        Fault.CALLEE,
        "Your phone was busy." if case.call.connect_to else "The number was busy.",
        "Call again later.",
        reported(case),
    )


def _no_answer(case: Case) -> Diagnosis:
    if case.call.sandbox:
        text = "The browser never connected."
        fix = "Allow the microphone, and connect to `ws_url` within 30 seconds of starting the call."
        return Diagnosis(Fault.CALLER, text, fix)
    if case.call.direction == Direction.INBOUND:
        text = "The caller hung up before the call was answered."
        return Diagnosis(Fault.CALLER, text, "Nothing to do.")
    if case.call.connect_to:
        return Diagnosis(Fault.CALLEE, describe_ending(case.call), "Check the number of your phone.", reported(case))
    text = "Nobody picked up."
    return Diagnosis(Fault.CALLEE, text, "Call again at another time of day.", reported(case))


def _canceled(case: Case) -> Diagnosis:
    what = "the browser connected" if case.call.sandbox else "it was answered"
    if case.call.end_requested_cause == HangupCause.INSUFFICIENT_BALANCE:
        if not billing_switch.is_on():
            text = f"We canceled the call before {what} because a spending limit was reached."
            return Diagnosis(Fault.SETTINGS, text, "Raise or remove the limit.", told(case), page_url("caps"))
        text = f"We canceled the call before {what} because your balance or a limit was used up."
        return Diagnosis(Fault.SETTINGS, text, "Add credit or raise the limit.", told(case), page_url("billing"))
    if case.call.end_requested_cause == HangupCause.ACCOUNT_DEACTIVATED:
        text = f"We canceled the call before {what} because the account was deactivated."
        return Diagnosis(Fault.SETTINGS, text, "Contact support.", told(case))
    text = f"You ended the call before {what}."
    return Diagnosis(Fault.NOBODY, text, "Nothing to do.", told(case, "hangup.requested"))


def _rejected(case: Case) -> Diagnosis:
    if case.call.direction == Direction.INBOUND and case.refusal == "rejected_by_lookup":
        text = "Your lookup server rejected the call."
        fix = "Nothing to do if this was intended. Otherwise check the response of your lookup server."
        return Diagnosis(Fault.SETTINGS, text, fix, told(case), case.configuration_page)
    if case.call.direction == Direction.INBOUND:
        text = "The call was rejected before it was answered."
        fix = "Check your webhook's response and your limit of calls per caller."
        return Diagnosis(Fault.SETTINGS, text, fix, told(case), page_url("caps"))
    if case.call.refusal_reason:
        fix = "Change your policy, the do-not-call list, or the number you call."
        return Diagnosis(Fault.SETTINGS, describe_ending(case.call), fix, told(case))
    text = "The callee or their phone company declined the call."
    return Diagnosis(
        Fault.CALLEE, text, "Call from a number the callee knows, or ask them to allow your number.", reported(case)
    )


def _invalid_number(case: Case) -> Diagnosis:
    text = f"{case.call.to_number} cannot be reached."
    return Diagnosis(
        Fault.SETTINGS,
        text,
        "Check the number. It must start with + and the country code, without a 0 after it.",
        reported(case),
    )


def _insufficient_balance(case: Case) -> Diagnosis:
    is_limit = case.refusal not in ("", HangupCause.INSUFFICIENT_BALANCE) or case.named("limit.reached")
    if is_limit or not billing_switch.is_on():
        text = "A spending limit was reached."
        return Diagnosis(Fault.SETTINGS, text, "Raise or remove the limit.", told(case), page_url("caps"))
    text = "Your balance was used up."
    fix = "Add credit, or turn on automatic top-ups."
    return Diagnosis(Fault.SETTINGS, text, fix, told(case), page_url("billing"))


def _max_duration(case: Case) -> Diagnosis:
    text = f"The call reached its maximum duration of {seconds_in_words(case.call.settings.max_call_duration)}."
    fix = "If this is too short, raise “Max duration” on the agent or number."
    return Diagnosis(Fault.SETTINGS, text, fix, fix_url=case.configuration_page)


def _silence_timeout(case: Case) -> Diagnosis:
    if case.call.connect_to:
        text = "Your phone was answered, and nobody pressed a key."
        return Diagnosis(Fault.CALLEE, text, "Call again, and press any key when you hear the announcement.")
    text = f"Nobody said anything for {seconds_in_words(case.call.settings.silence_timeout)}."
    fix = "If people need more time, raise “Silence timeout” on the agent or number."
    return Diagnosis(case.other_party, text, fix, fix_url=case.configuration_page)


def _webhook_failed(case: Case) -> Diagnosis:
    sent = [delivery for delivery in case.deliveries if delivery.endpoint_id is None]
    if not sent:
        text = "The number is answered by your server but has no webhook URL."
        fix = "Add a webhook URL to the number, or let an AI agent answer it."
        return Diagnosis(Fault.SETTINGS, text, fix, fix_url=case.configuration_page)
    failed = [delivery for delivery in sent if delivery.status != WebhookDelivery.Status.DELIVERED]
    delivery = (failed or sent)[-1]
    text = f"Your server did not respond to {delivery.event_type} with an action."
    fix = 'Respond within 10 seconds with status 200 and an action, like {"action": "answer", "text": "…"}.'
    return Diagnosis(Fault.WEBHOOK, text, fix, list(attempts([delivery])), page_url("webhooks"))


def _model_failed(case: Case) -> Diagnosis:
    slug = case.call.model_slug or "the model"
    if case.call.answered_at is None:
        text = f"The model {slug} is not available, so the caller heard a busy signal."
        fix = "Choose another model or add a model key for it on the agent's or number's page."
        return Diagnosis(Fault.SETTINGS, text, fix, told(case), case.configuration_page)
    failures = case.named("model.failed")
    evidence = told(case, "model.failed", "model.reconnected") if failures else []
    if failures and failures[-1].metadata.get("refused"):
        if case.call.settings.model_key_id:
            text = f"{slug} rejected your model key."
            fix = "Test the key on the Model keys page. Its quota may be used up."
            return Diagnosis(Fault.SETTINGS, text, fix, evidence, page_url("model-keys"))
        text = f"{slug} rejected our request."
        fix = "Choose another model until we have fixed this."
        return Diagnosis(Fault.PLATFORM, text, fix, evidence, case.configuration_page)
    text = f"The connection to {slug} failed."
    fix = "Call again. If it keeps happening, choose another model or set a backup model."
    return Diagnosis(Fault.MODEL, text, fix, evidence, case.configuration_page)


def _carrier_failed(case: Case) -> Diagnosis:
    evidence = [*told(case, "stream.failed", "stream.error"), *reported(case)]
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
    return Diagnosis(Fault.SETTINGS, text, "Contact support.", told(case))


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
