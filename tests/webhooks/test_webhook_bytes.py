"""The exact bytes of a webhook, as a receiver on Node sees them."""

import hashlib
import hmac
import json
import math
import shutil
import subprocess
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from webhooks.sending.body_encoding import encode_body
from webhooks.sending.signing import SigningKeys, signature_headers

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node is not installed")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (Decimal("0.10"), "0.1"),
        (Decimal("0.063"), "0.063"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (123456789012345680000, "123456789012345680000"),
        (2**53 + 1, "9007199254740992"),
        (10**400, "null"),
        (math.nan, "null"),
        (math.inf, "null"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (-1.5e-9, "-1.5e-9"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (True, "true"),
        (None, "null"),
        ('é\u2028\x7f\x01\n"\\/', '"é\u2028\x7f\\u0001\\n\\"\\\\/"'),
        ("\ud83d\ude00 \ud83d", '"\U0001f600 \\ud83d"'),
        ((1, [2]), "[1,[2]]"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert encode_body({"v": value}) == f'{{"v":{text}}}'


def test_integer_like_keys_come_first_in_order() -> None:
    payload = {"b": 1, "10": 2, "2": 3, "01": 4, "-1": 5, "4294967294": 6, "4294967295": 7, "0": 8}
    assert encode_body(payload) == ('{"0":8,"2":3,"10":2,"4294967294":6,"b":1,"01":4,"-1":5,"4294967295":7}')


@pytest.mark.parametrize("value", [{1: 2}, {"a": b"x"}, {"a": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_values_that_are_not_json_raise_an_error(value: Any) -> None:
    with pytest.raises(TypeError):
        encode_body(value)


def test_excessive_nesting_raises_an_error() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ValueError, match="nested too deeply"):
        encode_body({"a": nested})


characters = st.one_of(st.characters(), st.characters(categories=["Cs"]))
texts = st.text(characters, max_size=8)
keys = st.one_of(
    texts, st.integers(0, 2**33).map(str), st.sampled_from(["__proto__", "constructor", "01", "-0", "1e3"])
)
numbers = st.one_of(st.integers(), st.floats(), st.decimals(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=10,
)


@needs_node
# No shrinking, because each step would start a Node process.
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
@given(st.lists(st.dictionaries(keys, values, max_size=5), min_size=30, max_size=60))
def test_node_serializes_to_the_same_bytes(payloads: list[dict[str, Any]]) -> None:
    bodies = [encode_body(payload) for payload in payloads]
    # Length-prefixed, because a body can be any text. Node returns its own serialization of each body.
    script = """
        const input = require('fs').readFileSync(0);
        let at = 0; const out = [];
        while (at < input.length) {
            const size = input.readUInt32BE(at);
            const again = Buffer.from(JSON.stringify(JSON.parse(input.toString('utf8', at + 4, at + 4 + size))), 'utf8');
            const head = Buffer.alloc(4); head.writeUInt32BE(again.length);
            out.push(head, again); at += 4 + size;
        }
        process.stdout.write(Buffer.concat(out));
    """
    sent = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (body.encode() for body in bodies))
    given_back = subprocess.run([str(NODE), "-e", script], input=sent, capture_output=True, check=True).stdout
    assert given_back == sent


@needs_node
def test_doubles_are_formatted_as_in_node() -> None:
    doubles = [float.fromhex(f"0x1.{number * 7919:013x}p{number % 200 - 100}") for number in range(3000)]
    script = "const v = JSON.parse(require('fs').readFileSync(0)); process.stdout.write(v.map(x => ''+x).join('\\n'))"
    source = json.dumps(doubles)
    output = subprocess.run([str(NODE), "-e", script], input=source, capture_output=True, check=True, text=True).stdout
    assert output.split("\n") == [encode_body({"v": number})[5:-1] for number in doubles]


def test_headers_and_signature() -> None:
    webhook_id = "0c6f2f6e-6f4f-4a4e-9a53-0f3f7a1c0d11"
    body = '{"event":"call.hangup","cost":0.1}'
    expected = hmac.new(b"whsec_abc", b"1774612805." + body.encode(), hashlib.sha256).hexdigest()
    assert signature_headers(SigningKeys("whsec_abc"), body, webhook_id, 1774612805) == {
        "Content-Type": "application/json",
        "User-Agent": "BubblyPhone-Webhooks/1.0",
        "X-Signature": f"sha256={expected}",
        "X-Timestamp": "1774612805",
        "X-Webhook-Id": "0c6f2f6e-6f4f-4a4e-9a53-0f3f7a1c0d11",
    }


def test_both_keys_sign_until_the_previous_one_expires() -> None:
    lapses = datetime(2026, 3, 28, tzinfo=UTC)
    both = SigningKeys("new", "old", lapses)
    moment = int(lapses.timestamp())

    def signature(timestamp: int) -> str:
        return signature_headers(both, "{}", str(uuid.uuid4()), timestamp)["X-Signature"]

    def single(key: str, timestamp: int) -> str:
        return signature_headers(SigningKeys(key), "{}", str(uuid.uuid4()), timestamp)["X-Signature"]

    assert signature(moment - 1) == f"{single('new', moment - 1)},{single('old', moment - 1)}"
    assert signature(moment) == single("new", moment)


@needs_node
def test_the_published_snippet_verifies() -> None:
    """The published sample code, unchanged, and called with a parsed body as in Express."""
    body = encode_body(
        {"event": "call.hangup", "cost": Decimal("0.10"), "text": "Grüße \U0001f600 \u2028", "7": 1, "2": 1.50}
    )
    headers = signature_headers(SigningKeys("whsec_abc"), body, str(uuid.uuid4()), 1774612805)
    script = """
        const crypto = require('crypto');
        function verifySignature(body, timestamp, signature, secret) {
        const expected = crypto
        .createHmac('sha256', secret)
        .update(timestamp + '.' + JSON.stringify(body))
        .digest('hex');
        return 'sha256=' + expected === signature;
        }
        const [timestamp, signature] = process.argv.slice(1);
        const body = JSON.parse(require('fs').readFileSync(0, 'utf8'));
        process.stdout.write(String(verifySignature(body, timestamp, signature, 'whsec_abc')));
    """
    command = [str(NODE), "-e", script, headers["X-Timestamp"], headers["X-Signature"]]
    assert subprocess.run(command, input=body.encode(), capture_output=True, check=True).stdout == b"true"
