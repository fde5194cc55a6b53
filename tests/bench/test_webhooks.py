"""The webhook benchmark works: all messages arrive once and signed while 3 of 50 endpoints never respond."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads CPU times from /proc, and uses all of 127.0.0.0/8")
def test_a_clock_sends_all_webhooks_once() -> None:
    command = [sys.executable, "-m", "tests.bench.webhooks", "--rates", "200", "--seconds", "2", "--backlog", "500"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\S+): (\d+) webhooks", done.stdout, re.MULTILINE) == [("200/s", "376"), ("backlog", "470")]
