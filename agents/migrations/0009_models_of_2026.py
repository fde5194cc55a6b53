from django.db import migrations

from agents.migrations._second_models import add_models


class Migration(migrations.Migration):
    dependencies = [("agents", "0008_reasoning_and_noise")]

    safe_beside_old_code = "Only adds rows of the catalog and names successors, which the code before knows."
    operations = [migrations.RunPython(add_models, migrations.RunPython.noop)]
