"""The built-in tool `add_to_do_not_call`: an agent honors "never call me again"."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agents.tools.definitions import ADD_TO_DO_NOT_CALL
from bubblyphone.core.numbering.e164 import is_e164
from calls import timeline
from calls.live.database_threads import in_database
from calls.models import Call, Direction, DoNotCallNumber
from calls.policy import services
from calls.session.interfaces import ToolRunner

DONE = "The number is on the do-not-call list and will not be called again."
UNKNOWN = "The number of this caller is not known, so it cannot be added."


class OptOutTool:
    """Runs this tool; all other calls go to the next runner."""

    def __init__(self, call_id: int, others: ToolRunner) -> None:
        self._call_id = call_id
        self._others = others

    async def __call__(self, name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
        if name != ADD_TO_DO_NOT_CALL.name:
            return await self._others(name, arguments, call_id)
        is_added = await in_database(add_remote_party, self._call_id, str(arguments.get("reason") or ""))
        return {"result": DONE} if is_added else {"error": UNKNOWN}


def add_remote_party(call_id: int, reason: str) -> bool:
    """Add the remote party to the account's do-not-call list.

    False for a caller without a number. In an agent test the developer types the caller's number, so it is not added.
    """
    call = Call.objects.get(pk=call_id)
    number = call.from_number if call.direction == Direction.INBOUND else call.to_number
    if not is_e164(number):
        return False
    if call.sandbox:
        timeline.add_event(call.pk, "do_not_call.skipped", "streaming", phone_number=number, reason="test_call")
        return True
    with transaction.atomic():
        services.add(
            developer_id=call.developer_id,
            phone_number=number,
            source=DoNotCallNumber.Source.AGENT,
            reason=reason[: services.MAX_REASON].replace("\0", ""),
        )
        timeline.add_event(call.pk, "do_not_call.added", "streaming", phone_number=number)
    return True
