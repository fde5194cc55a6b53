"""Commands that Twilio would carry out twice, and what became of them.

Each function is one short transaction of its own.
"""

from phone_numbers.models import CarrierCommand


def begin(command_id: str) -> tuple[CarrierCommand, bool]:
    """Write down that a command is about to be given; False when it was given before."""
    return CarrierCommand.objects.get_or_create(command_id=command_id)


def finish(command_id: str, result: str) -> None:
    """The carrier's id of what the command made. The first one stays."""
    CarrierCommand.objects.filter(command_id=command_id, result="").update(result=result)


def forget(command_id: str) -> None:
    """It was certainly not carried out, and may be given again."""
    CarrierCommand.objects.filter(command_id=command_id, result="").delete()


def results_among(call_sids: list[str]) -> set[str]:
    """Those that commands are known to have made."""
    return set(CarrierCommand.objects.filter(result__in=call_sids).values_list("result", flat=True))
