"""Limits of single numbers stand with the numbers from now on."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def move(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    caps = apps.get_model("billing", "SpendingCap").objects.filter(phone_number_id__gt=0)
    numbers = apps.get_model("numbers", "PhoneNumber").objects
    for cap in caps:
        limits = {"daily_cap": cap.daily_cap, "max_concurrent_calls": cap.max_concurrent_calls}
        numbers.filter(pk=cap.phone_number_id, developer_id=cap.developer_id).update(**limits)
    caps.delete()


def move_back(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    caps = apps.get_model("billing", "SpendingCap").objects
    for number in apps.get_model("numbers", "PhoneNumber").objects.exclude(daily_cap=None, max_concurrent_calls=None):
        caps.create(
            developer_id=number.developer_id,
            phone_number_id=number.pk,
            daily_cap=number.daily_cap,
            max_concurrent_calls=number.max_concurrent_calls,
        )


class Migration(migrations.Migration):
    dependencies = [("numbers", "0006_caps"), ("billing", "0007_spending_caps")]
    run_before = [("billing", "0008_account_caps")]

    operations = [migrations.RunPython(move, move_back)]
