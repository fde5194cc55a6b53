"""The published Node and Python samples against a running platform. Only host, keys, IDs, numbers and ports are replaced."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from bubblyphone.services.ports import find_free
from tests import languages
from tests.flows.handset import handset
from tests.flows.platform import Platform
from tests.flows.voices import Voices

PROGRAMS = Path(__file__).parent / "samples"


@pytest.fixture
def needs_node() -> None:
    languages.command_for("js")


@contextmanager
def node(folder: Path, program: str, port: int, **environment: str) -> Iterator[Path]:
    """Run a sample server on a port. Returns the file with its output."""
    (folder / "node_modules" / "express").mkdir(parents=True)
    shutil.copy(PROGRAMS / "express.js.txt", folder / "node_modules" / "express" / "index.js")
    shutil.copy(PROGRAMS / "around.js.txt", folder / "around.js")
    (folder / "program.js").write_text((PROGRAMS / program).read_text().replace("3001", str(port)))
    output = folder / "output.txt"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            ["node", "-r", "./around.js", "program.js"],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 20
        while not listens(port):
            assert process.poll() is None and time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)
        yield output
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.usefixtures("needs_node")
async def test_the_sample_receptionist_answers_a_call(platform: Platform, voices: Voices, tmp_path: Path) -> None:
    port = find_free()
    with node(tmp_path, "receptionist.js.txt", port) as output:
        async with handset(platform) as phone:
            number = await platform.number(mode="webhook", webhook_url=f"http://127.0.0.1:{port}/webhook")
            await phone.dial(number.e164)
            await phone.listen()
            await phone.ask(await voices.say("I would like to book a table."))
            await phone.hang_up()
            call = await platform.ended_call((await platform.call_on(number))["id"])
            await platform.until(lambda: "Call ended:" in output.read_text())
    transcript = [entry["text"] for entry in await platform.transcript(call["id"])]
    assert output.read_text() == f"Call ended: {call['duration_seconds']} seconds\n"
    assert transcript[0] == "Hi! Thanks for calling Acme Corp. How can I help you?"
    assert transcript[2] == f"You said: {transcript[1]}"


@pytest.mark.usefixtures("needs_node")
async def test_the_sample_outbound_call_works_and_our_signatures_verify(platform: Platform, tmp_path: Path) -> None:
    port = find_free()
    url = f"http://127.0.0.1:{port}/webhook"
    number = await platform.number(mode="webhook", webhook_url=url)
    server = {"APP_PORT": str(port), "WEBHOOK_SECRET": number.secret}
    with node(tmp_path, "verify.js.txt", port, **server) as output:
        async with handset(platform) as phone:
            placeholders = {
                "bp_live_sk_your_key_here": platform.demo["api_key"],
                "https://agent.bubblyphone.com": platform.url,
                "+14155551234": number.e164,
                "+15551234567": phone.number,
            }
            printed = await asyncio.to_thread(run_python, "outbound.py.txt", placeholders)
            call_id = int(printed.removeprefix("Call initiated: "))
            await phone.wait_for("ringing")
            await phone.control(type="answer")
            await phone.listen()
            await phone.hang_up()
            await platform.ended_call(call_id)
            await platform.until(lambda: "call.hangup 200" in output.read_text())
            forged = await asyncio.to_thread(httpx2.post, url, json={"event": "call.forged"}, trust_env=False)
    assert [entry["text"] for entry in await platform.transcript(call_id)] == [
        "Hello! This is an automated call from Acme Corp."
    ]
    assert (forged.status_code, forged.text) == (401, "Invalid signature")
    logs = await platform.get(f"/calls/{call_id}/webhook-logs")
    assert [(log["event_type"], log["response_status"]) for log in logs] == [
        ("call.answered", 200),
        ("call.hangup", 200),
    ]


def run_python(program: str, placeholders: dict[str, str]) -> str:
    """Run a Python program with its placeholders replaced. Returns its output."""
    code = (PROGRAMS / program).read_text()
    for name, value in placeholders.items():
        assert name in code
        code = code.replace(name, value)
    # Requests to this machine must not use a proxy.
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()
