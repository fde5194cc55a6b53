"""`python -m tests.operations.rows ROWS FILES BYTES` in an installation's environment adds many rows, and recordings of old calls."""

import os
import sys
from datetime import timedelta

import django

django.setup()

from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.storage import storages  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from calls.models import Recording  # noqa: E402
from tests.calls.rows import make_account, make_call, make_streaming_number  # noqa: E402

EVENTS = """
INSERT INTO calls_callevent (call_id, event_type, source, metadata, event_timestamp)
SELECT %s, 'tool.called', 'streaming', json_build_object('text', md5(n::text) || md5((n + 1)::text)), now() FROM generate_series(1, %s) AS n
"""


def main() -> None:
    rows, files, size = map(int, sys.argv[1:])
    number, then = make_streaming_number(make_account("1.00")), timezone.now() - timedelta(days=1)
    for file in range(files):
        call = make_call(number, then, status="completed", ended_at=then, settled_at=then)
        name = storages["recordings"].save(f"operations/{file}.wav", ContentFile(os.urandom(1000) * (size // 1000)))
        Recording.objects.create(call=call, maker="platform", name=name, status="ready", finished_at=then)
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [call.pk, rows])


if __name__ == "__main__":
    main()
