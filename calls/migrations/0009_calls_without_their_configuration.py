"""A call's configuration goes beside the table, from where it is read with that call alone.

In the rows it would be most of what a month's sums have to read. For calls from now on.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("calls", "0008_settled_day_statistics")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE calls_call SET (toast_tuple_target = 512)", "ALTER TABLE calls_call RESET (toast_tuple_target)"
        )
    ]
