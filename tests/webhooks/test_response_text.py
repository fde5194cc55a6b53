"""Responses in any compression and character set, over a real connection."""

import gzip
import zlib

import pytest

from tests.fakes.recording_server import Answer, RecordingServer
from webhooks.http.outbound_http import MAX_RESPONSE_BYTES, OutboundClient, PostResult

WORDS = "Zürich, naß"
JSON = f'{{"result": "{WORDS}"}}'
RAW_DEFLATE = zlib.compressobj(wbits=-15)
GZIPPED = {"Content-Encoding": "gzip"}


async def posted(answer: Answer) -> PostResult:
    with RecordingServer([answer]) as server:
        client = OutboundClient()
        try:
            return await client.post(server.url, body=b"{}", headers={"Content-Type": "application/json"})
        finally:
            await client.aclose()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (JSON.encode(), {}),
        (JSON.encode(), {"Content-Type": "text/html"}),
        (JSON.encode(), {"Content-Type": "application/json; charset=nonsense"}),
        (JSON.encode(), {"Content-Type": "application/json; charset=base64"}),
        (
            JSON.encode(),
            {"Content-Type": "application/json; charset=iso-8859-1"},
        ),  # JSON is always UTF-8, regardless of the declared charset
        (b"\xef\xbb\xbf" + JSON.encode(), {"Content-Type": "application/json"}),
        (b"\xef\xbb\xbf" + JSON.encode(), {"Content-Type": "application/json; charset=latin-1"}),
        (JSON.encode("cp1252"), {"Content-Type": "application/json; charset=iso-8859-1"}),
        (JSON.encode("cp1252"), {"Content-Type": 'application/json; charset="windows-1252"'}),
        (JSON.encode("cp1252"), {"Content-Type": "application/json; charset=utf-8"}),  # declared incorrectly
        (JSON.encode("cp1252"), {}),
        (JSON.encode("iso8859-15"), {"Content-Type": "text/plain; charset=ISO-8859-15"}),
        (JSON.encode("utf-16"), {}),
        (JSON.encode("utf-16-le"), {"Content-Type": "application/json; charset=utf-16"}),
        (JSON.encode("utf-16-be"), {"Content-Type": "application/json"}),
        (JSON.encode("utf-32"), {}),
        (gzip.compress(JSON.encode()), GZIPPED),
        (gzip.compress(JSON.encode()), {}),
        (gzip.compress(JSON.encode("cp1252")), {**GZIPPED, "Content-Type": "application/json; charset=latin1"}),
        (gzip.compress(gzip.compress(JSON.encode())), {"Content-Encoding": "gzip, x-gzip"}),
        (zlib.compress(JSON.encode()), {"Content-Encoding": "deflate"}),
        (RAW_DEFLATE.compress(JSON.encode()) + RAW_DEFLATE.flush(), {"Content-Encoding": "deflate"}),
        (JSON.encode(), GZIPPED),  # declared but not compressed
        (JSON.encode(), {"Content-Encoding": "deflate"}),
        (JSON.encode(), {"Content-Encoding": "identity"}),
    ],
    ids=map(str, range(25)),
)
async def test_text_is_decoded(body: bytes, headers: dict[str, str]) -> None:
    result = await posted(Answer(200, body, headers))
    assert (result.body, result.error, result.is_whole, result.is_success) == (JSON, None, True, True)


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_zip_bomb_is_limited(layers: int) -> None:
    body = b"a" * 50_000_000
    for _ in range(layers):
        body = gzip.compress(body)
    result = await posted(Answer(200, body, {"Content-Encoding": ", ".join(["gzip"] * layers)}))
    assert (len(result.body), result.is_whole) == (MAX_RESPONSE_BYTES, False)


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        (
            {"Content-Encoding": "br"},
            b"\x0b\x02\x80{}\x03",
            'The response uses the unsupported encoding "br".',
        ),
        (GZIPPED, b"\x1f\x8b" + b"x" * 50, "The compressed response is damaged."),
        ({"Content-Encoding": "gzip,gzip,gzip,gzip"}, b"\x1f\x8b", "The response is compressed too many times."),
    ],
)
async def test_undecodable_responses_are_reported(headers: dict[str, str], body: bytes, error: str) -> None:
    result = await posted(Answer(200, body, headers))
    assert (result.status, result.error, result.is_success) == (200, error, False)


@pytest.mark.parametrize(("size", "is_whole"), [(MAX_RESPONSE_BYTES, True), (MAX_RESPONSE_BYTES + 1, False)])
async def test_64_kilobytes_are_read(size: int, is_whole: bool) -> None:
    result = await posted(Answer(200, b"x" * size))
    assert (len(result.body), result.is_whole) == (MAX_RESPONSE_BYTES, is_whole)
