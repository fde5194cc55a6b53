"""Testing an agent from its editor, by voice or text, with the editor's current settings and without a number.

Tests are not recorded, transcribed or analyzed, because these cost money.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Developer
from agents import versions
from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig
from agents.extension_points import TestTerms
from agents.models import Agent
from agents.selectors import find_model, in_service
from bubblyphone.core.errors import Forbidden, TooManyRequests
from bubblyphone.core.json.ordered_field import is_same
from bubblyphone.core.money import ZERO
from calls.charging.call_prices import model_price
from calls.control import call_variables
from calls.control.outbound import check_streaming
from calls.models import Call
from sandbox.services import SandboxCall, begin, free_calls_left, use_free_call
from webhooks.sending.signing import make_signing_secret

RUNNING_AT_ONCE = 5
PER_HOUR = 100
FREE_SECONDS = 300  # maximum duration of a test that the platform pays for


def start_test(*, agent: Agent, values: Mapping[str, str], caller: str = "", is_text: bool) -> SandboxCall:
    """Test an agent with its settings in memory. `caller` is the number that appears to call, in E.164, or "" for none.

    Text tests are free. So are voice tests with the offline model or the developer's own key. With other models, three voice
    tests are free, five minutes each, and further ones are billed like any call. Raises InvalidRequest (a variable without a value, a model
    that cannot be used), TooManyRequests, InsufficientFunds, and Forbidden before the email is confirmed.
    """
    developer = agent.developer
    config = resolution.answering(resolution.resolve(request={}, request_agent=agent, number=None))
    call_variables.check(config, values)
    check_streaming(config)
    _limit(developer)
    config = replace(config, recording_enabled=False, transcription_enabled=False, analysis_schema=None)
    is_ours = not config.model_key_id and is_costly(config)
    if is_ours and settings.EMAIL_HOST and developer.email_verified_at is None:
        raise Forbidden("Confirm your email address before you test an agent.", code="email_not_confirmed")
    live = Agent.objects.get(pk=agent.pk)
    with transaction.atomic():
        if live.signing_secret_id is None:
            secret, _ = make_signing_secret(developer=developer)
            Agent.objects.filter(pk=agent.pk, signing_secret=None).update(signing_secret=secret)
        is_free = is_text or not is_costly(config) or use_free_call(developer)
        if is_ours and is_free:
            config = replace(config, max_call_duration=min(config.max_call_duration, FREE_SECONDS))
        call = Call(
            developer=developer,
            agent=live,
            agent_version=live.version if is_same(versions.snapshot(agent), versions.snapshot(live)) else None,
            from_number=caller or "sandbox",
            to_number="",
            is_text=is_text,
            model_rate=ZERO if is_free else model_price(config),
        )
        return begin(call, config, values, is_free=is_free)


def is_costly(config: CallConfig) -> bool:
    """Whether the model of a voice test costs the developer anything after the free tests."""
    return model_price(config) > ZERO


def terms_of(agent: Agent) -> TestTerms:
    """The price of a voice test of an agent. Demo calls count as free tests."""
    config = resolution.resolve(request={}, request_agent=agent, number=None)
    model = in_service(find_model(config.model_slug))
    return TestTerms(
        model_name=model.display_name if model else config.model_slug,
        per_minute=model_price(config),
        is_offline=model is not None and model.provider == model.Provider.LOCAL,
        free_left=free_calls_left(agent.developer_id),
    )


def _limit(developer: Developer) -> None:
    tests = Call.objects.filter(developer=developer, sandbox=True)
    if tests.running().count() >= RUNNING_AT_ONCE:
        raise TooManyRequests("Too many tests are running. End one of them first.", 10)
    if tests.filter(started_at__gt=timezone.now() - timedelta(hours=1)).count() >= PER_HOUR:
        raise TooManyRequests(f"You have started {PER_HOUR} tests in an hour. Try again later.", 600)
