"""The built-in exchange for synchronous tests, in its own thread and event loop."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from sandbox.exchange.server import Exchange

Result = TypeVar("Result")


class ExchangeThread:
    """Use as `with ExchangeThread() as running: running.exchange.base_url`. Its options can be changed while it runs."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.exchange = Exchange(**self._options)
        self.run(self.exchange.start())
        return self

    def __exit__(self, *error: object) -> None:
        self.run(self.exchange.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the exchange's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def carrier_options(self, base_url: str = "") -> dict[str, str]:
        """Carrier options for this exchange."""
        return {
            "api_key": self.exchange.api_key,
            "public_key": self.exchange.public_key,
            "base_url": base_url or self.exchange.base_url,
            "connection_id": self.exchange.connection_id,
        }

    def credentials(self) -> dict[str, str]:
        """Credentials of the account at this exchange."""
        options = self.carrier_options()
        return {name: options[name] for name in ("api_key", "public_key", "connection_id")}
