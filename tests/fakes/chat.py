"""OpenAI's chat completions with structured outputs. Responses come from a script and are validated with the SDK's types."""

from dataclasses import dataclass, field
from typing import Any

import jsonschema
from aiohttp import web
from openai.types.chat import ChatCompletion

PATH = "/v1/chat/completions"


@dataclass
class FakeChat:
    """Responds in order, with a text or an error status. Repeats the last one."""

    answers: list[str | int]
    requests: list[dict[str, Any]] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.complete)]

    async def complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        if body["response_format"]["type"] == "json_schema":
            check_strict(body["response_format"]["json_schema"])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return web.json_response({"error": {"message": "Refused by script.", "type": "refused"}}, status=answer)
        message = {"role": "assistant", "content": answer or None, "refusal": None if answer else "I cannot do that."}
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        }
        ChatCompletion.model_validate(completion)
        return web.json_response(completion)


def check_strict(json_schema: dict[str, Any]) -> None:
    """OpenAI's rules for a strict schema: every property is required, no others are allowed, and the schema is valid."""
    schema = json_schema["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json_schema["strict"] is True
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == sorted(schema["properties"])
