"""Countries: the list of available numbers, and submitting documents."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from bubblyphone.core.errors import ApplicationError, InvalidRequest, NotFound, UpstreamFailed
from bubblyphone.core.pages.views import form_page, page
from phone_numbers.countries import (
    NOT_REQUIRED,
    UNVERIFIED,
    NumberEligibility,
    get_eligibility,
    get_requirements,
    list_eligibilities,
)
from phone_numbers.dashboard.country_forms import DocumentsForm
from phone_numbers.dashboard.forms import TYPE_LABELS
from phone_numbers.models import Verification
from phone_numbers.verification import submissions

Status = Verification.Status
# Actions, most urgent first.
SECTIONS = (
    ("Rejected", {Status.REJECTED}),
    ("In review", {Status.PENDING}),
    ("Available", {NOT_REQUIRED, Status.APPROVED}),
    ("Documents required", {UNVERIFIED}),
)


@page
def countries(request: HttpRequest) -> HttpResponse:
    try:
        holdings = list_eligibilities(signed_in(request))
    except UpstreamFailed as error:
        return render(request, "countries/list.html", {"refusal": error.message})
    sections = [
        (
            title,
            [
                (eligibility, TYPE_LABELS[eligibility.number_type])
                for eligibility in holdings
                if eligibility.status in states
            ],
        )
        for title, states in SECTIONS
    ]
    return render(request, "countries/list.html", {"sections": [pair for pair in sections if pair[1]]})


@form_page
def country(request: HttpRequest, code: str, number_type: str) -> HttpResponse:
    """The requirements of a type of number, the status of its verification, and the form."""
    developer = signed_in(request)
    try:
        eligibility = get_eligibility(developer=developer, country=code, number_type=number_type)
        requirements = get_requirements(country=code, number_type=number_type)
    except InvalidRequest as error:
        raise NotFound("Not found.") from error
    except UpstreamFailed as error:
        return render(request, "countries/list.html", {"refusal": error.message})
    form = DocumentsForm(requirements, *((request.POST, request.FILES) if request.method == "POST" else ()))
    if form.is_valid():
        try:
            submissions.submit(developer=developer, country=code, number_type=number_type, answers=form.answers)
        except ApplicationError as error:
            form.show(error)
        else:
            messages.success(request, "Documents submitted. We will email you when the review is complete.")
            return redirect("country", code, number_type)
    context = {
        "eligibility": eligibility,
        "kind": TYPE_LABELS[number_type],
        "requirements": requirements,
        "form": form,
        "may_submit": _may_submit(eligibility),
    }
    return render(request, "countries/detail.html", context)


def _may_submit(eligibility: NumberEligibility) -> bool:
    return eligibility.status in {UNVERIFIED, Status.REJECTED}
