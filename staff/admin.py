"""Accounts, background jobs and the log of staff actions. The other apps register their own parts of the admin."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django_q.admin import FailAdmin, TaskAdmin, resubmit_task
from django_q.models import Failure, Success, Task

from accounts import services
from accounts.models import Developer
from billing import billing_switch, ledger
from billing.destinations import exact_rate
from billing.models import AllowedPrefix
from bubblyphone.core.admin import ReadOnlyAdmin
from bubblyphone.core.money import format_money
from staff import second_factor

# Links from an account to its objects: (title, name of the admin list).
PAID = (("Ledger", "billing_ledgerentry"), ("Adjustments", "billing_adjustment"))
METERED = (("Costs", "billing_meteredcost"),)
BELONGINGS = (
    ("Calls", "calls_call"),
    ("Numbers", "numbers_phonenumber"),
    ("Verifications", "numbers_verification"),
    ("Agents", "agents_agent"),
    ("Limits", "billing_spendingcap"),
)
PREFIX = re.compile(r"[1-9][0-9]{0,14}")


class AccountList(ChangeList):
    """A page of accounts with their balances, asked for all at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        found = list(self.result_list)
        balances = ledger.balances(developer.pk for developer in found)
        for developer in found:
            developer.listed_balance = balances[developer.pk]
        self.result_list = found


class DeveloperForm(forms.ModelForm[Developer]):
    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


class AllowedPrefixForm(forms.ModelForm[AllowedPrefix]):
    def clean_prefix(self) -> str:
        prefix = str(self.cleaned_data["prefix"]).removeprefix("+")
        if not PREFIX.fullmatch(prefix):
            raise forms.ValidationError("Enter digits starting with a country code, like 1900.")
        return prefix


class AllowedPrefixInline(admin.TabularInline[AllowedPrefix, Developer]):
    """Costly ranges that the account may call. A prefix without its own outbound rate has no effect."""

    model = AllowedPrefix
    form = AllowedPrefixForm
    extra = 0
    fields = ["prefix", "rate", "created_at"]
    readonly_fields = ["rate", "created_at"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # another prefix is another row

    @admin.display(description="outbound rate")
    def rate(self, allowed: AllowedPrefix) -> str:
        if allowed.pk is None:
            return "–"
        price = exact_rate(allowed.prefix)
        return "No rate: calls are refused" if price is None else f"${format_money(price)} per minute"


@admin.register(Developer)
class DeveloperAdmin(admin.ModelAdmin[Developer]):
    """An account with its balance and links to everything it owns. Superusers decide who is staff, and with which role."""

    list_display = ["email", "name", "company_name", "balance", "is_active", "is_staff", "created_at"]
    list_filter = ["is_active", "is_staff", "groups"]
    search_fields = ["email", "name", "company_name"]
    ordering = ["-pk"]
    filter_horizontal = ["groups"]
    actions = ["reset_second_factor"]
    form = DeveloperForm
    inlines = [AllowedPrefixInline]
    fields = [
        "email", "name", "company_name", "is_active", "balance", "belongings", "created_at", "email_verified_at", "last_login",
        "demo_calls_used", "is_staff", "is_superuser", "groups",
    ]  # fmt: skip
    readonly_fields = ["balance", "belongings", "created_at", "email_verified_at", "last_login", "demo_calls_used"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # accounts are created by registering

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if not _is_superuser(request):
            # The owner of the email address can reset the password, so only superusers can edit staff accounts.
            has_powers = obj is not None and (obj.is_staff or obj.is_superuser)
            readonly = ["name", "company_name", "is_active"] if has_powers else []
            return [*self.readonly_fields, "email", "is_staff", "is_superuser", "groups", *readonly]
        return [*self.readonly_fields, "email"] if obj is not None and obj.closed_at else self.readonly_fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [name for name in super().get_fields(request, obj) if name != "balance" or billing_switch.is_on()]

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return super().get_inline_instances(request, obj) if obj is not None else []

    def save_model(self, request: HttpRequest, obj: Developer, form: Any, change: bool) -> None:
        """Writes only changed fields, so that concurrent changes by the developer are kept."""
        own = {"name", "company_name", "is_active", "is_staff", "is_superuser"}
        obj.save(update_fields=sorted(own & set(form.changed_data)))
        if "email" in form.changed_data:
            old, new = form.initial["email"], obj.email
            services.change_email(developer=obj, email=new)
            self.log_change(
                request,
                obj,
                f"Email changed from {old} to {new}. The new address is not verified yet. We are notifying {old}.",
            )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().get_actions(request)
        if not _is_superuser(request):
            found.pop("reset_second_factor", None)
        return found

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AccountList

    @admin.display(description="balance (USD)")
    def balance(self, developer: Developer) -> str:
        known: Decimal | None = getattr(developer, "listed_balance", None)
        return format_money(ledger.balance(developer.pk) if known is None else known)

    @admin.display(description="related objects")
    def belongings(self, developer: Developer) -> SafeString:
        links = [
            (reverse(f"admin:{name}_changelist") + "?" + urlencode({"developer__id__exact": developer.pk}), title)
            for title, name in ((PAID if billing_switch.is_on() else METERED) + BELONGINGS)
        ]
        if billing_switch.is_on():
            links.append(
                (
                    f"{reverse('admin:billing_adjustment_add')}?{urlencode({'developer': developer.pk})}",
                    "Adjust balance",
                )
            )
        return format_html_join(" · ", '<a href="{}">{}</a>', links)

    @admin.action(description="Reset two-factor authentication")
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[Developer]) -> None:
        for developer in queryset.filter(is_staff=True):
            second_factor.reset(developer)
            self.log_change(request, developer, "Two-factor authentication reset.")
        messages.success(request, "They will set up two-factor authentication again at the next sign-in.")


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """Staff actions, for superusers."""

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
    """django-q2's list of failed jobs; repeated jobs are logged."""

    actions = ["run_again"]

    @admin.action(description="Run again", permissions=["change"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        for job in queryset:
            self.log_change(request, job, f"Run again: {job.func}.")
        resubmit_task(self, request, queryset)


class DoneJobAdmin(ReadOnlyAdmin, TaskAdmin):  # type: ignore[misc]
    """Successful jobs. Running one again might repeat its effect."""

    actions = []


admin.site.unregister(Success)
admin.site.register(Success, DoneJobAdmin)
admin.site.unregister(Failure)
admin.site.register(Failure, FailedJobAdmin)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
