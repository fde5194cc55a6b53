"""The parser for external JSON, alone and in the code that uses it."""

import json
from typing import Any

import pytest
from django.test import Client

from agents.providers.message_fields import parse_object
from bubblyphone.core.audio import PCMU_8K
from bubblyphone.core.json.documents import (
    MAX_DEPTH,
    InvalidJSON,
    parse_foreign_json,
    parse_json,
    parse_lenient_json,
    parse_stored_json,
)
from calls.live.tool_results import read_answer
from calls.webhook_mode.actions import MalformedAction, parse_action
from phone_numbers.carriers.media_protocol import StreamStarted
from phone_numbers.carriers.telnyx import webhooks
from phone_numbers.carriers.telnyx.media_protocol import TelnyxMediaProtocol
from sandbox.sockets.phone_socket import is_command
from sandbox.sockets.sandbox_socket import read_audio
from webhooks.http.outbound_http import PostResult


def lists(depth: int) -> str:
    return "[" * depth + "]" * depth


def objects(depth: int) -> str:
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


@pytest.mark.parametrize("make", [lists, objects])
def test_nesting_is_limited(make: Any) -> None:
    assert parse_json(make(MAX_DEPTH)) == json.loads(make(MAX_DEPTH))
    assert parse_stored_json(make(2 * MAX_DEPTH)) == json.loads(make(2 * MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 950, 1000, 1023, 1024, 100_000):
        with pytest.raises(InvalidJSON, match=r"nested more than 64 levels deep|not valid JSON"):
            parse_json(make(depth))


def test_width_is_not_depth_and_brackets_in_text_are_not_nesting() -> None:
    wide = [[{}] for _ in range(5000)]
    assert parse_json(json.dumps(wide)) == wide
    assert parse_json(json.dumps("[{" * 5000)) == "[{" * 5000


@pytest.mark.parametrize(
    "document",
    ["", "{", "NaN", "[Infinity]", "1e400", '"\\ud83d"', '"\\udc00x"', '"\ud800"', b"\xff", b'"\xed\xa0\x80"', "[1,]", "// no\n1"],
)  # fmt: skip
def test_invalid_json_is_refused(document: str | bytes) -> None:
    with pytest.raises(InvalidJSON, match="not valid JSON"):
        parse_json(document)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ('{"a":[1,{"b":"x\\u0000"}]}', "a.1.b"),
        ('{"a":{"\\u0000":1}}', "a"),
        ('"\\u0000"', ""),
        ('[["\\u0000"]]', "0.0"),
    ],
)
def test_null_characters(document: str, path: str) -> None:
    with pytest.raises(InvalidJSON, match="a null character") as refusal:
        parse_json(document)
    assert refusal.value.path == path
    assert "\x00" not in repr(parse_foreign_json(document))
    assert parse_json('"\\\\u0000"') == parse_foreign_json('"\\\\u0000"') == "\\u0000"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
        ('{"a": NaN, "b": [Infinity, -Infinity]}', {"a": None, "b": [None, None]}),
        ('{"a": 1e400, "b": -1e400}', {"a": None, "b": None}),
        ('{"id": 123456789012345678901234567890}', {"id": 1.2345678901234568e29}),
        ('{"a": "\\ud83d", "b": "\\ud83d\\ude00", "c": "x\\u0000y"}', {"a": "\ufffd", "b": "😀", "c": "xy"}),
        (" [1] \n", [1]),
        (f"[NaN, 1{'0' * 400}, -{'9' * 5000}, {2**64}]", [None, None, None, float(2**64)]),
        ('[NaN, "[[[[", "\\"[["]', [None, "[[[[", '"[[']),
        ("null", None),
        ("[" * 64 + "]" * 64, "nested"),
    ],
)
def test_invalid_json_of_other_servers_can_be_read_leniently(text: str, value: Any) -> None:
    found = parse_lenient_json(text)
    assert isinstance(found, list) if value == "nested" else found == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fine",
        "{'a': 1}",
        "{",
        "[" * 65 + "]" * 65,
        "[" * 1000 + "]" * 1000,
        "[" * 30_000,
        "9" * 5000 + "x",
        "[NaN," * 65,
    ],
)
def test_json_that_even_the_lenient_parser_refuses(text: str) -> None:
    with pytest.raises(InvalidJSON):
        parse_lenient_json(text)


# --- in use -----------------------------------------------------------------------------------------------------------
DEPTHS = (65, 500, 950, 1000, 1023)


@pytest.mark.parametrize("depth", DEPTHS)
def test_deeply_nested_json_from_servers_and_sockets(depth: int) -> None:
    deep = objects(depth)
    assert parse_object(deep) is None
    assert not is_command(deep)
    assert read_audio({"text": deep}) == (None, "This frame is not JSON.")
    body = f'{{"result":{deep}}}'
    assert read_answer(PostResult(status=200, body=body, error=None, latency_ms=1)).result == {"result": body}
    with pytest.raises(MalformedAction, match="nested more than 64 levels deep"):
        parse_action(f'{{"action":"speak","text":{deep}}}')
    with pytest.raises(ValueError, match="Telnyx's media protocol"):
        TelnyxMediaProtocol(StreamStarted("v3:x", PCMU_8K)).decode(f'{{"event":"mark","mark":{deep}}}')
    with pytest.raises(ValueError, match="nested more than 64 levels deep"):
        webhooks.parse(f'{{"data":{deep}}}'.encode())


@pytest.mark.django_db
@pytest.mark.parametrize("depth", DEPTHS)
def test_the_demo_tool(client: Client, depth: int) -> None:
    body = f'{{"tool":"check_availability","arguments":{{"date":{objects(depth)}}}}}'
    response = client.post("/sandbox/demo-tool", body, content_type="application/json")
    assert (response.status_code, response.json()) == (422, {"message": "Expected the body of a call.tool_call event."})
