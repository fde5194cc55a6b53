"""Accounts, background jobs and the log of what staff did. The other apps bring their own parts of the admin."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django_q.admin import FailAdmin, resubmit_task
from django_q.models import Failure, Task

from accounts.models import Developer
from billing import ledger
from bubblyphone.core.admin import ReadOnlyAdmin
from bubblyphone.core.money import format_money
from staff import second_factor

# What belongs to an account: (title, list in the admin, filter).
BELONGINGS = (
    ("Ledger", "billing_ledgerentry", "developer__id__exact"),
    ("Adjustments", "billing_adjustment", "developer__id__exact"),
    ("Calls", "calls_call", "developer__id__exact"),
    ("Numbers", "numbers_phonenumber", "developer__id__exact"),
    ("Verifications", "numbers_verification", "developer__id__exact"),
    ("Agents", "agents_agent", "developer__id__exact"),
)


@admin.register(Developer)
class DeveloperAdmin(admin.ModelAdmin[Developer]):
    """An account with its balance and the ways to all it has. Who is staff, and with which role, superusers decide."""

    list_display = ["email", "name", "company_name", "balance", "is_active", "is_staff", "created_at"]
    list_filter = ["is_active", "is_staff", "groups"]
    search_fields = ["email", "name", "company_name"]
    ordering = ["-pk"]
    filter_horizontal = ["groups"]
    actions = ["reset_second_factor"]
    fields = [
        "email", "name", "company_name", "is_active", "balance", "belongings", "created_at", "email_verified_at", "last_login",
        "demo_calls_used", "is_staff", "is_superuser", "groups",
    ]  # fmt: skip
    readonly_fields = ["balance", "belongings", "created_at", "email_verified_at", "last_login", "demo_calls_used"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # accounts are opened by registering

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        powers = [] if _is_superuser(request) else ["is_staff", "is_superuser", "groups"]
        # Nobody but a superuser touches the account of staff.
        kept = ["email", "name", "company_name", "is_active"] if powers and obj is not None and obj.is_staff else []
        return [*self.readonly_fields, *powers, *kept]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().get_actions(request)
        if not _is_superuser(request):
            found.pop("reset_second_factor", None)
        return found

    @admin.display(description="balance (USD)")
    def balance(self, developer: Developer) -> str:
        return format_money(ledger.balance(developer.pk))

    @admin.display(description="what it has")
    def belongings(self, developer: Developer) -> SafeString:
        links = [
            (reverse(f"admin:{name}_changelist") + "?" + urlencode({key: developer.pk}), title)
            for title, name, key in BELONGINGS
        ]
        adjust = reverse("admin:billing_adjustment_add") + "?" + urlencode({"developer": developer.pk})
        return format_html_join(" · ", '<a href="{}">{}</a>', [*links, (adjust, "Adjust the balance")])

    @admin.action(description="Forget the second factor (a lost phone)")
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[Developer]) -> None:
        for developer in queryset.filter(is_staff=True):
            second_factor.reset(developer)
            self.log_change(request, developer, "Second factor forgotten.")
        messages.success(request, "They enrol anew at the next sign-in.")


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """What staff did, for superusers."""

    list_display = ["action_time", "user", "content_type", "what", "get_change_message"]
    list_select_related = ["user", "content_type"]
    list_filter = ["action_flag", "content_type"]
    search_fields = ["user__email", "object_repr", "change_message"]
    date_hierarchy = "action_time"
    list_display_links = None

    @admin.display(description="object")
    def what(self, entry: LogEntry) -> str | SafeString:
        try:
            url = entry.get_admin_url() if not entry.is_deletion() else None
        except NoReverseMatch:
            url = None
        return format_html('<a href="{}">{}</a>', url, entry.object_repr) if url else entry.object_repr


class FailedJobAdmin(FailAdmin):  # type: ignore[misc]
    """django-q2's list of failed jobs; what is run again is logged."""

    actions = ["run_again"]

    @admin.action(description="Run again", permissions=["change"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        for job in queryset:
            self.log_change(request, job, f"Run again: {job.func}.")
        resubmit_task(self, request, queryset)


admin.site.unregister(Failure)
admin.site.register(Failure, FailedJobAdmin)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
