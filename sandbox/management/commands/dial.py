"""`manage.py dial +14155550100 --say "What are your opening hours?"`: call a number of the platform from a script."""

import base64
import json
import sys
import wave
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import httpx2
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bubblyphone.env import env_secret

CALLER = "+12025550199"
# What the agent is given to begin speaking after the caller's last word, before the next step follows.
SILENCE_MS = 900


class Command(BaseCommand):
    help = (
        "Dial a number from a scripted handset of the built-in exchange. --say, --wav and --press are done in this order,"
        " each sentence after the agent has spoken and fallen silent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", help="whom to call, like +14155550100")
        parser.add_argument("--from", dest="caller", default=CALLER, help=f"the caller's number (default {CALLER})")
        parser.add_argument("--say", action="append", default=[], help="a sentence to say; may be given several times")
        parser.add_argument("--wav", action="append", default=[], type=Path, help="an 8 kHz 16-bit mono WAV to play")
        parser.add_argument("--press", action="append", default=[], help="keys to press at the end")
        parser.add_argument("--wait-answer", action="store_true", help="let the agent speak first (its greeting)")
        parser.add_argument("--hangup-after", type=int, default=30, help="seconds from answer to end (default 30)")
        parser.add_argument("--record", type=Path, help="write a stereo WAV: caller left, agent right")
        parser.add_argument("--script", type=Path, help="a JSON file with steps, instead of the options above")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EXCHANGE_URL:
            raise CommandError("EXCHANGE_URL is not set: there is no built-in exchange to dial from.")
        body = {
            "to": options["number"],
            "from": options["caller"],
            "steps": _steps(options),
            "max_seconds": options["hangup_after"],
        }
        headers = {"Authorization": f"Bearer {env_secret('TELNYX_API_KEY')}"}
        timeout = httpx2.Timeout(10, read=options["hangup_after"] + 90)
        try:
            with httpx2.stream(
                "POST", f"{settings.EXCHANGE_URL}/handsets/dial", json=body, headers=headers, timeout=timeout
            ) as response:
                if response.status_code != 200:
                    response.read()
                    raise CommandError(response.json()["errors"][0]["detail"])
                result = self._follow(response)
        except httpx2.HTTPError as error:
            raise CommandError(f"The exchange at {settings.EXCHANGE_URL} does not answer: {error}") from error
        if options["record"] and result.get("recording"):
            options["record"].write_bytes(base64.b64decode(result["recording"]))
            self.stdout.write(f"recorded to {options['record']}")
        if result.get("cause") != "normal_clearing":
            sys.exit(1)

    def _follow(self, response: httpx2.Response) -> dict[str, Any]:
        """Print what happens; the result at the end."""
        for line in response.iter_lines():
            event = json.loads(line)
            if event["kind"] == "result":
                return dict(event)
            self.stdout.write(f"{event['at_seconds']:8.2f} s  {event['kind']:9} {event['detail']}")
        raise CommandError("The exchange broke off.")


def _steps(options: dict[str, Any]) -> list[dict[str, Any]]:
    """The script of the command line."""
    if options["script"]:
        return list(json.loads(options["script"].read_text()))
    listen = {"wait_for_silence": SILENCE_MS}
    steps: list[dict[str, Any]] = [listen] if options["wait_answer"] else [{"wait": 1}]
    for text in options["say"]:
        steps += [{"say": text}, listen]
    for path in options["wav"]:
        steps += [{"say_pcm": base64.b64encode(_read_wav(path)).decode()}, listen]
    steps += [{"press": digits} for digits in options["press"]]
    return steps


def _read_wav(path: Path) -> bytes:
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (8000, 1, 2):
                raise CommandError(f"{path} must be 8 kHz, mono, 16 bit.")
            return file.readframes(file.getnframes())
    except (OSError, wave.Error) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
