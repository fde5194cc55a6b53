"""`python -m tests.large.fill` in an installation's environment fills an empty database: one account with a million calls over half a
year and 300 numbers, and 10,000 accounts with 200,000 calls between them. Takes a quarter of an hour and 8 GB.

Prints the large account's email address. Values depend only on the row's number and the current time, so runs can be compared.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.db.models import Model  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Developer  # noqa: E402
from billing import checkpoints  # noqa: E402
from billing.models import LedgerEntry  # noqa: E402
from calls.charging import day_sums  # noqa: E402
from calls.models import Call, CallEvent, CallTurn, TranscriptEntry  # noqa: E402
from phone_numbers.models import PhoneNumber  # noqa: E402
from tests import factories  # noqa: E402
from tests.calls.rows import make_account, make_call, make_streaming_number  # noqa: E402
from webhooks import outbox  # noqa: E402
from webhooks.models import Event, WebhookAttempt, WebhookDelivery  # noqa: E402

EMAIL = "large@example.com"
CALLS = 1_200_000  # every sixth belongs to another account
ACCOUNTS, NUMBERS, AGENTS = 10_000, 300, 20
DAYS = 183
ENDINGS = ["busy", "no_answer", "rejected", "model_failed"]
TABLES = (Call, CallEvent, TranscriptEntry, CallTurn, LedgerEntry, Event, WebhookDelivery, WebhookAttempt)
PROMPT = "You answer the phone of a bakery. Be brief, and friendly. " * 30


def copy(model: type[Model], template: int, values: dict[str, str], rows: str) -> None:
    """Insert a copy of the row `template` for each row of `rows`, the rest of a FROM clause. `values` is the SQL of other columns."""
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key and not field.generated]
    table, chosen = model._meta.db_table, ", ".join(values.get(name, f"template.{name}") for name in columns)
    names = ", ".join(columns)
    run(f"INSERT INTO {table} ({names}) SELECT {chosen} FROM {table} AS template, {rows} AND template.id = {template}")  # noqa: S608


def run(statement: str) -> None:
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(statement)
    print(f"{time.monotonic() - began:6.1f} s  {' '.join(statement.split())[:90]}", flush=True)  # noqa: T201


@contextmanager
def without_indexes() -> Iterator[None]:
    """Drops the indexes and builds them afterwards, which is several times as fast as updating them for each row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = ANY(%s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
            [[model._meta.db_table for model in TABLES]],
        )
        indexes = cursor.fetchall()
    for name, _ in indexes:
        run(f"DROP INDEX {name}")
    yield
    run("SET maintenance_work_mem = '1GB'")
    for _, definition in indexes:
        run(definition)


def main() -> None:
    account = make_account("1000000")
    Developer.objects.filter(pk=account.pk).update(email=EMAIL)
    agents = [
        factories.make_agent(developer=account, name=f"Agent {number}", system_prompt=PROMPT).pk
        for number in range(AGENTS)
    ]
    number = make_streaming_number(account, e164="+16285550000", system_prompt=PROMPT)
    endpoint, _ = factories.make_endpoint(account, "http://127.0.0.1:9/events")
    run("SET session_replication_role = replica")  # no triggers, no foreign keys
    copy(
        Developer,
        account.pk,
        {"email": "'account' || n || '@example.com'"},
        f"generate_series(1, {ACCOUNTS}) AS n WHERE true",
    )
    other = Developer.objects.get(email="account1@example.com").pk
    copy(
        PhoneNumber, number.pk, {"e164": "'+1628' || (5550000 + n)::text", "agent_id": f"{agents[0]} + n % {AGENTS}", "daily_cap": "100"},
        f"generate_series(1, {NUMBERS - 1}) AS n WHERE true",
    )  # fmt: skip
    copy(
        PhoneNumber, number.pk, {"e164": "'+1415' || (3000000 + n)::text", "developer_id": f"{other} + n / 2"},
        f"generate_series(0, {2 * ACCOUNTS - 1}) AS n WHERE true",
    )  # fmt: skip
    other_number = PhoneNumber.objects.get(e164="+14153000000").pk
    now = timezone.now()
    call = make_call(number, now, status="completed", ended_at=now, settled_at=now, duration_seconds=60)
    with without_indexes():
        fill_calls(call, agents[0], other, other_number)
        fill_records(call, endpoint.pk)
    run("SET session_replication_role = origin")
    run("VACUUM ANALYZE")
    keep_sums()


