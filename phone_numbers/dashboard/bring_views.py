"""Bring your number: adding your own carrier accounts, and importing their numbers."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from bubblyphone.core.errors import ApplicationError, InvalidRequest
from bubblyphone.core.pages.views import add_errors, page, page_action, posted_from, refusals_on, reported, show_refusal
from phone_numbers import carrier_accounts, imports
from phone_numbers.carriers.registry import settings_of
from phone_numbers.dashboard.bring_forms import CarrierAccountForm, CredentialsForm, ImportForm
from phone_numbers.dashboard.views import SHOW_SECRET_OF


@page
def bring(request: HttpRequest) -> HttpResponse:
    return _show(request)


@posted_from("bring-number")
def add_account(request: HttpRequest) -> HttpResponse:
    provider = request.POST.get("provider", "")
    if provider not in carrier_accounts.providers():
        raise Http404
    form = CarrierAccountForm(provider, request.POST)
    if form.is_valid():
        try:
            carrier_accounts.create_account(developer=signed_in(request), **form.account())
        except InvalidRequest as error:
            for text in error.errors.get("credentials", []):
                form.add_error(None, text)
        except ApplicationError as error:
            add_errors(form, error)
        else:
            messages.success(request, "Account added. Import its numbers below.")
            return redirect("bring-number")
    return _show(request, refused=form)


@posted_from("bring-number")
def import_number(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    form = ImportForm(request.POST, developer=developer)
    if form.is_valid():
        with refusals_on(form):
            number = imports.import_number(developer=developer, **form.cleaned_data)
            request.session[SHOW_SECRET_OF] = number.pk
            messages.success(request, "Number imported. Choose who answers it.")
            return redirect("number", number.pk)
    return _show(request, import_form=form)


@page_action
def test_account(request: HttpRequest, pk: int) -> HttpResponse:
    account = carrier_accounts.get_account(developer=signed_in(request), pk=pk)
    try:
        carrier_accounts.check_account(account)
    except ApplicationError as error:
        show_refusal(request, error)
    else:
        name = settings_of(account.provider)["NAME"]
        if account.failing_since is None:
            messages.success(request, f"{name} accepts the credentials.")
        else:
            messages.error(request, f"{name} does not accept the credentials.")
    return redirect("bring-number")


@page_action
def update_account(request: HttpRequest, pk: int) -> HttpResponse:
    account = carrier_accounts.get_account(developer=signed_in(request), pk=pk)
    form = CredentialsForm(account, request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
    elif not form.credentials():
        messages.error(request, "Enter the new credentials.")
    else:
        with reported(request, "Credentials updated."):
            carrier_accounts.update_account(account, credentials=form.credentials())
    return redirect("bring-number")


@page_action
def delete_account(request: HttpRequest, pk: int) -> HttpResponse:
    account = carrier_accounts.get_account(developer=signed_in(request), pk=pk)
    with reported(request, "Account deleted."):
        carrier_accounts.delete_account(account)
    return redirect("bring-number")


def _show(
    request: HttpRequest, *, refused: CarrierAccountForm | None = None, import_form: ImportForm | None = None
) -> HttpResponse:
    """The page, with a form as it was refused."""
    developer = signed_in(request)
    forms = [
        refused if refused is not None and refused.data.get("provider") == provider else CarrierAccountForm(provider)
        for provider in carrier_accounts.providers()
    ]
    accounts = carrier_accounts.accounts_of(developer)
    rows = [(each, settings_of(each.provider)["NAME"], CredentialsForm(each)) for each in accounts]
    context = {"forms": forms, "rows": rows, "import_form": import_form or ImportForm(developer=developer)}
    return render(request, "numbers/bring.html", context)
