"""No transaction waits for another machine, and waiting code does not keep its database connection."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection, transaction
from django.test import override_settings

from accounts import emails
from accounts.models import Developer
from agents.model_catalog.key_check import check_model_key
from agents.services import create_model_key
from agents.transcription.whisper import WhisperTranscriber
from billing.payments.checkout import start_top_up
from bubblyphone.core.network.waiting import WaitInTransaction, before_waiting
from calls.control.session_messages import End, Speak, ask_session, tell_session
from calls.dashboard.tool_trial import try_tool
from phone_numbers.carriers.telnyx.client import TelnyxClient
from tests.billing.conftest import stripe
from tests.factories import make_developer
from tests.fakes.stripe_server import FakeStripe
from webhooks.http.outbound_http import validate_webhook_url

__all__ = ["stripe"]
NOBODY = "http://127.0.0.1:9"


def ask_carrier(developer: Developer) -> None:
    TelnyxClient("key", NOBODY).get("phone_numbers")


def test_key(developer: Developer) -> None:
    check_model_key(key=create_model_key(developer=developer, provider="openai", api_key="sk-0123456789", label=""))


test_key.__test__ = False  # type: ignore[attr-defined]


def try_a_tool(developer: Developer) -> None:
    try_tool(developer=developer, agent_id=None, url=NOBODY, name="tool", arguments={})


def transcribe(developer: Developer) -> None:
    loud = bytes.fromhex("00700090") * 8000
    WhisperTranscriber(api_key="key", base_url=NOBODY, model="whisper").transcribe(loud, 8000, "en")


def look_up(developer: Developer) -> None:
    with override_settings(ALLOW_PRIVATE_WEBHOOKS=False):
        validate_webhook_url("https://a-name.example.com/hook")


def pay(developer: Developer) -> None:
    start_top_up(developer=developer, amount=Decimal(20), saves_card=False)


ACTIONS: dict[str, Callable[[Developer], object]] = {
    "the carrier": ask_carrier,
    "a key's provider": test_key,
    "a developer's server": try_a_tool,
    "transcription": transcribe,
    "a name server": look_up,
    "Stripe": pay,
    "email": lambda developer: emails.send(developer, "email_changed", {"old": "old@example.com"}),
    "a live session": lambda developer: tell_session(1, End("")),
    "a live session's answer": lambda developer: ask_session(1, Speak("")),
    "documents, written": lambda developer: storages["documents"].save("a", ContentFile(b"")),
    "documents, read": lambda developer: storages["documents"].open("a"),
    "recordings, existence": lambda developer: storages["recordings"].exists("a"),
    "recordings, deleted": lambda developer: storages["recordings"].delete("a"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_waits_in_a_transaction(action: str, stripe: FakeStripe) -> None:
    developer = make_developer()
    with transaction.atomic(), pytest.raises(WaitInTransaction):
        ACTIONS[action](developer)
    assert stripe.account.of_kind("checkout.session") == []


@pytest.mark.django_db(transaction=True)
def test_the_connection_is_returned_and_taken_again() -> None:
    developer = make_developer()
    before_waiting()
    assert connection.connection is None
    assert Developer.objects.get().pk == developer.pk


@pytest.mark.django_db(transaction=True)
def test_in_production_a_wait_in_a_transaction_is_logged(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.FAIL_ON_WAIT_IN_TRANSACTION = False
    with transaction.atomic():
        developer = make_developer()
        before_waiting()
    assert Developer.objects.get().pk == developer.pk
    (record,) = [record for record in caplog.records if record.name == "bubblyphone.core.network.waiting"]
    assert record.levelname == "ERROR"
    assert "test_in_production_a_wait" in (record.stack_info or "")


@pytest.mark.django_db
def test_the_transaction_around_a_test_is_ignored() -> None:
    developer = make_developer()
    before_waiting()
    assert Developer.objects.get().pk == developer.pk
    with transaction.atomic(), pytest.raises(WaitInTransaction):
        before_waiting()


def test_requests_do_not_run_in_transactions() -> None:
    assert [database.get("ATOMIC_REQUESTS", False) for database in django_settings.DATABASES.values()] == [False]
