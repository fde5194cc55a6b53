"""The text of a developer's response: compression, character sets and limits.

Used for all responses (tools, actions, transfers), so that a quirk is handled everywhere or nowhere.
"""

import codecs
import zlib
from collections.abc import Mapping

MAX_LAYERS = 3  # nested compressions
_GZIP_MAGIC = b"\x1f\x8b"
_UNDO = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits; raw deflate (-15) is tried where 15 fails
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
# Python codecs that are not character sets of the web, and would execute escapes or lose text.
_NO_CHARSETS = frozenset({"unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "mbcs", "oem"})
_JSON_STARTS = b'{["-0123456789tfn \t\r\n'


class ResponseUnreadable(ValueError):
    """The body's compression cannot be undone; the message is for the author of the server."""


def decompress(body: bytes, content_encoding: str, max_bytes: int) -> tuple[bytes, bool]:
    """Undo the server's compression, though we ask for none. Returns at most `max_bytes`, and whether that is all.

    Memory stays within `max_bytes` for each layer. Raises ResponseUnreadable.
    """
    names = [name.strip().lower() for name in content_encoding.split(",")]
    layers = [name for name in names if name not in ("", "identity")]
    if not layers and body.startswith(_GZIP_MAGIC):  # compressed but not declared: JSON and text never start like this
        layers = ["gzip"]
    if unknown := [name for name in layers if name not in _UNDO]:
        raise ResponseUnreadable(f'The response uses the unsupported encoding "{unknown[0][:40]}".')
    if len(layers) > MAX_LAYERS:
        raise ResponseUnreadable("The response is compressed too many times.")
    is_whole = True
    for name in reversed(layers):
        if name != "deflate" and not body.startswith(_GZIP_MAGIC):
            continue  # declared but not compressed
        body, is_complete = _inflate(body, _UNDO[name], max_bytes)
        is_whole = is_whole and is_complete
    return body[:max_bytes], is_whole and len(body) <= max_bytes


def _inflate(body: bytes, wbits: int, max_bytes: int) -> tuple[bytes, bool]:
    for attempt in (wbits, -15) if wbits == 15 else (wbits,):
        stream = zlib.decompressobj(attempt)
        try:
            content = stream.decompress(body, max_bytes + 1)
        except zlib.error:
            continue
        if attempt > 0 or stream.eof or len(content) > max_bytes:  # other data may look like raw deflate for a while
            return content, stream.eof
    if wbits == 15:
        return body, True  # "deflate" declared but not compressed
    raise ResponseUnreadable("The compressed response is damaged.")


def decode(body: bytes, content_type: str, *, is_whole: bool = True) -> str:
    """The text of a body: by its byte order mark, else as JSON must be encoded (UTF-8), else by the declared charset.

    Never raises. `is_whole` False: it was cut, perhaps within a character. NUL characters become U+FFFD, since
    PostgreSQL's text cannot hold them.
    """
    charset = _charset_of(body, content_type)
    start = next((len(bom) for bom, name in _BOMS if body.startswith(bom) and name == charset), 0)
    decoder = codecs.getincrementaldecoder(charset)("replace")
    return decoder.decode(body[start:], final=is_whole).replace("\x00", "\ufffd")


def _charset_of(body: bytes, content_type: str) -> str:
    for bom, name in _BOMS:
        if body.startswith(bom):
            return name
    declared = _declared_charset(content_type)
    wide = _wide_charset(body)
    if wide:
        return wide
    is_utf8 = _is_utf8(body)
    if is_utf8 and not body.isascii() and ("json" in content_type.lower() or not declared):
        return "utf-8"
    if declared and not (declared == "utf-8" and not is_utf8):
        return declared
    # Neither UTF-8 nor declared as anything else: use what browsers assume. Binary data is not text at all.
    return "utf-8" if is_utf8 or b"\x00" in body else "cp1252"


def _declared_charset(content_type: str) -> str:
    """Python's name of the charset in a Content-Type header; "" if missing or unknown."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "charset":
            continue
        try:
            codec = codecs.lookup(value.strip().strip("\"'")[:40])
            "".encode(codec.name)  # refuses Python's codecs that are no character sets (base64, rot13)
        except (LookupError, ValueError):
            return ""
        known = codec.name.replace("-", "_")
        if known in _NO_CHARSETS:
            return ""
        # Like browsers (WHATWG Encoding): Latin-1 means Windows-1252, and UTF-16 without a mark is little-endian.
        names = {"iso8859_1": "cp1252", "ascii": "cp1252", "utf_16": "utf-16-le", "utf_32": "utf-32-le"}
        return names.get(known, "utf-8" if known in {"utf_8", "utf_8_sig"} else codec.name)
    return ""


def _wide_charset(body: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, detected from the zeros in the first character of a JSON text (RFC 4627, section 3)."""
    first = body[:4]
    for zeros, name in (
        ((1, 2, 3), "utf-32-le"), ((0, 1, 2), "utf-32-be"), ((1,), "utf-16-le"), ((0,), "utf-16-be"),
    ):  # fmt: skip
        width = 4 if "32" in name else 2
        character = first[:width]
        rest = [character[index] for index in range(len(character)) if index not in zeros]
        if len(character) == width and not any(character[index] for index in zeros) and rest[0] in _JSON_STARTS:
            return name
    return ""


def _is_utf8(body: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(body)  # may end within a character, where it was truncated
    except UnicodeDecodeError:
        return False
    return True


def header(headers: Mapping[bytes, bytes], name: str) -> str:
    """A response header by its lower-case name; "" if it is missing."""
    return headers.get(name.encode(), b"").decode("latin-1")
