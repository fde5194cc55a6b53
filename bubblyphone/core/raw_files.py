"""A file as the whole body of a request, which may be larger than other bodies."""

from typing import Any, ClassVar

from rest_framework.parsers import BaseParser


class RawFileParser(BaseParser):
    """Gives the body as the field `file`, in bytes. Of a longer one than `max_bytes` it has one byte more, for the view to refuse."""

    max_bytes: ClassVar[int]

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        return {"file": stream.read()}
