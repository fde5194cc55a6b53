"""A metric that fails after a commit is logged, and the committed work continues."""

import pytest
from django.db import transaction

from bubblyphone.core.database.commit_hooks import note_after_commit


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_logged_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    def fail(what: str) -> None:
        raise ValueError(what)

    with transaction.atomic():
        note_after_commit(fail, "not countable")
        note_after_commit(seen.append, "the next one")
        assert seen == []
    assert seen == ["the next one"]
    assert caplog.text.count("ValueError: not countable") == 1
