"""Verification: a developer submits documents, staff decide and the developer is notified; the carrier gets them with an order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Developer
from bubblyphone.core.errors import Conflict, Forbidden, InvalidRequest, NotFound, UpstreamFailed
from phone_numbers.carriers.base import CarrierError, PostalAddress, Requirement, RequirementAnswer
from phone_numbers.carriers.capabilities import Compliance
from phone_numbers.carriers.registry import default_carrier, get_carrier
from phone_numbers.countries import NOT_REQUIRED, country_name, get_eligibility, get_requirements
from phone_numbers.models import Verification, VerificationDocument, VerificationEvent
from phone_numbers.verification import verification_notices
from phone_numbers.verification.documents import detect_type, file_problem

ADDRESS_FORM = "Street and number, city, postal code, state"


@dataclass(frozen=True, slots=True)
class SubmittedAnswer:
    """The submitted answer to one requirement: a file, or a text if the requirement accepts one."""

    requirement_id: str
    file: File[bytes] | None = None
    value: str = ""


def submit(*, developer: Developer, country: str, number_type: str, answers: Sequence[SubmittedAnswer]) -> Verification:
    """Raises NotFound, InvalidRequest (`documents.0.file`), Conflict (not required, or already submitted), UpstreamFailed.

    Every document that the country requires must be there; texts may be left out, and staff decide without them.
    """
    wanted = get_requirements(country=country, number_type=number_type)
    if not wanted:
        raise Conflict(f"{country_name(country)} requires no documents for {number_type} numbers.", code=NOT_REQUIRED)
    _refuse_second(developer, country, number_type)
    _check(wanted, answers)
    given = {answer.requirement_id: answer for answer in answers}
    verification = Verification(developer=developer, country_code=country, number_type=number_type)
    documents = [_document(verification, requirement, given.get(requirement["id"])) for requirement in wanted]
    try:
        _store_files(documents, given)
        _write_down(verification, documents)
    except BaseException as error:
        for document in documents:
            document.file.delete(save=False)  # does nothing if there is none yet
        if isinstance(error, IntegrityError):
            _refuse_second(developer, country, number_type)
        raise
    return verification


@transaction.atomic
def approve(*, verification_id: int, staff: Developer, expires_on: date | None = None) -> None:
    """Let the developer hold such numbers, up to a last day if the documents expire.

    Raises Conflict unless pending, InvalidRequest for an address that is missing or a day that has passed.
    A text that nobody gave becomes the account's own name and address.
    """
    if expires_on is not None and expires_on < timezone.now().date():
        raise InvalidRequest({"expires_on": ["This date has passed. Reject the documents instead."]})
    verification = _locked(verification_id)
    if verification.status != Verification.Status.PENDING:
        raise Conflict(f"This verification is already {verification.status}.")
    for document in verification.documents.all():
        if document.kind == "address" and parse_address(document.value) is None:
            raise InvalidRequest({"value": [f"{document.name}: enter the address first ({ADDRESS_FORM})."]})
        if document.kind == "textual" and not document.value:
            document.value = _holder_text(verification.developer)
            document.save(update_fields=["value"])
    verification.expires_on = expires_on
    _decide(verification, Verification.Status.APPROVED, staff)


@transaction.atomic
def reject(*, verification_id: int, staff: Developer, reason: str) -> None:
    """Refuse, or withdraw an approval; numbers that were bought stay. Raises InvalidRequest without a reason, Conflict."""
    if not reason.strip():
        raise InvalidRequest({"reason": ["Enter a reason, so the developer knows what to correct."]})
    verification = _locked(verification_id)
    if verification.status == Verification.Status.REJECTED:
        raise Conflict("This verification is already rejected.")
    _decide(verification, Verification.Status.REJECTED, staff, reason.strip())


def require_approval(*, developer: Developer, country: str, number_type: str, carrier: str = "") -> Verification | None:
    """The approved verification; None if none is required. Raises Forbidden, InvalidRequest, UpstreamFailed."""
    try:
        eligibility = get_eligibility(developer=developer, country=country, number_type=number_type, carrier=carrier)
    except NotFound as error:
        raise InvalidRequest({"country_code": [f"No numbers are for sale in {country}."]}) from error
    if eligibility.may_buy:
        return eligibility.verification if eligibility.status != NOT_REQUIRED else None
    state = {"pending": "Your documents are being reviewed.", "rejected": "Your documents were rejected."}
    raise Forbidden(
        f"{number_type.capitalize()} numbers of {country_name(country)} require verification. "
        + state.get(
            eligibility.status, f"Submit documents with POST /countries/{country}/verify or on the Countries page."
        ),
        code="verification_required",
    )


def requirement_group_of(verification: Verification) -> str:
    """The carrier's id of the documents, which are uploaded on first use. Raises UpstreamFailed. No transaction.

    Only now, because the carrier drops documents that are linked to nothing; harmless when repeated or interrupted.
    """
    if verification.carrier_ref:
        return verification.carrier_ref
    try:
        carrier_ref = get_carrier(verification, Compliance).submit_requirements(
            country=verification.country_code,
            number_type=verification.number_type,
            reference=verification.public_id,
            answers=[_answer(document, verification.developer) for document in verification.documents.all()],
        )
    except CarrierError as error:
        raise UpstreamFailed(f"The carrier did not accept the documents: {error}") from error
    Verification.objects.filter(pk=verification.pk, carrier_ref="").update(carrier_ref=carrier_ref)
    return carrier_ref


def parse_address(text: str) -> tuple[str, ...] | None:
    """Street, city, postal code, state; the last two can be empty. None if the text is not an address in that form."""
    parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    return tuple([*parts, "", ""][:4]) if 2 <= len(parts) <= 4 else None


# --- handing in -------------------------------------------------------------------------------------------------------
def _submitted(developer: Developer, country: str, number_type: str) -> QuerySet[Verification]:
    return Verification.objects.filter(
        developer=developer, carrier=default_carrier(), country_code=country, number_type=number_type
    )


def _refuse_second(developer: Developer, country: str, number_type: str) -> None:
    found = _submitted(developer, country, number_type).exclude(status=Verification.Status.REJECTED).first()
    if found is None or (found.status == Verification.Status.APPROVED and found.is_expired):
        return
    if found.status == Verification.Status.PENDING:
        raise Conflict("Your documents are already being reviewed.", code="pending")
    raise Conflict(f"You are already verified for {number_type} numbers in {country}.", code="approved")


def _end_expired(developer: Developer, country: str, number_type: str) -> None:
    """An expired approval can be replaced by new documents."""
    approved = _submitted(developer, country, number_type).filter(status=Verification.Status.APPROVED)
    for verification in approved.select_for_update():
        if verification.is_expired:
            verification.status = Verification.Status.REJECTED
            verification.rejection_reason = f"Expired on {verification.expires_on}."
            verification.save(update_fields=["status", "rejection_reason"])
            _note(verification, developer, verification.rejection_reason)


def _check(wanted: Sequence[Requirement], answers: Sequence[SubmittedAnswer]) -> None:
    """Raises InvalidRequest with all problems."""
    by_id = {requirement["id"]: requirement for requirement in wanted}
    errors: dict[str, list[str]] = {}
    seen: set[str] = set()
    for index, answer in enumerate(answers):
        requirement = by_id.get(answer.requirement_id)
        if requirement is None:
            errors[f"documents.{index}.type"] = ["Unknown requirement ID for this country and number type."]
        elif answer.requirement_id in seen:
            errors[f"documents.{index}.type"] = [f"{requirement['name']} was sent twice."]
        elif problem := _answer_problem(requirement, answer):
            errors[f"documents.{index}.{problem[0]}"] = [problem[1]]
        seen.add(answer.requirement_id)
    missing = [each["name"] for each in wanted if each["type"] == "document" and each["id"] not in seen]
    if missing:
        errors["documents"] = [f"Missing documents: {', '.join(missing)}."]
    if errors:
        raise InvalidRequest(errors)


def _answer_problem(requirement: Requirement, answer: SubmittedAnswer) -> tuple[str, str] | None:
    """Path and problem."""
    if answer.file is not None:
        problem = file_problem(answer.file)
        return ("file", problem) if problem else None
    if requirement["type"] == "document":
        return "file", "Upload a file."
    if not answer.value:
        return "value", "Enter text or upload a file."
    if requirement["type"] == "address" and parse_address(answer.value) is None:
        return "value", f"Must be an address in this form: {ADDRESS_FORM}."
    return None


def _document(
    verification: Verification, requirement: Requirement, answer: SubmittedAnswer | None
) -> VerificationDocument:
    """The row of an answer, still without its file. Neither is saved."""
    document = VerificationDocument(
        verification=verification,
        requirement_id=requirement["id"],
        name=requirement["name"][:200],
        kind=requirement["type"],
        value=answer.value if answer else "",
    )
    if answer is not None and answer.file is not None:
        document.content_type = detect_type(answer.file) or ""
        document.filename = (answer.file.name or "")[:255]
    return document


def _store_files(documents: Sequence[VerificationDocument], given: Mapping[str, SubmittedAnswer]) -> None:
    """Stored before the rows that name them: the storage may be remote, and no transaction may wait for it."""
    for document in documents:
        answer = given.get(document.requirement_id)
        if answer is not None and answer.file is not None:
            document.file.save("", answer.file, save=False)


@transaction.atomic
def _write_down(verification: Verification, documents: Sequence[VerificationDocument]) -> None:
    _end_expired(verification.developer, verification.country_code, verification.number_type)
    verification.save(force_insert=True)
    _note(verification, verification.developer)
    for document in documents:
        document.save(force_insert=True)


# --- deciding ---------------------------------------------------------------------------------------------------------
def _locked(verification_id: int) -> Verification:
    rows = Verification.objects.select_for_update(of=("self",)).select_related("developer")
    return rows.get(pk=verification_id)


def _decide(verification: Verification, status: Verification.Status, staff: Developer, reason: str = "") -> None:
    verification.status = status
    verification.rejection_reason = reason
    verification.reviewed_at = timezone.now()
    verification.save(update_fields=["status", "rejection_reason", "reviewed_at", "expires_on"])
    _note(verification, staff, reason)
    verification_notices.announce(verification)


def _note(verification: Verification, actor: Developer, reason: str = "") -> None:
    VerificationEvent.objects.create(verification=verification, status=verification.status, actor=actor, reason=reason)


# --- for the carrier --------------------------------------------------------------------------------------------------
def _holder_text(developer: Developer) -> str:
    return ", ".join(part for part in (developer.name, developer.company_name, developer.email) if part)


def _answer(document: VerificationDocument, developer: Developer) -> RequirementAnswer:
    address = parse_address(document.value) if document.kind == "address" else None
    if address is not None:
        first, _, last = developer.name.rpartition(" ")
        postal = PostalAddress(first or last, last, developer.company_name or developer.name, *address)
        return RequirementAnswer(document.requirement_id, address=postal)
    if document.kind == "document":
        with document.file.open("rb") as file:
            return RequirementAnswer(document.requirement_id, filename=document.file.name or "", content=file.read())
    return RequirementAnswer(document.requirement_id, text=document.value)
