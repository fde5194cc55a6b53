"""Telnyx's own OpenAPI file as the judge of what is said and answered here."""

from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPECIFICATION = Path(__file__).parents[3] / "shared" / "reference" / "telnyx-openapi-subset.json"
URI = "urn:telnyx"
WEBHOOKS = {
    "call.initiated": "callInitiated",
    "call.answered": "callAnswered",
    "call.hangup": "callHangup",
    "call.dtmf.received": "callDtmfReceived",
    "call.machine.detection.ended": "callMachineDetectionEnded",
    "call.machine.greeting.ended": "callMachineGreetingEnded",
    "call.machine.premium.detection.ended": "callMachinePremiumDetectionEnded",
    "call.machine.premium.greeting.ended": "callMachinePremiumGreetingEnded",
    "call.bridged": "callBridged",
    "call.speak.started": "callSpeakStarted",
    "call.speak.ended": "callSpeakEnded",
    "call.playback.started": "callPlaybackStarted",
    "call.playback.ended": "callPlaybackEnded",
    "call.transcription": "transcription",
    "call.recording.saved": "callRecordingSaved",
    "call.recording.error": "callRecordingError",
    "streaming.started": "callStreamingStarted",
    "streaming.stopped": "callStreamingStopped",
    "streaming.failed": "callStreamingFailed",
    "number_order.complete": "numberOrderStatusUpdate",
}


class Specification:
    """Looks schemas up by operation and checks values against them."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry = Registry().with_resource(URI, resource)

    def check(self, value: Any, pointer: str) -> None:
        """Raises jsonschema.ValidationError."""
        validator = jsonschema.Draft202012Validator({"$ref": f"{URI}#{pointer}"}, registry=self._registry)
        validator.validate(value)

    def check_webhook(self, event: dict[str, Any]) -> None:
        name = WEBHOOKS[event["data"]["event_type"]]
        # The published schema calls client_state a string; live events have null until a command sets it.
        payload = {key: value for key, value in event["data"]["payload"].items() if value is not None}
        body = event | {"data": event["data"] | {"payload": payload}}
        self.check(body, f"/webhooks/{name}/post/requestBody/content/application~1json/schema")

    def operation(self, method: str, path: str) -> str:
        """Pointer to an operation, by its template path."""
        return f"/paths/{path.replace('~', '~0').replace('/', '~1')}/{method}"

    def resolve(self, pointer: str) -> tuple[str, Any]:
        """What is at a pointer, behind references."""
        value = self._document
        for part in pointer.strip("/").split("/"):
            value = value[part.replace("~1", "/").replace("~0", "~")]
        if "$ref" in value:
            return self.resolve(value["$ref"].removeprefix("#"))
        return pointer, value
