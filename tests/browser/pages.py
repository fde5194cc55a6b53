"""Every dashboard page by name, as the demo account sees it after `tests.browser.seed`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
SIGNED_OUT_PAGES = {"landing": "/", "sign-in": "/login", "sign-up": "/signup", "forgot-password": "/password/forgot"}
PAGES = {
    "overview": "/",
    "numbers": "/numbers",
    "number": "/numbers/{number}",
    "buy-number": "/numbers/buy?country=US&number_type=local&area_code=&contains=",
    "agents": "/agents",
    "agent": "/agents/{agent}",
    "agent-new": "/agents/new",
    "calls": "/calls",
    "calls-view": "/calls?direction=outbound&columns=confirmed&columns=outcome",
    "call": "/calls/{call}",
    "call-someone": "/calls/new?agent={agent}",
    "schedule-call": "/calls/new?agent={agent}&when=later",
    "scheduled-calls": "/calls/scheduled",
    "call-charts": "/calls/charts",
    "call-failed": "/calls/{failed_call}",
    "phone": "/phone",
    "sandbox": "/sandbox",
    "billing": "/billing",
    "payments": "/billing/payments",
    "statements": "/billing/statements",
    "limits": "/billing/caps",
    "usage": "/usage",
    "api-keys": "/api-keys",
    "model-keys": "/model-keys",
    "secrets": "/secrets",
    "webhooks": "/webhooks",
    "webhook-endpoints": "/webhook-endpoints",
    "webhook-endpoint": "/webhook-endpoints/{endpoint}",
    "events": "/events",
    "event": "/events/{event}",
    "policy": "/policy",
    "do-not-call": "/do-not-call",
    "countries": "/countries",
    "country": "/countries/GB/local",
    "account": "/account",
    "notifications": "/account/notifications",
    "data": "/account/data",
    "docs": "/docs",
    "docs-search": "/docs?q=place+call",
    "docs-section": "/docs/api/agents",
    "docs-quick-start": "/docs/quick-start",
    "docs-tools": "/docs/tools",
    "docs-webhooks": "/docs/webhooks",
}
# Pages for staff, with the documents that `seed(…, "documents")` submits.
STAFF_PAGES = {
    "admin": "/admin/",
    "admin-status": "/admin/status/",
    "admin-account": "/admin/accounts/developer/{developer}/change/",
    "admin-verifications": "/admin/numbers/verification/",
    "admin-verification": "/admin/numbers/verification/{verification}/change/",
    "admin-call": "/admin/calls/call/{call}/change/",
    "admin-rates": "/admin/billing/telephonyrate/",
}


def seed(data_dir: Path, *also: str) -> dict[str, Any]:
    """Fill a running platform's demo account. Returns the IDs in PAGES (and in STAFF_PAGES with "documents")."""
    environment = json.loads((data_dir / "environment.json").read_text())
    command = [sys.executable, "-m", "tests.browser.seed", *also]
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    ids: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return ids
