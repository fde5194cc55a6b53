"""Stop signals: many at once count as one, and their handler cannot be blocked by a lock."""

import os
import subprocess
import sys
import time

import pytest

# Like the supervisor's loop, which checks and then sleeps briefly. Prints `asked` after the first signal.
WAITING = """
import os, signal, sys, threading, time
from bubblyphone.services.stop_signals import StopSignals
signals = StopSignals()
signals.install()
def storm():
    for _ in range(5000):
        os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=storm).start()
while not signals.is_stop_requested:
    time.sleep(0.0001)
print("asked", signals.is_urgent, flush=True)
"""

SIGNALS_CODE = """
import os, signal, time
from bubblyphone.services.stop_signals import StopSignals
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under `nohup` it is ignored
signals = StopSignals()
signals.install()
began = time.monotonic()
for pause in {pauses}:
    time.sleep(pause)
    os.kill(os.getpid(), signal.{name})
print(signals.is_stop_requested, signals.is_urgent)
"""


def test_many_signals_are_one_request() -> None:
    for _ in range(5):
        result = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, text=True, timeout=30, check=True)
        assert result.stdout == "asked False\n"


@pytest.mark.parametrize(
    ("name", "pauses", "expected"),
    [
        ("SIGTERM", [0], "True False\n"),
        ("SIGINT", [0, 0.001], "True False\n"),
        ("SIGHUP", [0, 0.5], "True False\n"),
        ("SIGTERM", [0, 0.3, 0.3, 0.3], "True False\n"),
        ("SIGINT", [0, 1.1], "True True\n"),
        ("SIGTERM", [0, 0.001, 1.1], "True True\n"),
        ("SIGTERM", [], "False False\n"),
    ],
)
def test_a_second_signal_is_urgent_after_a_second(name: str, pauses: list[float], expected: str) -> None:
    code = SIGNALS_CODE.format(name=name, pauses=pauses)
    began = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert result.stdout == expected
    assert time.monotonic() - began >= sum(pauses)


# A session like that of `ssh -t host make run`: its leader gets the signal that the terminal was closed, and does not forward it.
LEADER = """
import fcntl, signal, subprocess, sys, termios
signal.signal(signal.SIGHUP, lambda *_: None)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
subprocess.run([sys.executable, "-c", sys.argv[1]], process_group={group}, check=True)
"""
RUN = """
import signal, time
from bubblyphone.services.stop_signals import StopSignals
signal.signal(signal.SIGHUP, signal.{default})
signals = StopSignals()
signals.install()
assert not signals.is_stop_requested
print("runs", flush=True)
until = time.monotonic() + {seconds}
while not signals.is_stop_requested and time.monotonic() < until:
    time.sleep(0.02)
print("asked" if signals.is_stop_requested else "left alone")
"""


@pytest.mark.parametrize(
    ("group", "default", "seconds", "expected"),
    [("None", "SIG_DFL", 30, "asked"), ("0", "SIG_DFL", 1, "left alone"), ("None", "SIG_IGN", 1, "left alone")],
    ids=["in the foreground", "in the background", "under nohup"],
)
def test_closing_the_terminal_requests_a_stop(group: str, default: str, seconds: int, expected: str) -> None:
    ours, theirs = os.openpty()
    code = [LEADER.format(group=group), RUN.format(default=default, seconds=seconds)]
    with subprocess.Popen(
        [sys.executable, "-c", *code], stdin=theirs, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as leader:
        os.close(theirs)
        assert leader.stdout is not None
        assert leader.stdout.readline() == "runs\n"
        os.close(ours)
        assert leader.stdout.read() == f"{expected}\n"
