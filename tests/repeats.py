"""Clients that send the same POSTs concurrently, each with its `Idempotency-Key`."""

import http.client
import json
import threading
import time
from typing import Any

Answer = tuple[int, bytes]
# Pause before retrying after a 409. A shorter pause would use up the CPU.
PAUSE_SECONDS = 0.5
# Timeout for a response, and for the other clients of a turn. A busy machine has needed more than a minute.
TIMEOUT_SECONDS = 300


def post_repeatedly(
    url: str, path: str, headers: dict[str, str], bodies: dict[str, Any], *, threads: int, together: int
) -> dict[str, list[Answer]]:
    """POST every body (key → body) from `threads / together` clients at once, `together` keys in each turn.

    A client that gets 409, because the key is in use, retries. Returns the final responses by key.
    """
    address = url.removeprefix("http://")
    keys = list(bodies)
    answers: dict[str, list[Answer]] = {key: [] for key in keys}
    barrier = threading.Barrier(threads, timeout=TIMEOUT_SECONDS)

    def connect() -> http.client.HTTPConnection:
        # One after another, because the test server has a short connection queue.
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        return connection

    def send(number: int, connection: http.client.HTTPConnection) -> None:
        for turn in range(0, len(keys), together):
            key = keys[turn + number % together]
            body = json.dumps(bodies[key])
            barrier.wait()
            posted = {**headers, "Content-Type": "application/json", "Idempotency-Key": key}
            while True:
                connection.request("POST", path, body, posted)
                response = connection.getresponse()
                status, content = response.status, response.read()
                if status != 409 or b"in progress" not in content:
                    break
                time.sleep(PAUSE_SECONDS)
            answers[key].append((status, content))
        connection.close()

    senders = [threading.Thread(target=send, args=(number, connect())) for number in range(threads)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return answers
