"""Shared by the apps' admin pages."""

from typing import Any, ClassVar, Literal, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.paginator import Page, Paginator
from django.db.models import Field, Q, QuerySet
from django.db.models.expressions import Combinable
from django.forms import Field as FormField
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.text import capfirst

from bubblyphone.core.pagination import read_id


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST rows: to count millions takes longer than to show a page of them.

    A search is evaluated once, for the IDs of these rows. Their number and the rows of a page both follow from them.
    """

    MOST = 10_000

    @cached_property
    def _ids(self) -> list[Any]:
        return list(self._rows.values_list("pk", flat=True)[: self.MOST])

    @property
    def _rows(self) -> QuerySet[Any]:
        return cast(QuerySet[Any], self.object_list)

    @cached_property
    def count(self) -> int:
        return len(self._ids)

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        ids = self._ids[(number - 1) * self.per_page : number * self.per_page]
        return Page(self._rows.filter(pk__in=ids), number, self)


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


class NewestFirst(ChangeList):
    """Lists rows by ID only. Other columns have no index, so sorting by one would read the whole table."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        return ["-pk"]

    def get_ordering_field_columns(self) -> dict[int, Literal["desc", "asc"]]:
        return {}

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.multi_page:  # Django bypasses the paginator then, and would evaluate the search again
            self.result_list = self.paginator.page(1).object_list


class GrowingListAdmin(ReadOnlyAdmin):
    """Lists a table that grows forever, newest rows first. Searches use indexes.

    A search is for a part of an account's email, or by one of `lookups`, each of which has an index. Filters apply only to the
    NEWEST rows of all accounts or of one: PostgreSQL might otherwise read many millions of rows without finding a match.
    """

    paginator = BoundedPaginator
    show_full_result_count = False
    search_fields = ["developer__email"]
    lookups: ClassVar[tuple[str, ...]] = ()
    MOST_ACCOUNTS = 100  # that a search looks at
    NEWEST = 100_000  # rows that a filter applies to
    sortable_by = ()
    # Not `search_help_text`: it would be the only text that describes the field, whose label is an image.
    change_list_template = "admin/growing_list.html"
    about_search = f"Search by email, ID, or an exact value. Filters apply to the newest {NEWEST:,} rows."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestFirst

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if not any(name.partition("__")[0] in self.list_filter for name in request.GET):
            return rows
        account = read_id(request.GET.get("developer__id__exact"))
        listed = rows if account is None else rows.filter(developer=account)
        oldest = listed.order_by("-pk").values_list("pk", flat=True)[self.NEWEST : self.NEWEST + 1].first()
        return rows if oldest is None else rows.filter(pk__gt=oldest)

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
