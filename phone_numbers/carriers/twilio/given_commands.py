"""Commands that Twilio would carry out twice if repeated, and their results.

Each function is its own short transaction.
"""

from phone_numbers.models import CarrierCommand


def begin(command_id: str) -> tuple[CarrierCommand, bool]:
    """Record that a command is about to be sent. Returns its row, and False if it was sent before."""
    return CarrierCommand.objects.get_or_create(command_id=command_id)


def finish(command_id: str, result: str) -> None:
    """Store the carrier's id of the call or recording that the command created. The first id stays."""
    CarrierCommand.objects.filter(command_id=command_id, result="").update(result=result)


def forget(command_id: str) -> None:
    """The command was certainly not carried out, and can be sent again."""
    CarrierCommand.objects.filter(command_id=command_id, result="").delete()


def results_among(call_sids: list[str]) -> set[str]:
    """The ids among these that are results of known commands."""
    return set(CarrierCommand.objects.filter(result__in=call_sids).values_list("result", flat=True))
