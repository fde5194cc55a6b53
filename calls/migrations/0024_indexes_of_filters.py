"""Indexes for filters that fit few of very many calls. Those that others begin with go: each costs a write for every row."""

from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def _without_index(
    model: str, name: str, to: str, on_delete: object, related_name: str, *, null: bool = False
) -> object:
    field = models.ForeignKey(to=to, on_delete=on_delete, related_name=related_name, null=null, db_index=False)
    return migrations.AlterField(model_name=model, name=name, field=field)


class Migration(migrations.Migration):
    atomic = False  # a table of many rows is not locked while an index is made

    dependencies = [("calls", "0023_search_by_connected_number")]

    operations = [
        AddIndexConcurrently(
            model_name="call", index=models.Index(fields=["agent", "-id"], include=["developer"], name="call_by_agent")
        ),
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(
                fields=["developer", "-id"], condition=~models.Q(refusal_reason=""), name="call_not_dialed"
            ),
        ),
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(fields=["developer", "-id"], condition=models.Q(sandbox=True), name="call_in_sandbox"),
        ),
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(
                fields=["developer", "-id"], condition=models.Q(voicemail_detected=True), name="call_with_voicemail"
            ),
        ),
        _without_index("call", "developer", settings.AUTH_USER_MODEL, models.PROTECT, "calls"),
        _without_index("call", "phone_number", "numbers.phonenumber", models.PROTECT, "calls", null=True),
        _without_index("call", "agent", "agents.agent", models.SET_NULL, "calls", null=True),
        *(
            _without_index(model, "call", "calls.call", models.CASCADE, related_name)
            for model, related_name in (
                ("callevent", "events"), ("transcriptentry", "transcript"), ("speechtime", "speech"), ("callturn", "turns"),
            )
        ),
    ]  # fmt: skip
