"""Saved views of the list of calls: saving, renaming, setting the default, deleting."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from accounts.access import signed_in
from accounts.models import Developer
from bubblyphone.core.errors import Conflict, InvalidRequest
from bubblyphone.core.pages.views import page_action, reported
from calls.dashboard.forms import CallFilterForm
from calls.models import SavedView

MAX_VIEWS = 50
MAX_NAME = SavedView._meta.get_field("name").max_length or 0
MAX_QUERY = SavedView._meta.get_field("query").max_length or 0


def filters_of(form: CallFilterForm) -> str:
    """The current filters and columns as a query string in a fixed order; "" if there are none or one is invalid."""
    assert isinstance(form.data, QueryDict)
    return _in_order(form, form.data) if form.is_valid() else ""


def current_of(views: Iterable[SavedView], form: CallFilterForm, given: QueryDict) -> SavedView | None:
    """The current view: the one with the current filters, or the `given` one. Its agent, number or columns may no longer exist."""
    queries = {filters_of(form), _in_order(form, given)} - {""}
    return next((view for view in views if view.query in queries), None)


def _in_order(form: CallFilterForm, given: QueryDict) -> str:
    query = QueryDict(mutable=True)
    for name in form.fields:
        if values := [value for value in given.getlist(name) if value]:
            query.setlist(name, values)
    return query.urlencode()


def save(*, developer: Developer, name: str, query: str) -> SavedView:
    """Save filters under a name, replacing an existing view of that name. Raises InvalidRequest and Conflict."""
    filters = filters_of(CallFilterForm(QueryDict(query), developer=developer))
    if not filters or len(filters) > MAX_QUERY:
        raise InvalidRequest({"query": ["Choose filters or columns first, then save them as a view."]})
    name = _checked(name)
    with transaction.atomic():
        Developer.objects.select_for_update().get(pk=developer.pk)
        known = developer.saved_views.filter(name=name).first()
        if known is None and developer.saved_views.count() >= MAX_VIEWS:
            raise Conflict(f"You have {MAX_VIEWS} views. Delete one first.")
        view = known or SavedView(developer=developer, name=name)
        view.query = filters
        view.save()
    return view


def change(view: SavedView, form: Mapping[str, Any]) -> None:
    """Rename a view, and set or unset it as the default. Raises InvalidRequest."""
    view.name, view.is_default = _checked(form.get("name", "")), bool(form.get("is_default"))
    try:
        with transaction.atomic():
            if view.is_default:
                view.developer.saved_views.exclude(pk=view.pk).update(is_default=False)
            view.save(update_fields=["name", "is_default"])
    except IntegrityError as error:
        raise InvalidRequest({"name": ["You already have a view with this name."]}) from error


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= MAX_NAME or "\0" in name:
        raise InvalidRequest({"name": [f"Enter a name of up to {MAX_NAME} characters."]})
    return name


@page_action
def save_view(request: HttpRequest) -> HttpResponse:
    """The filters in `query`, as `name`."""
    query = request.POST.get("query", "")
    with reported(request, "View saved."):
        query = save(developer=signed_in(request), name=request.POST.get("name", ""), query=query).query
    return redirect(f"{reverse('calls')}?{query}")


@page_action
def change_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename, choose as the default, or with `action=delete` delete."""
    view = get_object_or_404(SavedView, developer=signed_in(request), pk=pk)
    if request.POST.get("action") == "delete":
        view.delete()
        messages.success(request, "View deleted.")
        return redirect(f"{reverse('calls')}?{view.query}")
    with reported(request, "View updated."):
        change(view, request.POST)
    return redirect(f"{reverse('calls')}?{view.query}")
