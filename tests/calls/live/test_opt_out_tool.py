"""`add_to_do_not_call`: an agent puts the remote party on the account's do-not-call list."""

from collections.abc import Mapping
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from agents.agent_settings.call_config import CallConfig
from agents.tools.definitions import build_toolset
from calls.live.opt_out_tool import DONE, UNKNOWN, OptOutTool
from calls.models import Call, DoNotCallNumber
from tests.calls.rows import make_account, make_call, make_streaming_number


async def others(name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
    return {"result": name}


def new_call(**fields: Any) -> Call:
    return make_call(make_streaming_number(make_account()), timezone.now(), **fields)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({"from_number": "+12025550123"}, "+12025550123"),
        ({"direction": "outbound", "from_number": "+14155550100", "to_number": "+12025550124"}, "+12025550124"),
        ({"from_number": "anonymous"}, None),
    ],
)
async def test_the_remote_party_is_listed_once(fields: dict[str, Any], listed: str | None) -> None:
    call = await sync_to_async(new_call)(**fields)
    run = OptOutTool(call.pk, others)
    assert await run("book", {}, "1") == {"result": "book"}
    for _ in range(2):
        answer = await run("add_to_do_not_call", {"reason": "Never call me again."}, "2")
        assert answer == ({"result": DONE} if listed else {"error": UNKNOWN})
    rows = [row async for row in DoNotCallNumber.objects.values_list("phone_number", "source", "reason")]
    assert rows == ([(listed, "agent", "Never call me again.")] if listed else [])
    assert await call.events.filter(event_type="do_not_call.added").aexists() is (listed is not None)
    await sync_to_async(connections.close_all)()


@pytest.mark.django_db(transaction=True)
async def test_a_test_call_lists_nobody() -> None:
    call = await sync_to_async(new_call)(from_number="+12025550123", sandbox=True)
    answer = await OptOutTool(call.pk, others)("add_to_do_not_call", {"reason": "Never call me again."}, "1")
    assert answer == {"result": DONE}
    assert not await DoNotCallNumber.objects.aexists()
    events = [(row.event_type, row.metadata) async for row in call.events.all()]
    assert events == [("do_not_call.skipped", {"phone_number": "+12025550123", "reason": "test_call"})]
    await sync_to_async(connections.close_all)()


def test_the_tool_is_off_by_default() -> None:
    names = {tool.name for tool in build_toolset(CallConfig(), on_telephone=True)}
    with_it = {tool.name for tool in build_toolset(CallConfig(opt_out_tool=True), on_telephone=True)}
    assert with_it - names == {"add_to_do_not_call"}
    assert "add_to_do_not_call" not in {tool.name for tool in build_toolset(CallConfig(opt_out_tool=True))}
