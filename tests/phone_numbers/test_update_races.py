"""Of two conflicting concurrent changes, one succeeds, the other is refused, and the result is consistent."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from agents.models import Agent, ModelKey
from agents.services import create_model_key, delete_agent, delete_model_key, update_agent
from bubblyphone.core.errors import ApplicationError, Conflict, InvalidRequest
from phone_numbers.configuration import update_number
from tests.factories import make_agent, make_phone_number

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 8


def run_concurrently(*changes: Callable[[], Any]) -> list[ApplicationError | None]:
    """Run all changes in parallel threads. Returns the error of each."""
    barrier = Barrier(len(changes))

    def run(change: Callable[[], Any]) -> ApplicationError | None:
        barrier.wait()
        try:
            change()
        except ApplicationError as error:
            return error
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(len(changes)) as threads:
        return list(threads.map(run, changes))


def test_linking_an_agent_that_is_being_deleted():
    for _ in range(ROUNDS):
        number = make_phone_number()
        agent = make_agent(developer=number.developer)
        link, delete = run_concurrently(
            lambda number=number, agent=agent: update_number(number=number, changes={"agent_id": agent.pk}),
            lambda agent=agent: delete_agent(agent=agent),
        )
        number.refresh_from_db()
        if link is None:
            assert isinstance(delete, InvalidRequest)
            assert number.agent == agent
        else:
            assert isinstance(link, InvalidRequest)
            assert (delete, number.agent_id) == (None, None)


def test_selecting_a_model_key_that_is_being_deleted():
    for _ in range(ROUNDS):
        number = make_phone_number()
        key = create_model_key(developer=number.developer, provider="google", api_key="AIza1234567890")
        choose, delete = run_concurrently(
            lambda number=number, key=key: update_number(number=number, changes={"model_key_id": key.pk}),
            lambda key=key: delete_model_key(key=ModelKey.objects.get(pk=key.pk)),
        )
        number.refresh_from_db()
        if choose is None:
            assert isinstance(delete, Conflict)
            assert number.model_key_id == key.pk
        else:
            assert isinstance(choose, InvalidRequest)
            assert (delete, number.model_key_id) == (None, None)


def test_clearing_a_prompt_that_a_number_is_about_to_need():
    for _ in range(ROUNDS):
        number = make_phone_number(model_slug="gpt-realtime-mini")
        agent = make_agent(developer=number.developer, system_prompt="P")
        refused = run_concurrently(
            lambda number=number, agent=agent: update_number(
                number=number, changes={"agent_id": agent.pk, "mode": "streaming"}
            ),
            lambda agent=agent: update_agent(agent=agent, changes={"system_prompt": None}),
        )
        assert sum(error is not None for error in refused) == 1
        number.refresh_from_db()
        prompt = Agent.objects.get(pk=agent.pk).system_prompt
        assert (number.mode, prompt) in [("streaming", "P"), ("webhook", None)]
