"""Shared by the apps' admin pages."""

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Field, Q, QuerySet
from django.forms import Field as FormField
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.text import capfirst

from bubblyphone.core.pagination import read_id


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST rows: to count millions takes longer than to show a page of them."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows[: self.MOST].count()


class EditableListAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows edited in the list, whose fields do not have their own labels for screen readers."""

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> FormField | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in self.list_editable:
            field.widget.attrs["aria-label"] = capfirst(field.label)
        return field


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that staff can view but not edit; they are written elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class GrowingListAdmin(ReadOnlyAdmin):
    """Rows of a table that grows forever: the newest are listed, and what is searched is found by an index.

    A search is for a part of an account's email, or by one of `lookups`, each of which has an index.
    """

    paginator = BoundedPaginator
    show_full_result_count = False
    search_fields = ["developer__email"]
    lookups: ClassVar[tuple[str, ...]] = ()
    MOST_ACCOUNTS = 100  # that a search looks at

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        # Asked for beforehand: PostgreSQL uses no index for a condition on one table or on another.
        accounts = get_user_model()._default_manager.filter(email__icontains=term).values_list("pk", flat=True)
        wanted = Q(developer__in=list(accounts[: self.MOST_ACCOUNTS]))
        for name in self.lookups:
            wanted |= Q(**{name: term})
        if (pk := read_id(term)) is not None:
            wanted |= Q(pk=pk)
        return queryset.filter(wanted), False
