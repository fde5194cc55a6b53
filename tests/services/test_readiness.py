"""/readyz while the database hangs: it reports only the database, and the process can still stop."""

import json
import os
import subprocess
import sys

from tests.services.silence import SilentServer

PROBES = 6
SCRIPT = f"""
import json, time, django
django.setup()
from django.test import Client
client, found = Client(), []
for _ in range({PROBES}):
    began = time.monotonic()
    answer = client.get("/readyz", headers={{"host": "localhost"}})
    found.append([answer.status_code, answer.json()["checks"], time.monotonic() - began])
metrics = client.get("/metrics", headers={{"host": "localhost"}})
print(json.dumps([found, metrics.status_code, metrics.content.decode()]))
"""


def test_a_hanging_database_is_reported_within_two_seconds() -> None:
    silent = SilentServer()
    try:
        database = f"postgresql://nobody@127.0.0.1:{silent.port}/none"
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "DATABASE_URL": database},
            check=True,
            capture_output=True,
            timeout=120,
        )
    finally:
        silent.stop()
    found, metrics_status, metrics = json.loads(done.stdout.splitlines()[-1])
    assert [status for status, _, _ in found] == [503] * PROBES
    for _, checks, _ in found[1:]:  # the first probe loads modules
        assert (checks["database"], checks["redis"]) == (False, True)
    assert sorted(seconds for _, _, seconds in found)[PROBES // 2] < 2
    assert metrics_status == 200
    assert 'bubblyphone_ready{part="database"} 0.0' in metrics
    assert 'bubblyphone_ready{part="redis"} 1.0' in metrics
    assert "bubblyphone_disk_bytes" in metrics
    assert "bubblyphone_jobs_queued" not in metrics