def fill_calls(call: Call, agent: int, other: int, other_number: int) -> None:
    """Over half a year, evenly: a third outbound, a twelfth failed, from ten seconds to four minutes."""
    is_other, account = "n % 6 = 0", f"n / 6 % {ACCOUNTS}"
    rows = f"""generate_series(1, {CALLS}) AS n, LATERAL (
        SELECT abs(hashint8(n)::bigint) AS a, abs(hashint8(n + 100000000)::bigint) AS b
    ) AS one, LATERAL (
        SELECT b % 12 = 0 AS failed, a % 3 = 0 AS outbound, (10 + b % 230)::int AS seconds, '+1' || (2000000000 + a % 7999999999) AS remote,
               CASE WHEN {is_other} THEN '+1415' || (3000000 + {account} * 2) ELSE '+1628' || (5550000 + a % {NUMBERS}) END AS own,
               now() - interval '{DAYS} days' + n * interval '{DAYS * 86400 / CALLS:.4f} seconds' AS at
    ) AS two WHERE true"""
    values = {
        "developer_id": f"CASE WHEN {is_other} THEN {other} + {account} ELSE {call.developer_id} END",
        "phone_number_id": f"CASE WHEN {is_other} THEN {other_number} + {account} * 2 ELSE {call.phone_number_id} + a % {NUMBERS} END",
        "agent_id": f"CASE WHEN {is_other} THEN NULL ELSE {agent} + a % {AGENTS} END",
        "direction": "CASE WHEN outbound THEN 'outbound' ELSE 'inbound' END",
        "from_number": "CASE WHEN outbound THEN own ELSE remote END",
        "to_number": "CASE WHEN outbound THEN remote ELSE own END",
        "status": "CASE WHEN failed THEN 'failed' ELSE 'completed' END",
        "hangup_cause": f"CASE WHEN failed THEN (ARRAY{ENDINGS})[1 + a % 4] ELSE 'normal_clearing' END",
        "metadata": "jsonb_build_object('source', 'web', 'order', n % 50000)",
        "sandbox": "n % 1000 = 7",
        "voicemail_detected": "outbound AND n % 500 = 3",
        "analysis_result": 'CASE WHEN n % 10 = 0 THEN \'{"wants": "cake"}\'::json END',
        "carrier_call_id": "'v3:large:' || n",
        "started_at": "at",
        "answered_at": "CASE WHEN NOT failed THEN at + interval '3 seconds' END",
        "model_spoke_at": "CASE WHEN NOT failed THEN at + interval '4 seconds' END",
        "ended_at": "at + interval '3 seconds' + seconds * interval '1 second'",
        "settled_at": "at + interval '4 seconds' + seconds * interval '1 second'",
        "reported_at": "at + interval '5 minutes'",
        "transcript_announced": "true",
        "duration_seconds": "CASE WHEN NOT failed THEN seconds END",
        "telephony_cost": "CASE WHEN failed THEN 0 ELSE (seconds + 59) / 60 * 0.04 END",
        "model_cost": "CASE WHEN failed THEN 0 ELSE round(seconds * 0.04 / 60, 6) END",
        "transcription_cost": "CASE WHEN n % 10 = 0 AND NOT failed THEN 0.006 ELSE 0 END",
    }
    copy(Call, call.pk, values, rows)


def fill_records(call: Call, endpoint: int) -> None:
    """Timeline events, transcripts, turns, ledger entries and webhooks of each call."""
    event = CallEvent.objects.create(
        call=call, event_type="call.answered", source="telephony", metadata={"by": "caller"}
    )
    entry = TranscriptEntry.objects.create(call=call, role="user", text="Hello", spoken_at=call.started_at)
    turn = CallTurn.objects.create(
        call=call, answered_at=call.started_at, carrier_in_ms=20, model_ms=600, tool_ms=0, own_ms=10, total_ms=700
    )
    rows_per_call = f"calls_call AS c, generate_series(1, {{}}) AS k WHERE c.id > {call.pk}"
    copy(
        CallEvent,
        event.pk,
        {"call_id": "c.id", "event_timestamp": "c.started_at + k * interval '1 second'"},
        rows_per_call.format(3),
    )
    words = "substr(md5((c.id * 3 + k)::text), 1, 3) || ' ' || substr(md5((c.id * 5 + k)::text), 1, 3)"
    copy(
        TranscriptEntry, entry.pk,
        {"call_id": "c.id", "text": f"'I would like the cake ' || {words}", "spoken_at": "c.started_at + k * interval '9 seconds'"},
        rows_per_call.format(2),
    )  # fmt: skip
    copy(
        CallTurn,
        turn.pk,
        {"call_id": "c.id", "answered_at": "c.started_at", "total_ms": "500 + c.id % 900"},
        rows_per_call.format(1),
    )
    fill_ledger(call.pk)
    fill_webhooks(call, endpoint, rows_per_call)


