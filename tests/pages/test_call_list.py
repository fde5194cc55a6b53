"""The calls list: search, CSV file, polling, and deleting recordings and transcripts of several calls."""

import csv
import io
from copy import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client

from calls.dashboard.call_list import COLUMNS
from calls.dashboard.forms import CallFilterForm
from calls.models import Analysis, Call, CallEvent, Recording, SavedView, TranscriptEntry, Transcription
from calls.search import FEW, entries_with, search
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_streaming_number
from tests.factories import make_agent, make_developer
from tests.pages.rows import make_call
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis", "recordings_folder")]
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def number() -> PhoneNumber:
    return make_streaming_number(make_account(), label="Shop")


@pytest.fixture
def client(number: PhoneNumber) -> Client:
    return signed_in_client(number.developer)


def call_of(number: PhoneNumber, *texts: str, **fields: Any) -> Call:
    call = make_call(number.developer, number, **fields)
    for text in texts:
        TranscriptEntry.objects.create(call=call, role="user", text=text, spoken_at=NOON)
    return call


@pytest.mark.parametrize("few", [FEW, 0])  # with 0, every word counts as frequent
def test_calls_are_found_by_number_and_by_transcript(
    client: Client, number: PhoneNumber, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.search.FEW", few)
    calls = [
        call_of(number, "Do you have a gluten-free cake?", "For my daughter’s birthday.", from_number="+12025550111"),
        call_of(number, "Haben Sie Brötchen?", "A cake, please.", direction="outbound", to_number="+442071838750"),
        call_of(make_streaming_number(make_account()), "A gluten-free cake."),
        call_of(number, direction="outbound", to_number="+493012345678", connect_to="+33142681234"),
    ]

    def found(text: str) -> list[int]:
        html = client.get("/calls", {"q": text}).content.decode()
        assert_valid_page(html)
        return [place for place, call in enumerate(calls) if f'href="/calls/{call.pk}"' in html]

    for text, places in {
        "cake": [0, 1], "CAKE gluten": [0], "brötchen": [1], '"gluten-free cake"': [0], '"cake gluten"': [], "cake -please": [0],
        "daughter's cake": [], "(202) 555-0111": [0], "+44 20 7183": [1], "0111": [0], "+49 30 1234": [3], "42 68 12": [3],
        "%": [], "' OR 1=1 --": [], "": [0, 1, 3],
    }.items():  # fmt: skip
        assert found(text) == places, text


def test_a_repeated_digit_is_searched_among_the_newest_calls(
    client: Client, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.search.NEWEST", 2)
    old, other, new = (
        call_of(number, from_number=caller) for caller in ("+12000005550", "+12025550111", "+13000005551")
    )

    def found(text: str) -> tuple[list[int], bool]:
        html = client.get("/calls", {"q": text}).content.decode()
        assert_valid_page(html)
        listed = [call.pk for call in (old, other, new) if f'href="/calls/{call.pk}"' in html]
        return listed, "Among the newest" in html

    assert found("00000") == ([new.pk], True)
    assert found("000 005") == ([old.pk, new.pk], False)
    assert found("000") == ([old.pk, new.pk], False)


def test_searches_use_indexes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "transcript_words" in entries_with("cake").order_by().explain()
    plan = search(Call.objects.order_by(), "(202) 555-0111").explain()
    assert (plan.count("call_numbers"), plan.count("call_connected_numbers")) == (2, 1)


@pytest.mark.parametrize(
    ("chosen", "index"),
    [
        ({"agent": 1}, "call_by_agent"),
        ({"sandbox": True}, "call_in_sandbox"),
        ({"voicemail_detected": True}, "call_with_voicemail"),
    ],
)
def test_filters_that_match_few_calls_use_an_index(number: PhoneNumber, chosen: dict[str, Any], index: str) -> None:
    fill(number)
    assert index in Call.objects.filter(developer=number.developer, **chosen).order_by("-pk")[:26].explain()


def test_the_filter_for_undialed_calls_uses_an_index(number: PhoneNumber) -> None:
    fill(number)
    form = CallFilterForm(QueryDict("ending=refused"), developer=number.developer)
    assert "call_not_dialed" in form.narrow(Call.objects.filter(developer=number.developer)).order_by("-pk").explain()


def fill(number: PhoneNumber) -> None:
    """Add enough calls, and analyze the table, so that the choice of index matters to PostgreSQL."""
    call = call_of(number)
    call.pk = None
    Call.objects.bulk_create([copy(call) for _ in range(1000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE calls_call")


def test_the_file_has_all_calls_that_match_the_filters(client: Client, number: PhoneNumber) -> None:
    agent = make_agent(developer=number.developer, name="=Baker")
    for _ in range(26):
        call_of(number)
    chosen = call_of(
        number, started_at=NOON, agent=agent, agent_version=1, hangup_cause="busy", status="failed",
        analysis_result={"wants": "cake"},
    )  # fmt: skip
    answer = client.get("/calls.csv", {"ending": "busy"})
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert rows == [
        COLUMNS,
        [
            str(chosen.pk), "2026-11-25T12:00:00Z", "inbound", "failed", "The line was busy.", "", "'+19075550101",
            f"'{number.e164}", "Shop", "'=Baker", "1", "95", "0.143", '{"wants": "cake"}',
        ],
    ]  # fmt: skip
    assert len(client.get("/calls.csv").content.splitlines()) == 28
    assert len(client.get("/calls.csv?since=nonsense").content.splitlines()) == 1
    assert len(signed_in_client(make_developer()).get("/calls.csv").content.splitlines()) == 1


def test_the_list_shows_agents_and_analysis_results(client: Client, number: PhoneNumber) -> None:
    schema = {"analysis_schema": {"value": {"wants": {"type": "text", "description": "What?"}}, "source": "agent"}}
    agent = make_agent(developer=number.developer, name="Baker <1>")
    call_of(number, agent=agent, config=schema, analysis_result={"wants": "<cake>"})
    html = client.get("/calls").content.decode()
    assert "Baker &lt;1&gt;" in html
    assert "Wants: &lt;cake&gt;" in html


def test_the_list_polls_and_gets_new_calls(client: Client, number: PhoneNumber) -> None:
    call_of(number)
    first = client.get("/calls?direction=inbound")
    seen = first.context["seen"]
    assert (
        f'hx-get="/calls?direction=inbound" hx-vals=\'{{"seen": "{seen}"}}\' hx-trigger="every 10s"'
        in first.content.decode()
    )
    again = {"path": "/calls", "data": {"direction": "inbound", "seen": seen}, "headers": {"HX-Request": "true"}}
    assert client.get(**again).status_code == 204
    new = call_of(number, status="answered", hangup_cause="", ended_at=None, settled_at=None, duration_seconds=None)
    answer = client.get(**again)
    html = answer.content.decode()
    assert (answer.status_code, f'href="/calls/{new.pk}"' in html, "every 3s" in html) == (200, True, True)
    assert "seen=" not in html
    assert 'hx-trigger="every' not in client.get(f"/calls?before={new.pk}").content.decode()


def kept(call: Call) -> tuple[bool, bool]:
    """Whether the call's recording and its transcript exist."""
    recording = Recording.objects.filter(call=call, deleted_at=None).exists()
    return recording, TranscriptEntry.objects.filter(call=call).exists()


def recorded_call(number: PhoneNumber, **fields: Any) -> Call:
    call = call_of(number, "A cake, please.", analysis_result={"wants": "cake"}, **fields)
    Recording.objects.create(call=call, maker="platform", status="ready", name="", finished_at=NOON)
    return call


def test_recordings_and_transcripts_of_selected_calls_are_deleted(client: Client, number: PhoneNumber) -> None:
    first, second, third = (recorded_call(number) for _ in range(3))
    bare = call_of(number)
    chosen = {"call": [first.pk, second.pk, bare.pk], "next": "/calls?status=completed"}
    answer = client.post("/calls/delete", {**chosen, "recordings": "1"}, follow=True)
    assert answer.redirect_chain == [("/calls?status=completed", 302)]
    assert "Deleted 2 recordings." in answer.content.decode()
    assert [kept(call) for call in (first, second, third)] == [(False, True), (False, True), (True, True)]
    assert CallEvent.objects.filter(call=first, event_type="recording.deleted").count() == 1
    answer = client.post("/calls/delete", {"call": [first.pk], "recordings": "1", "transcripts": "1"}, follow=True)
    assert "Deleted 0 recordings and 1 transcript." in answer.content.decode()
    first.refresh_from_db()
    assert (kept(first), first.analysis_result, first.transcript_deleted_at is not None) == ((False, False), None, True)
    assert first.total_cost > 0
    assert kept(second) == (False, True)


def test_recordings_and_transcripts_in_use_are_not_deleted(client: Client, number: PhoneNumber) -> None:
    running = recorded_call(number, status="answered", ended_at=None, settled_at=None)
    worked_on, analyzed = recorded_call(number), recorded_call(number)
    Transcription.objects.create(call=worked_on)
    Analysis.objects.create(call=analyzed)
    foreign = recorded_call(make_streaming_number(make_account()))
    ids = [call.pk for call in (running, worked_on, analyzed, foreign)]
    answer = client.post("/calls/delete", {"call": [*ids, "x", "9" * 30], "transcripts": "1"}, follow=True)
    assert "Deleted 0 transcripts." in answer.content.decode()
    assert all(kept(call) == (True, True) for call in (running, worked_on, analyzed, foreign))
    for incomplete in ({"call": [worked_on.pk]}, {"recordings": "1"}):
        answer = client.post("/calls/delete", incomplete, follow=True)
        assert "Select calls, then choose recordings, transcripts, or both." in answer.content.decode()
    assert kept(worked_on) == (True, True)


def test_analysis_results_have_their_own_columns(client: Client, number: PhoneNumber) -> None:
    schema = {"wants_cake": {"type": "boolean", "description": "?"}, "guests": {"type": "number", "description": "?"}}
    make_agent(developer=number.developer, analysis_schema=schema)
    call_of(number, analysis_result={"wants_cake": True, "guests": 1200})
    call_of(number, analysis_result={"guests": None})
    html = client.get("/calls?columns=wants_cake&columns=guests&columns=password").content.decode()
    assert_valid_page(html)
    assert '<th class="wide-only result">Wants cake</th><th class="wide-only result">Guests</th>' in html
    assert [
        cell for cell in ("Yes", "1,200", "–") if f'<td class="wide-only small break result">{cell}</td>' not in html
    ] == []
    assert ">Password<" not in html
    answer = client.get("/calls.csv?columns=guests&columns=wants_cake")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(row["wants_cake"], row["guests"]) for row in rows] == [("", ""), ("Yes", "1,200")]


def test_saved_views(client: Client, number: PhoneNumber) -> None:
    query = "direction=outbound&status=&ending=busy&columns=gone"
    html = client.get(f"/calls?{query}").content.decode()
    assert 'name="query" value="direction=outbound&amp;ending=busy"' in html
    assert 'aria-label="Saved views"' not in html
    saved = client.post("/calls/views", {"name": "  Busy  lines ", "query": query}, follow=True)
    view = SavedView.objects.get()
    assert (view.name, view.query, view.is_default) == ("Busy lines", "direction=outbound&ending=busy", False)
    html = saved.content.decode()
    assert_valid_page(html)
    assert 'href="/calls?direction=outbound&amp;ending=busy" aria-current="page">Busy lines</a>' in html
    assert "Edit view" in html and client.get("/calls").status_code == 200
    # Saving under the same name changes the filters. Later, the view becomes the default.
    client.post("/calls/views", {"name": "Busy lines", "query": "status=failed"})
    client.post("/calls/views", {"name": "Mine", "query": "direction=inbound"})
    other = SavedView.objects.get(name="Mine")
    for name, default in (("Lost", True), ("Mine", True), ("Failed", False)):
        client.post(f"/calls/views/{view.pk}", {"name": name, "is_default": (default and "1") or ""})
    client.post(f"/calls/views/{other.pk}", {"name": "Mine", "is_default": "1"})
    assert set(SavedView.objects.values_list("name", "query", "is_default")) == {
        ("Failed", "status=failed", False), ("Mine", "direction=inbound", True),
    }  # fmt: skip
    client.post(f"/calls/views/{view.pk}", {"name": "Failed", "is_default": "1"})
    assert client.get("/calls")["Location"] == "/calls?status=failed"
    assert client.get("/calls?all").status_code == 200
    client.post(f"/calls/views/{view.pk}", {"action": "delete"})
    assert client.get("/calls").status_code == 200
    assert [left.name for left in SavedView.objects.all()] == ["Mine"]


def test_a_view_with_a_deleted_agent_or_column_can_be_changed_and_deleted(client: Client, number: PhoneNumber) -> None:
    schema = {"guests": {"type": "number", "description": "?"}}
    agent = make_agent(developer=number.developer, analysis_schema=schema)
    for name, query in (("Theirs", f"agent={agent.pk}"), ("Guests", "columns=guests")):
        client.post("/calls/views", {"name": name, "query": query})
    SavedView.objects.filter(name="Theirs").update(is_default=True)
    agent.delete()
    opened = client.get("/calls", follow=True).content.decode()
    assert "Correct the filters above" in opened
    for html in (opened, client.get("/calls?columns=guests").content.decode()):
        assert_valid_page(html)
        assert "Edit view" in html and "Save view" not in html
    for view in SavedView.objects.all():
        client.post(f"/calls/views/{view.pk}", {"action": "delete"})
    assert client.get("/calls").status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "query": "status=failed"},
        {"name": "x" * 61, "query": "status=failed"},
        {"name": "None", "query": ""},
        {"name": "Wrong", "query": "status=ended"},
        {"name": "Large", "query": f"metadata={'x' * 3000}"},
        {"name": "Foreign", "query": "agent=999999"},
    ],
)
def test_an_invalid_view_is_not_saved(client: Client, form: dict[str, str]) -> None:
    answer = client.post("/calls/views", form, follow=True)
    assert ("Enter a name" in answer.content.decode()) is (form["query"] == "status=failed")
    assert not SavedView.objects.exists()
    stranger = SavedView.objects.create(developer=make_account(), name="Theirs", query="status=failed")
    assert client.post(f"/calls/views/{stranger.pk}", {"action": "delete"}).status_code == 404
    assert "Theirs" not in client.get("/calls").content.decode()
