"""The developer's server drives a webhook-mode call: its answers to `call.incoming` and `call.speech` are carried out here.

`webhooks.sending.delivery` passes them on (webhooks.sending.replies.ReplyHandler) and retries invalid ones on its schedule.
"""

from django.db import transaction
from django.utils import timezone

from accounts.selectors import require_active
from bubblyphone.core.errors import ApplicationError
from calls.control import commands, inbound, lifecycle, speech, transfer_requests, transfers
from calls.control.transfer_requests import Refusal, refusal_of
from calls.models import Call, CallStatus, HangupCause
from calls.webhook_mode.actions import Action, MalformedAction, MalformedTransfer, parse_action
from webhooks.models import WebhookDelivery
from webhooks.sending.replies import AnswerRefused


class CallReplies:
    """See `webhooks.sending.replies.ReplyHandler`."""

    def take(self, delivery: WebhookDelivery, body: str) -> str:
        try:
            action = parse_action(body)
        except MalformedTransfer as error:
            _note(delivery, error.to, Refusal("invalid_number", str(error)))
            return str(error)
        except MalformedAction as error:
            return str(error)
        try:
            with transaction.atomic():
                call = Call.objects.get_for_update(call_id_of(delivery))
                if call.is_over or call.end_requested_at is not None or call.transferred_at is not None:
                    return ""  # a valid action that came too late
                require_active(call.developer_id)
                carry_out(call, action, key=f"reply:{delivery.pk}")
        except ApplicationError as error:
            refusal = refusal_of(error)
            if not action.to:
                return refusal.message
            is_incoming = delivery.event_type == "call.incoming"
            _note(delivery, action.to, refusal, tell=not is_incoming)
            if is_incoming:
                return refusal.message
            raise AnswerRefused(refusal.message) from error
        return ""

    def is_wanted(self, delivery: WebhookDelivery) -> bool:
        call = Call.objects.get(pk=call_id_of(delivery))
        return not call.is_over and call.end_requested_at is None and call.transferred_at is None

    def gave_up(self, delivery: WebhookDelivery) -> None:
        call = Call.objects.get_for_update(call_id_of(delivery))
        if call.transferred_at is None:
            lifecycle.request_end(call, HangupCause.WEBHOOK_FAILED, at=timezone.now())


def _note(delivery: WebhookDelivery, to: str, refusal: Refusal, *, tell: bool = False) -> None:
    """Record a refused transfer, once for all attempts of a message."""
    with transaction.atomic():
        call = Call.objects.get_for_update(call_id_of(delivery))
        webhook_id = delivery.webhook_id
        failures = call.events.filter(event_type="transfer.failed").values_list("metadata", flat=True)
        if not any((about.get("webhook_id"), about.get("to")) == (webhook_id, to) for about in failures):
            transfer_requests.note(call, to, refusal, source="webhook", tell=tell, webhook_id=webhook_id)


def call_id_of(delivery: WebhookDelivery) -> int:
    return int(delivery.subject.removeprefix("call:"))


def carry_out(call: Call, action: Action, *, key: str) -> None:
    """Carry out the action on the locked call. Every action except hangup also answers a ringing call."""
    if action.name == "hangup":
        cause = HangupCause.REJECTED if call.answered_at is None else HangupCause.NORMAL_CLEARING
        lifecycle.request_end(call, cause, at=timezone.now())
        return
    if call.status == CallStatus.RINGING and call.answer_requested_at is None:
        call.answer_requested_at = timezone.now()
        call.save(update_fields=["answer_requested_at"])
        commands.after_commit(inbound.answer, call)
    if action.text:
        speech.say(call, action.text, key=key)
    if action.to:
        transfers.request(call, action.to, source="webhook", key=key)
