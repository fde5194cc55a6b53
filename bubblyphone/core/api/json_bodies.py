"""How the API reads bodies and writes responses: the classes that `REST_FRAMEWORK` in the settings names."""

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from bubblyphone.core.api.error_responses import WHOLE_BODY
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.json.documents import InvalidJSON, parse_json

# Times in DRF's format, which differs from orjson's.
_AS_DRF = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


class AnyJSONParser(BaseParser):
    """Parses a JSON object whatever its Content-Type, because curl's default is not JSON's. Raises InvalidRequest."""

    media_type = "*/*"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body: bytes = stream.read()
        if not body.strip():
            return {}
        try:
            parsed = parse_json(body)
        except InvalidJSON as error:
            text = "Null characters are not allowed." if error.path else f"The body is {error}."
            raise InvalidRequest({error.path or WHOLE_BODY: [text]}) from error
        if not isinstance(parsed, dict):
            raise InvalidRequest({WHOLE_BODY: ["The body must be a JSON object."]})
        return parsed


class AlwaysJSON(BaseContentNegotiation):
    """Responses are JSON whatever the Accept header says; bodies go to the first parser whose type matches."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        content_type = request.content_type.partition(";")[0].strip().lower()
        for parser in parsers:
            if parser.media_type in ("*/*", content_type):
                return parser  # type: ignore[no-any-return]
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class FastJSONRenderer(JSONRenderer):
    """DRF's JSON rendered by orjson: compact, UTF-8.

    Types unknown to orjson are rendered like DRF does. A float may have another notation of the same number: `0.00001` instead of
    `1e-05`. Infinity and NaN are null.
    """

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        try:
            written = orjson.dumps(data, self.encoder_class().default, _AS_DRF)
        except TypeError:  # keys that are not text, integers beyond 64 bits
            return bytes(super().render(data, accepted_media_type, renderer_context))
        # The line and paragraph separators, which end a line in old JavaScript.
        return written.replace(b"\xe2\x80\xa8", rb"\u2028").replace(b"\xe2\x80\xa9", rb"\u2029")
