"""A server that never answers."""

import asyncio
import threading


class SilentServer:
    """Accepts every loopback connection and never responds."""

    def __init__(self) -> None:
        self.taken = 0
        self._lets_go = False
        self._held: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._take, "127.0.0.1", 0, backlog=512))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        if self._lets_go:
            writer.close()
        else:
            self._held.add(writer)

    def hold(self) -> int:
        """Keep connections open from now on. Returns the number of connections so far."""
        self._lets_go = False
        return self.taken

    def let_go(self) -> None:
        """Close all open connections, and new ones until `hold` is called."""
        self._lets_go = True
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._held:
            writer.close()
        self._held.clear()

    def stop(self) -> None:
        self.let_go()
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
