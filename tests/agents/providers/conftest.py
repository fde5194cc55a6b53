"""Fixtures for sessions with fake vendors."""

import pytest


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """websockets honours the proxy variables of the machine, for loopback too."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
