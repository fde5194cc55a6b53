"""The demo agents' tool webhook: acts like a booking system, and always gives the same answer to the same question.

It does not check signatures, because it stores nothing. Real webhooks should; see the API reference.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from bubblyphone.core.json.documents import InvalidJSON, parse_json

SLOTS = ("17:30", "18:00", "18:30", "19:00", "19:30", "20:00", "20:30", "21:00")
STATES = ("is being packed", "was shipped yesterday", "arrives tomorrow")
MAX_TEXT = 80


@csrf_exempt
@require_POST
def demo_tool(request: HttpRequest) -> JsonResponse:
    """Answers `call.tool_call` requests, as described at /docs/webhooks."""
    try:
        body = parse_json(request.body)
    except InvalidJSON:
        body = None
    arguments = body.get("arguments") if isinstance(body, dict) else None
    if not isinstance(arguments, dict):
        return JsonResponse({"message": "Expected the body of a call.tool_call event."}, status=422)
    return JsonResponse({"result": answer(str(body.get("tool", "")), arguments)})


def answer(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The tool's result, or an `error` if it cannot help."""
    day = _text(arguments.get("date"))
    match tool:
        case "check_availability":
            slots = free_slots(day)
            spoken = [_spoken_time(slot) for slot in slots]
            return {
                "date": day,
                "slots": slots,
                "message": f"We have tables at {', '.join(spoken[:-1])} and {spoken[-1]}",
            }
        case "book_table" | "book_appointment":
            time, name = _text(arguments.get("time")), _text(arguments.get("name"))
            code = _confirmation_code(day, time, name)
            spelled = " ".join(code)
            return {
                "confirmed": True,
                "confirmation_code": code,
                "message": f"It is booked for {name}. The confirmation code is {spelled}.",
            }
        case "check_order_status":
            number = _text(arguments.get("order_number"))
            state = STATES[int(_confirmation_code(number)) % len(STATES)]
            return {"order_number": number, "status": state, "message": f"The order {' '.join(number)} {state}."}
        case "take_message":
            return {"saved": True, "message": "I have noted your message. The team will call you back."}
    return {"error": f"The tool {tool} does not exist."}


def free_slots(day: str) -> list[str]:
    """Three free times on a day, in order. The same day always has the same ones."""
    try:
        start = date.fromisoformat(day).toordinal()
    except ValueError:
        start = len(day)
    return sorted(SLOTS[(start * 3 + step * 2) % len(SLOTS)] for step in range(3))


def _spoken_time(slot: str) -> str:
    """19:30 as "7:30 p.m.". All slots are in the evening."""
    hour, _, minute = slot.partition(":")
    return f"{int(hour) - 12}{'' if minute == '00' else f':{minute}'} p.m."


def _confirmation_code(*parts: str) -> str:
    """Four digits that depend only on the booking."""
    digest = hashlib.sha256("|".join(parts).encode()).digest()
    return f"{int.from_bytes(digest[:4], 'big') % 10_000:04d}"


def _text(value: Any) -> str:
    return str(value)[:MAX_TEXT] if value is not None else ""
