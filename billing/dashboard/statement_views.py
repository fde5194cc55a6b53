"""The pages of statements."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from accounts.access import signed_in
from billing import statements
from billing.api.statements import find_statement
from billing.statement_files import statement_csv, statement_pdf
from bubblyphone.core.errors import NotFound
from bubblyphone.core.pages.views import page

SHOWN_MONTHS = 24
MAX_SHOWN = 20  # characters of an invalid month that are shown


@page
def statement_list(request: HttpRequest) -> HttpResponse:
    """A row for each of the last months."""
    developer, now = signed_in(request), timezone.now()
    shown = statements.statements_of(developer, now)[:SHOWN_MONTHS]
    return render(request, "billing/statements.html", {"statements": shown})


@page
def statement_file(request: HttpRequest, month: str, extension: str) -> HttpResponse:
    developer = signed_in(request)
    make = {"pdf": statement_pdf, "csv": statement_csv}.get(extension)
    if make is None:
        raise Http404
    try:
        statement = find_statement(developer, month)
    except NotFound:
        messages.error(request, f"There is no statement for {month[:MAX_SHOWN]}. Choose a month from the list.")
        return redirect("statements")
    return make(developer, statement)
