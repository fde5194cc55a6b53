"""Post-call analysis, if the agent has an analysis schema: extract its fields from the transcript, store them, report and charge, once."""

import logging
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.analysis.answer import empty_answer
from agents.analysis.base import AnalysisError, Analyzer, Line
from billing.models import LedgerEntry
from bubblyphone.core.backends import load_backend
from bubblyphone.core.errors import InsufficientFunds
from bubblyphone.core.money import ZERO
from calls import timeline
from calls.after_call import jobs
from calls.charging.call_prices import ANALYSIS_PRICE
from calls.models import Analysis, Call, TranscriptEntry

logger = logging.getLogger(__name__)
# The source of the result if the remote party said nothing. It is free.
NO_SPEECH = "no_speech"


def schema_of(call: Call) -> dict[str, Any]:
    """The fields to extract from the call; empty if analysis is off."""
    return dict(call.settings.analysis_schema or {})


def begin(call: Call) -> None:
    """Start the analysis of an ended call with a complete transcript. Call it in the transaction that completes the transcript."""
    if schema_of(call) and call.answered_at is not None:
        work, is_new = Analysis.objects.get_or_create(call=call)
        if is_new:
            jobs.start(work)


def run(analysis_id: int) -> None:
    """The job."""
    work = jobs.claim(Analysis, analysis_id)
    if work is None:
        return
    try:
        result, source = _analyze(work.call)
    except AnalysisError as error:
        jobs.failed(work, str(error), _report_failure, retryable=error.retryable)
    else:
        _finish(work, result, source)


def _analyze(call: Call) -> tuple[dict[str, Any], str]:
    """The result and its source. Raises AnalysisError."""
    schema = schema_of(call)
    transcript = [Line(entry.role, entry.text) for entry in call.transcript.all()]
    if not any(line.role == TranscriptEntry.Role.USER and line.text.strip() for line in transcript):
        return empty_answer(schema), NO_SPEECH
    analyzer: Analyzer = load_backend(settings.ANALYZER)
    return analyzer.analyze(schema, transcript), analyzer.source


def _finish(work: Analysis, result: dict[str, Any], source: str) -> None:
    at = timezone.now()
    with transaction.atomic():
        call = Call.objects.get_for_update(work.call_id)
        if not jobs.is_ours(work):
            return
        try:
            cost = jobs.charge(
                call, name="analysis", kind=LedgerEntry.Kind.ANALYSIS, amount=_price(call, source), what="analysis"
            )
        except InsufficientFunds:
            work.reason = "Your balance was too low."
            jobs.finish(work, Analysis.Status.FAILED)
            _report_failure(work)
            return
        call.analysis_result, call.analysis_cost = result, cost
        call.save(update_fields=["analysis_result", "analysis_cost"])
        work.source = source
        jobs.finish(work, Analysis.Status.READY)
        timeline.add_event(call.pk, "analysis.ready", "system", at=at, made_by=source)
        timeline.notify(call, "call.analysis.ready", at=at, analysis=result, source=source)


def _price(call: Call, source: str) -> Decimal:
    return ZERO if source == NO_SPEECH or call.is_without_model else ANALYSIS_PRICE


def _report_failure(work: Analysis) -> None:
    call = Call.objects.select_related("phone_number").get(pk=work.call_id)
    at = timezone.now()
    timeline.add_event(call.pk, "analysis.failed", "system", at=at, reason=work.reason)
    timeline.notify(call, "call.analysis.failed", at=at, reason=work.reason)


def find(call: Call) -> Analysis | None:
    """The analysis of a call, in any state."""
    return Analysis.objects.filter(call=call).first()