def fill_webhooks(call: Call, endpoint: int, rows_per_call: str) -> None:
    """Five events for each call of the last 30 days, and a delivery for every call."""
    with transaction.atomic():
        outbox.publish(
            developer_id=call.developer_id,
            subject=f"call:{call.pk}",
            event_type="call.hangup",
            payload={"call_id": str(call.pk), "duration_seconds": 95},
        )
    delivery = WebhookDelivery.objects.filter(subject=f"call:{call.pk}").latest("pk")
    WebhookDelivery.objects.filter(pk=delivery.pk).update(status="delivered", next_attempt_at=None, attempt_count=1)
    attempt = WebhookAttempt.objects.create(
        delivery=delivery, number=1, response_status=200, latency_ms=80, success=True
    )
    types = "(ARRAY['call.started', 'call.answered', 'call.hangup', 'call.ended', 'call.transcript.ready'])[k]"
    names = {
        "developer_id": "c.developer_id",
        "subject": "'call:' || c.id",
        "event_type": types,
        "created_at": "c.ended_at",
    }
    recent = f"{rows_per_call.format(5)} AND c.ended_at > now() - interval '30 days'"
    copy(
        Event,
        delivery.event_id or 0,
        {**names, "public_id": "'evt_' || md5(c.id || ' ' || k)", "position": "c.id * 5 + k"},
        recent,
    )
    status = "CASE WHEN c.id % 50 = 0 THEN 'failed' ELSE 'delivered' END"
    own = {
        "webhook_id": "'evt_' || md5(c.id || ' ' || k)",
        "event_id": "NULL",
        "endpoint_id": str(endpoint),
        "status": status,
    }
    copy(WebhookDelivery, delivery.pk, {**names, **own}, rows_per_call.format(1))
    copy(
        WebhookAttempt, attempt.pk, {"delivery_id": "d.id"}, f"webhooks_webhookdelivery AS d WHERE d.id > {delivery.pk}"
    )


def fill_ledger(first: int) -> None:
    template = LedgerEntry.objects.earliest("pk").pk
    charges = ", ".join(f"('{kind}', c.{kind}_cost)" for kind in ("telephony", "model", "transcription"))
    # As in a real ledger, the charges of a call are next to each other.
    copy(
        LedgerEntry, template,
        {
            "developer_id": "c.developer_id", "created_at": "c.settled_at", "description": "'Call ' || c.id",
            "kind": "charge.kind", "key": "'call:' || c.id || ':' || charge.kind", "amount": "-charge.cost",
        },
        f"calls_call AS c, LATERAL (VALUES {charges}) AS charge (kind, cost) WHERE c.id > {first} AND charge.cost > 0",
    )  # fmt: skip
    at = f"now() - interval '{DAYS} days' * n / 3000"
    copy(
        LedgerEntry, template, {"kind": "'top_up'", "key": "'payment:' || n", "amount": "50", "created_at": at, "description": "'Top-up'"},
        "generate_series(1, 3000) AS n WHERE true",
    )  # fmt: skip
    copy(
        LedgerEntry, template,
        {"kind": "'number_month'", "key": "'number:' || n || ':2026-11'", "amount": "-3", "created_at": at, "description": "'Number'"},
        "generate_series(1, 1800) AS n WHERE true",
    )  # fmt: skip


def keep_sums() -> None:
    """Compute the sums that scheduled jobs would have computed by now."""
    checkpoints.move()
    began = time.monotonic()
    while time.monotonic() - began < 1200:
        before = day_sums.SummedDay.objects.count()
        day_sums.sum_up()
        if day_sums.SummedDay.objects.count() == before:
            break
    print(f"{time.monotonic() - began:6.1f} s  sums of {before} days, to {timezone.now() - timedelta(days=1):%F}")  # noqa: T201


if __name__ == "__main__":
    main()
    print(EMAIL)  # noqa: T201
