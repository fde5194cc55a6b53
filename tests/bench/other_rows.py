"""`python -m tests.bench.other_rows CALLS URL…`: the rows that `tests.bench.other_work` needs. Runs after `tests.bench.rows`.

Creates an account with this many calls, their ledger entries and a browser session, and one account with an endpoint for each URL.
Prints the session cookie, the paths of some calls' pages, and the IDs of the endpoints as JSON.
"""

import json
import sys
from datetime import timedelta
from decimal import Decimal

import django
from django.conf import settings
from django.db import connection
from django.utils import timezone

from tests.bench.other_work import PreparedRows

DAYS = 60
# The newest calls, whose pages are opened, have timelines of this many events.
NEWEST, EVENTS = 50, 30
# A call costs $0.16; the account has credit left.
CREDIT_PER_CALL = Decimal("0.2")
# Columns that are not copied from the template call.
COLUMN_SQL = {
    "carrier_call_id": "'v3:many:' || n",
    "from_number": "'+1555' || lpad((n * 7919 %% 10000000)::text, 7, '0')",
    **dict.fromkeys(
        ("started_at", "answered_at", "ended_at", "settled_at", "reported_at", "model_spoke_at"),
        "template.{column} - n * %(step)s::interval",
    ),
}
ENTRIES = """
INSERT INTO billing_ledgerentry (developer_id, key, kind, amount, description, created_at)
SELECT developer_id, 'call:' || id || ':' || kind, kind, -amount, 'Call', settled_at FROM calls_call
CROSS JOIN LATERAL (VALUES ('telephony', telephony_cost), ('model', model_cost)) AS part (kind, amount)
WHERE developer_id = %(developer)s
"""
TIMELINES = """
INSERT INTO calls_callevent (call_id, event_type, source, metadata, event_timestamp)
SELECT id, 'tool.called', 'streaming', json_build_object('tool', 'lookup_' || n), started_at + n * interval '2 s'
FROM (SELECT id, started_at FROM calls_call WHERE developer_id = %(developer)s ORDER BY id DESC LIMIT %(newest)s) AS newest
CROSS JOIN generate_series(1, %(events)s) AS n
"""


def main() -> None:
    django.setup()
    # Models can only be imported now.
    from django.test import Client

    from billing import ledger
    from calls.charging import day_sums
    from calls.models import Call
    from tests.calls.rows import make_call, make_streaming_number
    from tests.factories import make_developer, make_endpoint

    count = int(sys.argv[1])
    developer = make_developer(email="many@example.com")
    ledger.test_credit(developer_id=developer.pk, amount=count * CREDIT_PER_CALL, key="bench")
    now = timezone.now()
    costs = {"duration_seconds": 95, "telephony_cost": "0.08", "model_cost": "0.08"}
    ending = {"status": "completed", "hangup_cause": "normal_clearing", "transcript_announced": True}
    ending |= dict.fromkeys(("ended_at", "settled_at", "reported_at", "model_spoke_at"), now)
    template = make_call(make_streaming_number(developer), now, carrier_call_id="v3:many:0", **costs, **ending)
    columns = [field.column for field in Call._meta.concrete_fields if not field.generated and field.column != "id"]
    values = [COLUMN_SQL.get(column, "template.{column}").format(column=column) for column in columns]
    copies = f"""
        INSERT INTO calls_call ({", ".join(columns)}) SELECT {", ".join(values)}
        FROM calls_call AS template CROSS JOIN generate_series(1, %(count)s - 1) AS n WHERE template.id = %(id)s ORDER BY n DESC
    """  # noqa: S608
    parameters = {"count": count, "id": template.pk, "step": timedelta(days=DAYS) / count}
    parameters |= {"developer": developer.pk, "newest": NEWEST, "events": EVENTS}
    with connection.cursor() as cursor:
        # Without triggers, which would mark each past day for a new sum: `day_sums.sum_up` adds all of them up below.
        cursor.execute("SET session_replication_role = replica")
        for statement in (copies, ENTRIES, TIMELINES):
            cursor.execute(statement, parameters)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM (ANALYZE) calls_call, billing_ledgerentry, calls_callevent")
    day_sums.sum_up()
    client = Client()
    client.force_login(developer)
    newest = Call.objects.filter(developer=developer).order_by("-pk").values_list("pk", flat=True)[:NEWEST]
    endpoints = [
        make_endpoint(make_developer(email=f"endpoint{number}@example.com"), url)[0].pk
        for number, url in enumerate(sys.argv[2:])
    ]
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    sys.stdout.write(json.dumps(PreparedRows(cookie, [f"/calls/{pk}" for pk in newest], endpoints)))


if __name__ == "__main__":
    main()
