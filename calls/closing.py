"""What becomes of calls when their account is deleted (settings.ON_ACCOUNT_CLOSED)."""

from bubblyphone.core.errors import Conflict
from calls import lifecycle
from calls.models import Call, CallStatus, HangupCause


def end_calls(developer_id: int) -> None:
    """Hang up whatever runs. Raises Conflict until all is over: the carrier reports the ends."""
    running = Call.objects.filter(developer_id=developer_id).exclude(
        status__in=[CallStatus.COMPLETED, CallStatus.FAILED]
    )
    for call_id in running.values_list("pk", flat=True):
        lifecycle.end_call(call_id, HangupCause.NORMAL_CLEARING)
    if running.exists():
        raise Conflict("Calls are being hung up.")
