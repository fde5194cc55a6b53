"""`manage.py exchange`: the built-in carrier, in its own process."""

import asyncio
import base64
import binascii
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from agents import speech
from bubblyphone.env import env_secret, env_str
from sandbox.exchange.audio.recognizer import OfflineRecognizer
from sandbox.exchange.server import Exchange


class Command(BaseCommand):
    help = "Run the built-in exchange at EXCHANGE_URL, speaking Telnyx's protocol and Twilio's. `make run` does this."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        address = urlsplit(env_str("EXCHANGE_URL"))
        if address.hostname is None or address.port is None:
            raise CommandError("EXCHANGE_URL must be like http://127.0.0.1:5060. `make run` sets it.")
        exchange = Exchange(
            host=address.hostname,
            port=address.port,
            api_key=_required("TELNYX_API_KEY"),
            private_key=_private_key(),
            webhook_url=_required("EXCHANGE_WEBHOOK_URL"),
            connection_id=env_str("TELNYX_CONNECTION_ID", "exchange"),
            twilio_accounts=_twilio_accounts(),
            state_path=Path(settings.DATA_DIR) / "exchange.json",
            tts=speech.say_8k if speech.is_installed() else None,
            recognizer=OfflineRecognizer() if speech.is_installed() else None,
            recordings_folder=Path(settings.DATA_DIR) / "exchange-recordings",
        )
        try:
            uvloop.run(_serve(exchange))
        except OSError as error:
            raise CommandError(f"The exchange cannot listen at {address.netloc}: {error.strerror}.") from error


async def _serve(exchange: Exchange) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with exchange:
        print(f"exchange listening at {exchange.url}", flush=True)
        await stop.wait()
    if speech.is_installed():
        await speech.close()


def _required(name: str) -> str:
    value = env_secret(name)
    if not value:
        raise CommandError(f"{name} is not set. `make run` sets it.")
    return value


def _twilio_accounts() -> dict[str, str]:
    account_sid = env_secret("EXCHANGE_TWILIO_ACCOUNT_SID")
    return {account_sid: _required("EXCHANGE_TWILIO_AUTH_TOKEN")} if account_sid else {}


def _private_key() -> bytes:
    try:
        seed = base64.b64decode(_required("EXCHANGE_PRIVATE_KEY"), validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != 32:
        raise CommandError("EXCHANGE_PRIVATE_KEY must be 32 bytes in base64.")
    return seed
