"""`python -m tests.calls.four_servers PORT…`: a server process on each port. Modules are imported once, before forking."""

import os
import signal
import sys
import types

from bubblyphone.asgi import application


def serve(port: int) -> None:
    # Twisted creates its event loop on import, and each process needs its own.
    from daphne.server import Server

    Server(application, endpoints=[f"tcp:port={port}:interface=127.0.0.1"], verbosity=0).run()


def main() -> None:
    children = []
    for port in sys.argv[1:]:
        if child := os.fork():
            children.append(child)
        else:
            serve(int(port))
            os._exit(0)

    def stop(number: int, frame: types.FrameType | None) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
