"""Part of `manage.py ledger verify`: compares the costs on calls with the booked amounts."""

from collections.abc import Iterator

from django.db import connection

# One row per call and kind in which the two differ; a call that is not settled has no cost.
DIFFERENCES = """
WITH booked AS (
    SELECT split_part(key, ':', 2)::bigint AS call_id, kind, developer_id, -SUM(amount) AS amount
    FROM billing_cost WHERE key ~ '^call:[0-9]+:' GROUP BY 1, 2, 3
), told AS (
    SELECT id AS call_id, part.kind, developer_id, part.amount FROM calls_call CROSS JOIN LATERAL (VALUES
        ('telephony', telephony_cost), ('model', model_cost), ('transcription', transcription_cost), ('analysis', analysis_cost)
    ) AS part (kind, amount)
)
SELECT call_id, kind, developer_id, COALESCE(told.amount, 0), COALESCE(booked.amount, 0)
FROM told FULL JOIN booked USING (call_id, kind, developer_id)
WHERE COALESCE(told.amount, 0) <> COALESCE(booked.amount, 0) ORDER BY 1, 2
"""
ODD_KEYS = "SELECT key FROM billing_cost WHERE key LIKE 'call:%%' AND key !~ '^call:[0-9]+:' ORDER BY key"
UNSETTLED = """
SELECT id FROM calls_call WHERE status IN ('completed', 'failed') AND settled_at IS NULL
   OR demo AND telephony_cost + model_cost + transcription_cost + analysis_cost <> 0 ORDER BY id
"""


def check_calls() -> Iterator[str]:
    """Each call's entries must add up to its costs, part by part; each entry must have a call of the same account."""
    with connection.cursor() as cursor:
        cursor.execute(ODD_KEYS)
        yield from (f"{key}: no such call" for (key,) in cursor.fetchall())
        cursor.execute(DIFFERENCES)
        for call_id, kind, developer_id, told, booked in cursor.fetchall():
            yield f"call {call_id} of developer {developer_id}: {kind} cost {told}, charged {booked}"
        cursor.execute(UNSETTLED)
        yield from (f"call {call_id}: ended but not settled, or a demo with a cost" for (call_id,) in cursor.fetchall())
