"""`python -m tests.large.restart` in the environment of a database from `tests.large.fill` measures the first request of a new web process.

Starts a process for each page. Prints how long it took to listen, its first request for the page, and the faster of the next two. Times are
in ms, over HTTP. The sums of past days are cached before, since they outlive web processes.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import django

django.setup()

import httpx2  # noqa: E402
from django.conf import settings  # noqa: E402
from django.test import Client  # noqa: E402

from accounts.models import Developer  # noqa: E402
from bubblyphone.services.ports import find_free  # noqa: E402
from tests.large.fill import EMAIL  # noqa: E402

PAGES = ["/", "/calls", "/calls/charts", "/usage", "/numbers", "/billing", "/billing/caps", "/billing/statements"]
START_SECONDS = 60


@contextmanager
def web_process() -> Iterator[str]:
    """Yields its address as soon as it accepts connections."""
    port = find_free()
    environment = {**os.environ, "PORT": str(port), "LOG_LEVEL": "WARNING"}
    with subprocess.Popen([sys.executable, "-m", "bubblyphone.serve"], env=environment) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _listens(port):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    """Without a request: the page's must be the process's first."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="*", default=PAGES)
    browser = Client()
    browser.force_login(Developer.objects.get(email=EMAIL))
    cookies = {settings.SESSION_COOKIE_NAME: browser.cookies[settings.SESSION_COOKIE_NAME].value}
    for path in parser.parse_args().pages:
        browser.get(path)
        began = time.perf_counter()
        with web_process() as url, httpx2.Client(base_url=url, cookies=cookies, trust_env=False, timeout=60) as client:
            ready = time.perf_counter() - began
            times = []
            for _ in range(3):
                began = time.perf_counter()
                assert client.get(path).status_code == 200
                times.append((time.perf_counter() - began) * 1000)
        print(f"{path:40} ready {ready * 1000:6.0f}, first {times[0]:6.0f}, then {min(times[1:]):6.0f} ms", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
