"""The model's tool `transfer_call`: where the call goes.

A refused transfer records `transfer.failed`. The destination comes from the developer's server (dynamic routing), otherwise from the
configured `transfer_number`. An unusable response also fails in the webhook log, and the configured number is tried. If the variables of
`transfer_number` yield no number in this call, that is `transfer.failed`, and a fixed number is tried if there is one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from agents.tools.definitions import TRANSFER_CALL
from agents.variables import expand, has_variables
from bubblyphone.core.numbering.e164 import is_e164
from calls.control.transfer_requests import Refusal, ask, note
from calls.live.database_threads import in_database
from calls.live.tool_calls import ToolWebhook
from calls.live.tool_results import ToolAnswer
from calls.max_lengths import MAX_BRIEFING_CHARACTERS, MAX_SHOWN_CHARACTERS
from calls.models import Call
from calls.session.model_notices import TAKEN_OVER
from webhooks.http.outbound_http import PostResult

# The model may read these to the caller, so they are not technical.
NOT_POSSIBLE = "The call cannot be transferred: no number is available right now."
FORM = "Use E.164, like +14155550100, without spaces, parentheses, or a scheme."
UNWANTED = Refusal("taken_over", TAKEN_OVER, is_final=True)

# Has a number called with a briefing, unless that is refused.
HaveCalled = Callable[[str, str], Awaitable[Refusal | None]]


@dataclass(frozen=True, slots=True)
class Destination:
    """The response of a developer's server: `refusal` says why it cannot be used."""

    to: str = ""
    briefing: str = ""
    refusal: Refusal | None = None


@dataclass(eq=False, repr=False)
class TransferRouter:
    """Determines the destination of the model's transfer (calls.session.interfaces.TransferRequester)."""

    call_id: int
    webhook: ToolWebhook | None
    transfer_number: str
    values: Mapping[str, str]
    unusable_number: str

    async def __call__(self, arguments: Mapping[str, Any], may_call: Callable[[], bool]) -> str:
        have_called = partial(self._have_called, may_call)
        refusal: Refusal | None = Refusal("no_destination", "No transfer number is set for this call.")
        if self.webhook is not None:
            refusal = await self._ask_server(self.webhook, arguments, have_called)
        if refusal is not None and self.unusable_number and not refusal.is_final:
            refusal = unusable(self.unusable_number)
            await in_database(self._note, self.unusable_number, refusal, "system")
        if refusal is not None and self.transfer_number and not refusal.is_final:
            refusal = await self._ask_configured(_briefing(arguments), have_called)
        if refusal is None:
            return ""
        return refusal.message if refusal.is_final else NOT_POSSIBLE

    async def _ask_configured(self, briefing: str, have_called: HaveCalled) -> Refusal | None:
        """The configured number, which can contain variables that tools set during the call."""
        number = expand(self.transfer_number, self.values).strip()
        if is_e164(number):
            return await have_called(number, briefing)
        refusal = unusable(number)
        await in_database(self._note, number, refusal, "system")
        return refusal

    async def _ask_server(
        self, webhook: ToolWebhook, arguments: Mapping[str, Any], have_called: HaveCalled
    ) -> Refusal | None:
        refusals: list[Refusal] = []

        async def use(response: PostResult, answer: ToolAnswer) -> ToolAnswer:
            destination = read_destination(response, answer)
            refusal = destination.refusal
            if refusal is not None:
                await in_database(self._note, destination.to, refusal, "webhook")
            else:
                refusal = await have_called(destination.to, destination.briefing or _briefing(arguments))
            if refusal is None:
                return answer
            refusals.append(refusal)
            return answer if refusal.is_final else ToolAnswer({"error": NOT_POSSIBLE}, refusal.message)

        await webhook.send(TRANSFER_CALL.name, arguments, use)
        return refusals[0] if refusals else None

    async def _have_called(self, may_call: Callable[[], bool], to: str, briefing: str) -> Refusal | None:
        if not may_call():
            return UNWANTED
        refusal: Refusal | None = await in_database(ask, self.call_id, to, source="streaming", briefing=briefing)
        return refusal

    def _note(self, to: str, refusal: Refusal, source: str) -> None:
        with transaction.atomic():
            note(Call.objects.get_for_update(self.call_id), to, refusal, source=source)


def unusable(text: str) -> Refusal:
    """Why a `transfer_number` cannot be used: its variables yielded `text`, or have no value (then `text` is the template)."""
    if has_variables(text):
        return Refusal("no_destination", f"The variables of transfer_number ({text}) have no value in this call.")
    shown = text[:MAX_SHOWN_CHARACTERS]
    return Refusal(
        "invalid_number", f"transfer_number became {shown!r} in this call, which is not a phone number. {FORM}"
    )


def read_destination(response: PostResult, answer: ToolAnswer) -> Destination:
    """Parse a response to `transfer_call`: `{"result": {"transfer_to": …, "briefing": …}}`."""
    if "error" in answer.result:
        status = f"Your webhook responded with status {response.status}."
        why = response.error or answer.problem or (str(answer.result["error"]) if response.is_success else status)
        return Destination(refusal=Refusal("webhook_failed", why))
    said = answer.result.get("result")
    if not isinstance(said, Mapping) or said.get("transfer_to") in (None, ""):
        text = (
            'The response of your webhook has no destination. Respond with {"result": {"transfer_to": "+14155550100"}}.'
        )
        return Destination(refusal=Refusal("no_destination", text))
    to = said["transfer_to"]
    if not isinstance(to, str) or not is_e164(to):
        shown = str(to)[:MAX_SHOWN_CHARACTERS]
        return Destination(to=shown, refusal=Refusal("invalid_number", f"{shown!r} is not a phone number. {FORM}"))
    return Destination(to=to, briefing=_briefing(said))


def _briefing(said: Mapping[str, Any]) -> str:
    briefing = said.get("briefing")
    return briefing[:MAX_BRIEFING_CHARACTERS] if isinstance(briefing, str) else ""
