"""Fixtures for sessions with fake vendors."""

import pytest


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """websockets honors the machine's proxy variables, even for loopback addresses."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
