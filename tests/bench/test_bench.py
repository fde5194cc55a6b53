"""The benchmark itself: twenty calls through a real media process return every frame and every interruption."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads CPU times from /proc")
def test_twenty_calls_lose_no_frame(tmp_path: Path) -> None:
    # Latency on a machine that runs tests is meaningless. The limit is for `make bench` on a quiet one.
    page = tmp_path / "benchmarks.md"
    command = [sys.executable, "-m", "tests.bench", "--smoke", "--limit", "1000", "--write", str(page)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = page.read_text()
    row = re.search(r"\| 20 \| [\d.]+ / [\d.]+ \| .* \| 0 of (\d+) \| ([\d.]+) \|", text)
    assert row is not None, text
    assert int(row[1]) >= 20 * 50 * 2 * 0.9
    assert float(row[2]) > 0
    assert re.search(r"^- Barge-in to clear at 20 calls, p50 / p99 of [0-9]{2,3}: ", text, re.M)
    assert float(re.search(r"^- Memory with Gemini's formats: \*\*(-?\d+) KB\*\*", text, re.M)[1]) < 5000
    assert re.search(r"^- Answering, 20 calls at 20 a second, .* \*\*[\d.]+ / [\d.]+ / [\d.]+ ms\*\*", text, re.M)
    assert re.search(r"^- Gemini's formats .*, 5 calls: \*\*[\d.]+\*\* × .*, 0 of [1-9]\d* frames lost", text, re.M)
    assert re.search(r"^- Recording, live transcript and metering, 5 calls: \*\*[\d.]+\*\* ×", text, re.M)
    for where in ("in the web process", "in a media process"):
        assert re.search(
            rf"^- With other work, 5 calls {where}: .* 0 of [1-9]\d* frames lost\. .* Other work: [1-9]", text, re.M
        )
    assert re.search(r"^- 4 calls on 2 media processes: 0 of [1-9]\d* frames lost", text, re.M)
    assert re.search(r"^- 1,000 calls an hour of 120 s, on one media process, by this model: \*\*\d", text, re.M)
    assert re.search(r"^- 1,000 calls at once of 120 s, on 8 media processes, by this model: \*\*\d", text, re.M)
    assert re.search(r"^- 8 calls in one process: (0 of [1-9]\d* frames lost|not measured)", text, re.M)
