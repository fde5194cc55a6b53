"""Telnyx's published schemas, which requests to the exchange and its responses and webhooks are checked against.

`telnyx_shapes.json` contains the names, types, limits and allowed values of the operations and webhooks used here, laid out
like an OpenAPI document, and nothing else of Telnyx's documents.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SHAPES = Path(__file__).with_name("telnyx_shapes.json")
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
    """Looks up schemas by operation and checks values against them."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = json.loads(SHAPES.read_text())
        resource = Resource.from_contents(self._document, default_specification=DRAFT202012)
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

    def check_body(self, value: Any, method: str, path: str) -> None:
        """Raises jsonschema.ValidationError, also if the operation does not have a field."""
        pointer, _ = self.resolve(f"{self.operation(method, path)}/requestBody")
        schema_pointer, schema = self.resolve(f"{pointer}/content/application~1json/schema")
        self.check(value, schema_pointer)
        if unknown := set(value) - set(schema["properties"]):
            raise jsonschema.ValidationError(f"{sorted(unknown)} are not fields of {method} {path}")

    def operation(self, method: str, path: str) -> str:
        """The pointer to an operation, by its template path."""
        return f"/paths/{path.replace('~', '~0').replace('/', '~1')}/{method}"

    def resolve(self, pointer: str) -> tuple[str, Any]:
        """The (pointer, value) that a pointer leads to, after following references."""
        value = self._document
        for part in pointer.strip("/").split("/"):
            value = value[part.replace("~1", "/").replace("~0", "~")]
        if "$ref" in value:
            return self.resolve(value["$ref"].removeprefix("#"))
        return pointer, value
