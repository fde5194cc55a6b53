"""What a number's carrier cannot do, reported when it is configured or requested instead of during a call."""

from collections.abc import Set
from typing import TypeVar

from bubblyphone.core.errors import InvalidRequest
from phone_numbers.carriers.capabilities import CallControl, NumberInventory, Recording, Speech
from phone_numbers.carriers.registry import able, detects_voicemail, offers, settings_of
from phone_numbers.models import CallMode

C = TypeVar("C")
SELLING = "does not list, sell, or route numbers here"


def require(key: str, capability: type[C], lack: str, *, field: str = "carrier") -> C:
    """A capability of a carrier. Raises InvalidRequest on the field that names it, with what is missing; CarrierError."""
    if not offers(key, capability):
        raise InvalidRequest({field: [f"{_name(key)} {lack}."]})
    return able(key, capability)


def inventory_of(key: str) -> NumberInventory:
    """The inventory of a carrier that a request names. Raises InvalidRequest, CarrierError."""
    return require(key, NumberInventory, SELLING)


def call_problems(key: str, *, mode: str, is_recorded: bool, said: Set[str] = frozenset()) -> dict[str, list[str]]:
    """What calls through a carrier lack, by the field that requests it; `said` are the settings made for it explicitly."""
    found: dict[str, list[str]] = {}
    if not settings_of(key):
        return found
    if not offers(key, CallControl):
        found["mode"] = [f"{_name(key)} does not place or take calls here."]
    elif mode == CallMode.WEBHOOK and not offers(key, Speech):
        found["mode"] = [f"{_name(key)} cannot speak or transcribe, which webhook mode requires. Use `streaming`."]
    if mode == CallMode.WEBHOOK and is_recorded and not offers(key, Recording):
        found["recording_enabled"] = [f"{_name(key)} does not record calls in webhook mode."]
    if "screening_message" in said and not detects_voicemail(key):
        found["screening_message"] = [
            f"{_name(key)} does not report who has answered, so phones that screen calls are not recognized."
        ]
    return found


def _name(key: str) -> str:
    return str(settings_of(key)["NAME"])
