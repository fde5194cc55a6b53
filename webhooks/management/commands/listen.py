"""`manage.py listen --forward 3000`: prints an account's events as they happen, and sends them to a server on this machine."""

import json
import os
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import httpx2
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bubblyphone.core.crypto import make_secret
from bubblyphone.core.json.documents import parse_json
from webhooks.local_forwarding import FORWARD_TIMEOUT_SECONDS, EventReader, Forwarder, Refused

API_TIMEOUT_SECONDS = 20.0


class Command(BaseCommand):
    help = (
        "Print an account's events as they happen. With --forward, each is also sent to a server on this machine, signed like a"
        " webhook. Stop with Ctrl-C. While the server restarts, listen waits for it and misses nothing."
    )
    requires_system_checks = ()
    sleep: Callable[[float], None] = staticmethod(time.sleep)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--forward", metavar="ADDRESS", help="a port, like 3000, or a URL to send events to")
        parser.add_argument(
            "--type", action="append", default=[], metavar="EVENT", help="only this event (can be repeated)"
        )
        parser.add_argument("--after", default="", metavar="ID", help="start after this event instead of now")
        parser.add_argument("--secret", help="signing secret (default: a new one, which is printed)")
        parser.add_argument("--body", action="store_true", help="also print the body of each event")
        parser.add_argument("--url", help="the server (default: PUBLIC_URL of this installation)")
        parser.add_argument("--api-key", help="the account's API key (default: API_KEY, else the demo account's)")

    def handle(self, *args: Any, **options: Any) -> None:
        headers = {"Authorization": f"Bearer {options['api_key'] or _default_key()}"}
        with (
            httpx2.Client(
                base_url=options["url"] or settings.PUBLIC_URL, headers=headers, timeout=API_TIMEOUT_SECONDS
            ) as api,
            httpx2.Client(timeout=FORWARD_TIMEOUT_SECONDS, trust_env=False) as local,
        ):
            reader = EventReader(
                api, after=options["after"], types=options["type"], report=self._report, sleep=self.sleep
            )
            try:
                self._follow(reader, self._forwarder(local, options), shows_body=options["body"])
            except Refused as error:
                raise CommandError(str(error)) from error
            except KeyboardInterrupt:
                return

    def _forwarder(self, client: httpx2.Client, options: dict[str, Any]) -> Forwarder | None:
        if not options["forward"]:
            return None
        secret = options["secret"] or make_secret("whsec_")
        forwarder = Forwarder(client, _url_of(options["forward"]), secret)
        self._print(f"Forwarding to {forwarder.url}, signed with {secret}")
        return forwarder

    def _follow(self, reader: EventReader, forwarder: Forwarder | None, *, shows_body: bool) -> None:
        self._print(f"Listening to the events of {reader.open()}. Press Ctrl-C to stop.")
        for event in reader.follow():
            about = f"call {event['call_id']}" if event["call_id"] else ""
            line = f"{event['created_at']}  {event['type']:24} {about:12} {event['id']}"
            self._print(line.rstrip())
            if shows_body:
                self._print(json.dumps(event["data"], indent=2, ensure_ascii=False))
            if forwarder is not None:
                self._print(f"  → {forwarder.forward(event)}")

    def _report(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()

    def _print(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()  # also into a pipe, while it runs


def _default_key() -> str:
    """The API_KEY in the environment, or else the demo account's key. Raises CommandError."""
    if key := os.environ.get("API_KEY"):
        return key
    path = settings.DATA_DIR / "demo.json"
    if not path.exists():
        raise CommandError("Set --api-key or API_KEY to an API key of the account.")
    return str(parse_json(path.read_bytes())["api_key"])


def _url_of(address: str) -> str:
    """ "3000", "localhost:3000/hook" or a whole URL. Raises CommandError."""
    url = address
    if address.isascii() and address.isdecimal():
        url = f"http://localhost:{address}"
    elif "://" not in address:
        url = f"http://{address.removeprefix('//')}"
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise CommandError(f"--forward must be a port or a URL, not {address!r}.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise CommandError(f"--forward must be a port or a URL, not {address!r}.")
    return url
