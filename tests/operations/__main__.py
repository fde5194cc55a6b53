"""`python -m tests.operations upgrade|machines|backup`: an operator's tasks during calls. Exits with 1 if anything was lost.

Not part of the test suite, because each takes minutes. docs/scaling.md and docs/upgrading.md have the results.
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import django

# The code describes the shapes of webhooks, so the database is never used.
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "bubblyphone.settings_test",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
django.setup()

from tests.fakes.recording_server import RecordingServer  # noqa: E402
from tests.flows.platform import PROJECT  # noqa: E402
from tests.flows.vendors import Vendors  # noqa: E402
from tests.operations import backup, traces  # noqa: E402
from tests.operations.machines import Machines  # noqa: E402
from tests.operations.output import say  # noqa: E402
from tests.operations.traffic import Findings, calls, spoken  # noqa: E402

SPEAKS_WITHIN = 120.0  # until a phone with speech has started
GAP_SECONDS = 2.0  # the longest silence for a caller while a process is replaced
AGENT = {
    "name": "Robin",
    "model_slug": "local-offline",
    "system_prompt": "You are Robin, the receptionist of Harbour Dental. We are open Monday to Friday, and on Saturday morning.",
    "analysis_schema": {"topic": {"type": "text", "description": "What the caller asked about"}},
}
Scenario = Callable[[Machines, Vendors, RecordingServer, int, Path], Awaitable[Findings]]


async def upgrade(machines: Machines, vendors: Vendors, collector: RecordingServer, count: int, home: Path) -> Findings:
    """docs/upgrading.md: `prepare`, clock and worker, then web and media processes, one after another."""
    async with calls(machines, vendors, count) as traffic:
        machines.code = PROJECT
        await asyncio.to_thread(machines.prepare)
        for name in ("clock-1", "worker-1", "clock-2", "worker-2", "web-1", "web-2", "media-1", "media-2"):
            seconds = await asyncio.to_thread(machines.end, name, signal.SIGTERM)
            machines.run(name)
            if name.startswith(("web", "media")):
                await asyncio.to_thread(machines.wait_for, name)
                await asyncio.sleep(3)  # until the proxy and the other processes have noticed it
            say(f"{name} replaced; the old one took {seconds:.1f} s to end")
        return await traffic.finish(GAP_SECONDS)


async def kill(machines: Machines, vendors: Vendors, collector: RecordingServer, count: int, home: Path) -> Findings:
    """docs/scaling.md: kill one process of each role during calls. One call uses speech, and everything about a call is traced."""
    agent = await machines.post("/agents", AGENT)
    number = await machines.number(mode="streaming", agent_id=agent["id"])
    async with calls(machines, vendors, count) as traffic:
        caller = spoken(machines, number, "What are your opening hours?", "Are you open on Saturday?")
        spoken_call = (await machines.call_on(number, SPEAKS_WITHIN))["id"]
        known = "SELECT media_node FROM calls_call WHERE id = %s AND media_node <> ''"
        node = (await machines.until(lambda: machines.query(known, spoken_call), 60))[0][0]
        for name in ("web-1", "worker-1", "clock-1", node):
            machines.end(name, signal.SIGKILL)
            say(f"{name} killed")
            await asyncio.sleep(4)
        for name in ("web-1", "worker-1", "clock-1", node):
            machines.run(name)
        findings = await traffic.finish(gap_seconds=10.0)
        output, _ = await asyncio.to_thread(caller.communicate, timeout=150)
        say(output)
        words = " ".join(entry["text"] for entry in await machines.transcript(spoken_call) if entry["role"] == "model")
        if caller.returncode or "saturday morning" not in words.lower():
            findings.problems.append(f"the spoken call: status {caller.returncode}, {words!r}")
        ids = [row["id"] for row in await machines.get(f"/calls?phone_number_id={traffic.number.id}&per_page=100")]
        analyzed = "SELECT 1 FROM calls_analysis WHERE call_id = %s AND status <> 'pending'"
        await machines.until(lambda: machines.query(analyzed, spoken_call), 60)
        await asyncio.sleep(6)  # spans are exported every five seconds
        findings.problems += traces.problems(collector, ids, "call.started", "call.transcript.ready")
        findings.problems += traces.problems(collector, [spoken_call], "calls.after_call.analysis.run")
    return findings


SCENARIOS: dict[str, tuple[Scenario, int]] = {
    "upgrade": (upgrade, 20),
    "machines": (kill, 6),
    "backup": (backup.run, 10),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.operations", description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--calls", type=int, help="calls at once")
    parser.add_argument("--from", dest="origin", default="HEAD", help="upgrade: the commit that runs at first")
    options = parser.parse_args()
    scenario, count = SCENARIOS[options.scenario]
    home = Path(tempfile.mkdtemp(prefix="bubblyphone-operations-"))
    try:
        code = checkout(options.origin, home / "old") if options.scenario == "upgrade" else PROJECT
        limits = {"NEW_ACCOUNT_MAX_CALLS": "", "NEW_ACCOUNT_DAILY_CAP": "", "LOG_LEVEL": "WARNING"}
        with RecordingServer() as collector, Vendors() as vendors:
            given = vendors.environment | limits | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
            with Machines(home / "data", code, **given) as machines:
                findings = asyncio.run(scenario(machines, vendors, collector, options.calls or count, home))
        say(findings.report())
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 1 if findings.problems or findings.failed_requests else 0


def checkout(commit: str, folder: Path) -> Path:
    """Check out a commit. Its code runs with this environment's packages."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=PROJECT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
