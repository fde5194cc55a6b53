"""Permissions of staff: two groups with exactly these permissions, restored after every `migrate`. Superusers can do everything."""

from typing import Any

from django.apps import apps as installed_apps
from django.apps.registry import Apps

_PAPERS = ("numbers.view_verification", "numbers.change_verification", "numbers.view_verificationevent")
_DOCUMENTS = ("numbers.view_verificationdocument", "numbers.change_verificationdocument")

ROLES: dict[str, tuple[str, ...]] = {
    # Reviews documents and sees whose they are.
    "reviewer": (*_PAPERS, *_DOCUMENTS, "accounts.view_developer"),
    # Operates the platform: money, prices, the catalog, jobs; views calls and numbers.
    "operator": (
        "accounts.view_developer", "accounts.change_developer",
        "billing.view_ledgerentry", "billing.view_meteredcost", "billing.view_adjustment", "billing.add_adjustment",
        "djstripe.view_event", "djstripe.view_webhookeventtrigger",
        "billing.view_spendingcap", "billing.add_spendingcap", "billing.change_spendingcap", "billing.view_payment",
        "billing.view_allowedprefix", "billing.add_allowedprefix", "billing.delete_allowedprefix",
        "billing.view_telephonyrate", "billing.add_telephonyrate", "billing.change_telephonyrate",
        "agents.view_aimodel", "agents.add_aimodel", "agents.change_aimodel", "agents.view_agent", "agents.view_modelkey",
        "numbers.view_numberprice", "numbers.add_numberprice", "numbers.change_numberprice",
        "numbers.view_phonenumber", "numbers.view_numberpurchase", "numbers.view_verification",
        "calls.view_call", "calls.view_callevent",
        "django_q.view_failure", "django_q.change_failure", "django_q.delete_failure", "django_q.view_success",
        "django_q.view_schedule", "django_q.view_ormq",
    ),
}  # fmt: skip


def apply_roles(using: str, apps: Apps = installed_apps, **kwargs: Any) -> None:
    """Receiver of post_migrate. A permission that does not exist yet (`migrate` stopped early) is added the next time."""
    group_model, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, labels in ROLES.items():
        group, _ = group_model.objects.using(using).get_or_create(name=name)
        wanted = [
            found
            for found in permissions.objects.using(using).select_related("content_type")
            if f"{found.content_type.app_label}.{found.codename}" in labels
        ]
        group.permissions.set(wanted)
