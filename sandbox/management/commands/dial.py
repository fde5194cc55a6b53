"""`manage.py dial +14155550100 --say "What are your opening hours?"`: a scripted phone at the built-in exchange."""

import base64
import sys
import wave
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import httpx2
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bubblyphone.core.json.documents import parse_json
from bubblyphone.env import env_secret

CALLER = "+12025550199"
# The agent's silence after which the next step runs.
SILENCE_MS = 900
# In addition to the call's duration: the TTS must be loaded, and the phone may ring for a minute.
PATIENCE_SECONDS = 90


class Command(BaseCommand):
    help = (
        "Dial a number from a scripted phone at the built-in exchange. With --wait, receive a call instead. --say, --wav and"
        " --press run in this order, each after the other party has finished speaking."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", help="number to call, like +14155550100. With --wait, the number of this phone")
        parser.add_argument("--from", dest="caller", default=CALLER, help=f"the caller's number (default {CALLER})")
        parser.add_argument("--say", action="append", default=[], help="sentence to say (can be repeated)")
        parser.add_argument("--wav", action="append", default=[], type=Path, help="8 kHz 16-bit mono WAV file to play")
        parser.add_argument("--press", action="append", default=[], help="keys to press at the end")
        parser.add_argument("--hangup-after", type=int, default=30, help="seconds from answer to end (default 30)")
        parser.add_argument(
            "--record", type=Path, help="write a stereo WAV file: this phone left, the other party right"
        )
        parser.add_argument("--script", type=Path, help="JSON file with steps, instead of the options above")
        called = parser.add_argument_group("waiting for a call")
        called.add_argument("--wait", type=int, metavar="SECONDS", help="seconds to wait for a call to the number")
        rings = ("answer", "busy", "decline", "ignore")
        called.add_argument("--ring", choices=rings, default="answer", help="what to do when the phone rings")
        called.add_argument("--ring-seconds", type=int, default=1, help="seconds of ringing before that (default 1)")
        called.add_argument(
            "--machine", action="store_true", help="act as an answering machine: end the greeting with a beep"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EXCHANGE_URL:
            raise CommandError("EXCHANGE_URL is not set. Start the built-in exchange with `make run`.")
        path, body = _request(options)
        headers = {"Authorization": f"Bearer {env_secret('TELNYX_API_KEY')}"}
        timeout = httpx2.Timeout(10, read=options["hangup_after"] + (options["wait"] or 0) + PATIENCE_SECONDS)
        try:
            with httpx2.stream(
                "POST", f"{settings.EXCHANGE_URL}{path}", json=body, headers=headers, timeout=timeout
            ) as response:
                if response.status_code != 200:
                    response.read()
                    raise CommandError(parse_json(response.content)["errors"][0]["detail"])
                result = self._follow(response)
        except httpx2.HTTPError as error:
            raise CommandError(f"The exchange at {settings.EXCHANGE_URL} does not respond: {error}") from error
        if options["record"] and result["recording"]:
            options["record"].write_bytes(base64.b64decode(result["recording"]))
            self.stdout.write(f"recorded to {options['record']}")
        if result["error"]:
            raise CommandError(result["error"])
        # A script that declines the call has succeeded.
        if result["cause"] != "normal_clearing" and options["ring"] == "answer":
            sys.exit(1)

    def _follow(self, response: httpx2.Response) -> dict[str, Any]:
        """Print events as they happen, and return the result."""
        for line in response.iter_lines():
            event = parse_json(line)
            if event["kind"] == "result":
                return dict(event)
            self.stdout.write(f"{event['at_seconds']:8.2f} s  {event['kind']:9} {event['detail']}")
            # so that a pipe also gets it during the call
            self.stdout.flush()
        raise CommandError("The connection to the exchange was lost.")


def _request(options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Path and body for the exchange (sandbox.exchange.handsets.handsets_api)."""
    script = {"steps": _steps(options), "max_seconds": options["hangup_after"]}
    if options["wait"] is None:
        return "/handsets/dial", script | {"to": options["number"], "from": options["caller"]}
    return "/handsets/wait", script | {
        "number": options["number"],
        "wait_seconds": options["wait"],
        "on_ring": options["ring"],
        "ring_seconds": options["ring_seconds"],
        "answerer": "machine" if options["machine"] else "human",
    }


def _steps(options: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps that the command line describes."""
    if options["script"]:
        return _read_script(options["script"])
    spoken = [{"say": text} for text in options["say"]]
    spoken += [{"say_pcm": base64.b64encode(_read_wav(path)).decode()} for path in options["wav"]]
    if options["machine"]:
        return [{"wait": 0.3}, *spoken, {"beep": True}]
    listen = {"wait_for_silence": SILENCE_MS}
    steps: list[dict[str, Any]] = [{"hear_greeting": SILENCE_MS}]
    for sentence in spoken:
        steps += [sentence, listen]
    return steps + [{"press": digits} for digits in options["press"]]


def _read_script(path: Path) -> list[dict[str, Any]]:
    try:
        return list(parse_json(path.read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise CommandError(f"{path} is not a list of steps in JSON: {error}") from error


def _read_wav(path: Path) -> bytes:
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (8000, 1, 2):
                raise CommandError(f"{path} must be 8 kHz, mono, 16 bit.")
            return file.readframes(file.getnframes())
    except (OSError, wave.Error) as error:
        raise CommandError(f"Cannot read {path}: {error}") from error
