from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0007_after_call"),
    ]

    operations = [
        # The overview groups an account's calls by this. Without it PostgreSQL expects a group for each call, and sorts them all on disk.
        migrations.RunSQL(
            "CREATE STATISTICS call_settled_day ON ((settled_at AT TIME ZONE 'UTC')::date) FROM calls_call",
            "DROP STATISTICS call_settled_day",
        ),
    ]
