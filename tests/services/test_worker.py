"""`manage.py qcluster` as it runs in production, on the test's database."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection
from django_q.models import OrmQ, Task

from bubblyphone.core.background.jobs import delete_old_logs, enqueue

pytestmark = pytest.mark.django_db(transaction=True)

PROJECT = Path(__file__).resolve().parents[2]
JOBS = 30


def connections_made() -> int:
    """How many sessions this database has had."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_jobs_share_the_connections_of_the_worker() -> None:
    for _ in range(JOBS):
        enqueue(delete_old_logs)
    before = connections_made()
    login = connection.settings_dict
    url = f"postgresql://{login['USER']}:{login['PASSWORD']}@{login['HOST']}:{login['PORT']}/{login['NAME']}"
    environment = {**os.environ, "DATABASE_URL": url}
    worker = subprocess.Popen([sys.executable, "manage.py", "qcluster"], cwd=PROJECT, env=environment)
    try:
        deadline = time.monotonic() + 60
        while OrmQ.objects.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait(30)
    function = f"{delete_old_logs.__module__}.{delete_old_logs.__qualname__}"
    assert Task.objects.filter(func=function, success=True).count() == JOBS
    assert connections_made() - before < JOBS  # of a few threads in six processes; each job made several
