"""`manage.py backup` while calls write, and `restore` elsewhere. Compares every row, in the backup's own snapshot, and measures memory."""

import asyncio
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.fakes.recording_server import RecordingServer
from tests.flows.platform import PROJECT
from tests.flows.vendors import Vendors
from tests.operations.machines import START_SECONDS, Machines
from tests.operations.output import say
from tests.operations.traffic import Findings, calls

ROWS = 400_000
FILES, FILE_BYTES = 20, 20_000_000
MORE_MEMORY = 30_000  # KiB; how much more memory a backup may use when it is a hundred times larger


@dataclass(frozen=True, slots=True)
class Made:
    """A backup: its file, the command's peak memory in KiB, and the tables' checksums in its snapshot."""

    path: Path
    memory: int
    tables: dict[str, str]


async def run(machines: Machines, vendors: Vendors, collector: RecordingServer, count: int, home: Path) -> Findings:
    """A small backup, then one with many rows and recordings, both during calls. Restores the second one and compares it."""
    async with calls(machines, vendors, count) as traffic:
        small = await asyncio.to_thread(make, machines, home / "small.tar")
        await asyncio.to_thread(fill, machines)
        large = await asyncio.to_thread(make, machines, home / "large.tar")
        restored, memory = await asyncio.to_thread(restore, machines, large.path, home / "copy")
        for made, name in ((small, "small"), (large, "large")):
            say(f"{name}: {made.path.stat().st_size:,} bytes, at most {made.memory:,} KiB of memory")
        say(f"restore: at most {memory:,} KiB; {len(restored)} tables compared")
        differing = [name for name in large.tables | restored if large.tables.get(name) != restored.get(name)]
        traffic.findings.problems += [f"table {name} differs" for name in differing]
        recordings = {path.name: path.read_bytes() for path in (machines.data_dir / "recordings/operations").iterdir()}
        copies = {path.name: path.read_bytes() for path in (home / "copy/recordings/operations").iterdir()}
        if recordings != copies or len(copies) != FILES:
            traffic.findings.problems.append("recordings differ")
        if large.memory - small.memory > MORE_MEMORY:
            traffic.findings.problems.append("memory grows with the size of the backup")
        return await traffic.finish(gap_seconds=2.0)


def make(machines: Machines, path: Path) -> Made:
    """Make a backup. While its snapshot is exported, the server has a file for it, so another connection can read the same state."""
    with psycopg.connect(machines.environment["DATABASE_URL"], autocommit=True) as connection:
        (data_directory,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        folder = Path(data_directory, "pg_snapshots")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        process = _start(machines.environment, ["backup", str(path)])
        deadline = time.monotonic() + START_SECONDS
        while not (names := [file.name for file in folder.iterdir() if not file.suffix]):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(names[0]))
        memory = _end(process)
        return Made(path, memory, checksums(connection))


def fill(machines: Machines) -> None:
    """Add many rows, and recordings of old calls."""
    command = [sys.executable, "-m", "tests.operations.rows", str(ROWS), str(FILES), str(FILE_BYTES)]
    subprocess.run(command, cwd=PROJECT, env=machines.environment, check=True)


def restore(machines: Machines, path: Path, data_dir: Path) -> tuple[dict[str, str], int]:
    """Restore into an empty database and folder. Returns the tables' checksums, and the peak memory in KiB."""
    data_dir.mkdir()
    url = machines.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE elsewhere")
    other = psycopg.conninfo.conninfo_to_dict(url) | {"dbname": "elsewhere"}
    address = "postgresql://{user}:{password}@{host}:{port}/elsewhere".format(**other)
    environment = machines.environment | {"DATABASE_URL": address, "DATA_DIR": str(data_dir)}
    memory = _end(_start(environment, ["restore", str(path)]))
    with psycopg.connect(address) as connection:
        return checksums(connection), memory


def checksums(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, str]:
    """Of all rows of each table, sorted by their hash."""
    found = {}
    names = connection.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (name,) in names:
        query = "SELECT count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {} AS t"
        row = connection.execute(sql.SQL(query).format(sql.Identifier(str(name)))).fetchone()
        found[str(name)] = str(row[0]) if row else ""
    return found


def _start(environment: dict[str, str], command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "manage.py", *command], cwd=PROJECT, env=environment)


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process. Returns its own peak memory in KiB (`wait4` would include our memory at the time of the fork)."""
    most = 0
    while process.poll() is None:
        with suppress(FileNotFoundError, ProcessLookupError):
            peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            most = int(peak[1]) if peak else most
        time.sleep(0.02)
    assert process.returncode == 0
    return most
