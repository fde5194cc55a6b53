"""A call whose model was never heard pays only for telephony. A call on which the remote party said nothing is analyzed for free."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agents.agent_settings.call_config import CallConfig
from agents.models import Agent, AIModel, ModelKey
from agents.providers.base import ProviderError, SessionConfig
from agents.providers.openai import OpenAIRealtimeModel
from agents.services import create_model_key
from billing import ledger
from billing.models import LedgerEntry
from bubblyphone.core.audio import PCMU_8K
from calls.after_call import analysis
from calls.control import lifecycle
from calls.control.inbound import receive
from calls.live.engines import engines_of
from calls.models import Analysis, Call
from calls.session.conversation_history import ConversationHistory
from calls.session.interfaces import Engine
from calls.session.model_link import ModelLink
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.calls.scripted import Notebook
from tests.fakes.openai_realtime import FakeOpenAI
from tests.jobs import run_jobs
from webhooks.models import WebhookDelivery

BEGIN = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
SCHEMA = {"lead": {"type": "boolean", "description": "Interested?"}}


def costs(call: Call) -> tuple[Decimal, Decimal, Decimal]:
    call.refresh_from_db()
    return call.telephony_cost, call.model_cost, ledger.balance(call.developer_id)


# --- the bill ---------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "cause", "telephony", "model"),
    [
        ({}, "model_failed", "0.08", "0"),
        ({}, "normal_clearing", "0.08", "0"),
        ({}, "silence_timeout", "0.08", "0"),
        ({"sandbox": True, "telephony_rate": Decimal(0)}, "model_failed", "0", "0"),
        ({"model_spoke_at": BEGIN + timedelta(seconds=90)}, "model_failed", "0.08", "0.063"),
        ({"answered_at": None, "status": "ringing"}, "model_failed", "0", "0"),
    ],
)
def test_a_model_that_was_never_heard_costs_nothing(
    fields: dict[str, Any], cause: str, telephony: str, model: str
) -> None:
    call = make_call(make_streaming_number(make_account()), BEGIN, **{"model_spoke_at": None, **fields})
    lifecycle.finish(call, ended_at=BEGIN + timedelta(seconds=95), cause=cause)
    assert costs(call) == (Decimal(telephony), Decimal(model), 10 - Decimal(telephony) - Decimal(model))
    assert call.status == ("completed" if call.answered_at else "failed")
    assert LedgerEntry.objects.filter(kind="model").count() == (1 if Decimal(model) else 0)
    for hook in WebhookDelivery.objects.filter(event_type="call.ended"):
        assert Decimal(json.loads(hook.body)["model_cost"]) == Decimal(model)


@pytest.mark.django_db
def test_speech_of_the_model_can_be_reported_late_and_twice() -> None:
    call = make_call(make_streaming_number(make_account()), BEGIN, model_spoke_at=None)
    lifecycle.finish(call, ended_at=BEGIN + timedelta(seconds=95), cause="normal_clearing")
    for _ in range(2):
        lifecycle.model_spoke(call.pk, at=BEGIN + timedelta(seconds=94))
    assert costs(call) == (Decimal("0.08"), Decimal("0.063"), Decimal("9.857"))
    assert call.model_spoke_at == BEGIN + timedelta(seconds=94)


# --- the analysis -----------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("entries", "fields", "source", "price"),
    [
        ([], {}, "no_speech", "0"),
        ([("model", "Hello?")], {}, "no_speech", "0"),
        ([("model", "Hello?"), ("user", "  ")], {}, "no_speech", "0"),
        ([("model", "Please call back.")], {"voicemail_detected": True}, "no_speech", "0"),
        ([("user", "Hello? Is anybody there?")], {"model_spoke_at": None}, "offline_rules", "0"),
        ([("user", "Hello.")], {"mode": "webhook", "model_spoke_at": None}, "offline_rules", "0.01"),
        ([("model", "Hello?"), ("user", "Hi.")], {}, "offline_rules", "0.01"),
    ],
)
def test_an_analysis_is_charged_if_there_was_a_conversation(
    entries: list[tuple[str, str]], fields: dict[str, Any], source: str, price: str
) -> None:
    call = make_call(make_streaming_number(make_account()), BEGIN, status="completed", ended_at=BEGIN, **fields)
    call.config["analysis_schema"] = {"value": SCHEMA, "source": "agent"}
    call.save()
    for role, text in entries:
        call.transcript.create(role=role, text=text, spoken_at=BEGIN)
    analysis.begin(call)
    run_jobs()
    call.refresh_from_db()
    assert (Analysis.objects.get().status, Analysis.objects.get().source) == ("ready", source)
    assert (call.analysis_result, call.analysis_cost) == ({"lead": False}, Decimal(price))
    assert ledger.balance(call.developer_id) == 10 - Decimal(price)
    (hook,) = WebhookDelivery.objects.filter(event_type="call.analysis.ready")
    assert json.loads(hook.body)["source"] == source


# --- models that cannot be used, when a call arrives and when its session starts --------------------------------------
def ring(number: PhoneNumber) -> Call:
    receive(
        CarrierEvent(
            type=CarrierEventType.INITIATED,
            event_id=f"event-{number.pk}",
            carrier_call_id=f"v3:{number.pk}",
            occurred_at=BEGIN,
            direction="inbound",
            from_number="+15551230000",
            to_number=number.e164,
            carrier="telnyx",
        )
    )
    return Call.objects.get(carrier_call_id=f"v3:{number.pk}")


def _without_key(number: PhoneNumber) -> None:
    """Neither the platform nor the number has a key."""


def _wrong_key(number: PhoneNumber) -> None:
    number.model_key = create_model_key(developer=number.developer, provider="openai", api_key="sk-0123456789")
    number.save()


def _turned_off(number: PhoneNumber) -> None:
    AIModel.objects.filter(slug=number.model_slug).update(is_enabled=False)


def _retired(number: PhoneNumber) -> None:
    AIModel.objects.filter(slug=number.model_slug).update(retires_on="2026-01-20")


def _agent_changed_later(number: PhoneNumber) -> None:
    number.agent = Agent.objects.create(developer=number.developer, name="A", model_slug="gpt-realtime-1.5")
    number.model_slug = "local-offline"
    number.save()


@pytest.mark.django_db
@pytest.mark.usefixtures("without_keys")
@pytest.mark.parametrize("make_unusable", [_without_key, _wrong_key, _turned_off, _retired, _agent_changed_later])
def test_an_inbound_call_without_a_usable_model_is_refused_and_free(make_unusable: Any) -> None:
    number = make_streaming_number(make_account())
    make_unusable(number)
    call = ring(number)
    assert (call.status, call.hangup_cause, call.total_cost, call.answered_at) == ("failed", "model_failed", 0, None)
    assert ledger.balance(call.developer_id) == 10
    refused = call.events.get(event_type="call.refused")
    assert refused.metadata == {"reason": "model_unavailable"}


@pytest.mark.django_db
def test_a_retired_model_is_replaced_by_its_successor() -> None:
    mini, full = (AIModel.objects.get(slug=slug) for slug in ("gpt-realtime-mini", "gpt-realtime-1.5"))
    AIModel.objects.filter(pk=mini.pk).update(retires_on="2026-01-20", successor=full)
    call = ring(make_streaming_number(make_account(), model_slug="gpt-realtime-mini"))
    assert (call.status, call.model_slug, call.model_rate) == ("ringing", "gpt-realtime-1.5", Decimal("0.12"))
    replaced = call.events.get(event_type="model.replaced")
    assert replaced.metadata == {"from": "gpt-realtime-mini", "to": "gpt-realtime-1.5"}
    assert engines_of(call, CallConfig.from_json(call.config))[0].upstream_model == "gpt-realtime-1.5"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda: ModelKey.objects.all().delete(), "The model key of this call has been deleted."),
        (lambda: ModelKey.objects.update(provider="openai"), "The model key of this call is for OpenAI."),
        (lambda: Call.objects.update(model_slug="gone"), "The model gone is no longer in the catalog."),
        (lambda: None, ""),
    ],
)
def test_only_the_configured_key_is_ever_used(change: Any, refusal: str) -> None:
    developer = make_account()
    key = create_model_key(developer=developer, provider="google", api_key="AIza-0123456789")
    call = make_call(make_streaming_number(developer), BEGIN)
    config = CallConfig(model_slug=call.model_slug, model_key_id=key.pk, fallback_model="gpt-realtime-mini")
    change()
    call.refresh_from_db()
    own, fallback = engines_of(call, config)
    assert own.refusal == refusal
    assert own.api_key == ("" if refusal else "AIza-0123456789")
    # A fallback at OpenAI would use the platform's key, unless the developer's key is for OpenAI.
    assert fallback is None or fallback.api_key == "AIza-0123456789"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("slug", "voice", "spoken"),
    [
        ("gpt-realtime-1.5", "Kore", "marin"),
        ("gpt-realtime-1.5", "CEDAR", "cedar"),
        ("gemini-3.1-flash-live", "marin", "Kore"),
        ("gemini-3.1-flash-live", "puck", "Puck"),
        ("local-offline", "Kore", "Joe"),
        ("gpt-realtime-mini", "", "marin"),
    ],
)
def test_a_voice_that_the_model_lacks_is_replaced_by_its_default(slug: str, voice: str, spoken: str) -> None:
    call = make_call(make_streaming_number(make_account()), BEGIN, model_slug=slug)
    config = CallConfig(model_slug=slug, voice=voice, language="nb-NO", fallback_model="gpt-realtime-1.5")
    own, fallback = engines_of(call, config)
    assert own.voice == spoken
    assert fallback is not None
    assert (fallback.voice, fallback.language) == (voice.lower() if voice == "CEDAR" else "marin", "no")


async def test_a_refused_voice_or_language_does_not_end_the_session() -> None:
    """The catalog may be wrong about what a provider accepts."""
    config = SessionConfig(upstream_model="gpt", instructions="", caller_format=PCMU_8K, voice="Kore", language="en-US")
    async with FakeOpenAI() as fake:
        model = OpenAIRealtimeModel(api_key="sk", base_url=fake.base_url)
        link = ModelLink([Engine(model, config)], ConversationHistory(Notebook()), Notebook())
        session = await link.connect()
        assert session is not None
        await session.close()
        audio = [message["session"]["audio"] for message in fake.messages("session.update")]
    assert [settings["output"].get("voice") for settings in audio] == ["Kore", None, None]
    assert [settings["input"]["transcription"].get("language") for settings in audio] == ["en-US", "en-US", None]


async def test_any_other_refusal_is_final() -> None:
    config = SessionConfig(upstream_model="gpt", instructions="", caller_format=PCMU_8K, voice="marin")
    async with FakeOpenAI() as fake:
        fake.script.refuse_status = 401
        model = OpenAIRealtimeModel(api_key="sk", base_url=fake.base_url)
        with pytest.raises(ProviderError) as refusal:
            await model.connect(config)
        assert (refusal.value.refused, refusal.value.retryable) == (None, False)
        notes = Notebook()
        assert await ModelLink([Engine(model, config)], ConversationHistory(notes), notes).connect() is None
    assert len(fake.headers) == 2
