"""Documents of number holders: requirement groups, and the documents and addresses in them.

https://developers.telnyx.com/docs/numbers/phone-numbers/requirement-groups
"""

import base64
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from phone_numbers.carriers.base import CarrierError, Requirement, RequirementAnswer
from phone_numbers.carriers.capabilities import Compliance
from phone_numbers.carriers.telnyx.account import TelnyxAccount, rows_of
from phone_numbers.carriers.telnyx.client import TelnyxClient

logger = logging.getLogger(__name__)

# A group with one of these statuses is not under review, or was refused, so it can be changed.
OPEN = {"unapproved", "declined"}


class TelnyxCompliance(Compliance):
    """Compliance for an account."""

    account: TelnyxAccount

    def requirements(self, *, country: str, number_type: str) -> list[Requirement]:
        query = {
            "filter[country_code]": country,
            "filter[phone_number_type]": number_type,
            "filter[action]": "ordering",
        }
        rows = rows_of(self.account.client.get("requirements", query))
        return [_requirement(kind) for row in rows for kind in row.get("requirement_types") or []]

    def submit_requirements(
        self, *, country: str, number_type: str, reference: str, answers: Sequence[RequirementAnswer]
    ) -> str:
        """Create or find the group with this reference, fill it in, and request approval.

        Documents are uploaded here and not earlier, because Telnyx deletes documents that are not linked for 30 minutes.
        """
        found = self.account.client.get("requirement_groups", {"filter[customer_reference]": reference})
        group = next((each for each in found if isinstance(each, dict)), None) if isinstance(found, list) else None
        if group is None:
            body = {
                "country_code": country,
                "phone_number_type": number_type,
                "action": "ordering",
                "customer_reference": reference,
            }
            group = self.account.client.post("requirement_groups", body)
        if not isinstance(group, dict) or not group.get("id"):
            raise CarrierError("The carrier's response is not a requirement group.", reason="outcome_unknown")
        group_id = str(group["id"])
        if group.get("status") in OPEN:
            values = [
                {
                    "requirement_id": answer.requirement_id,
                    "field_value": _field_value(self.account.client, answer, country, reference),
                }
                for answer in answers
            ]
            self.account.client.patch(f"requirement_groups/{group_id}", {"regulatory_requirements": values})
            _ask_for_approval(self.account.client, group_id)
        return group_id


def _ask_for_approval(client: TelnyxClient, group_id: str) -> None:
    try:
        client.post(f"requirement_groups/{group_id}/submit_for_approval", {})
    except CarrierError as error:
        if error.reason != "rejected":
            raise
        # Not available for every country: elsewhere the group is reviewed with the order.
        logger.warning("The requirement group was not approved.", extra={"requirement_group": group_id})


def _field_value(client: TelnyxClient, answer: RequirementAnswer, country: str, reference: str) -> str:
    """The text itself, or the carrier's id of the uploaded document or address."""
    record: Any
    if answer.address is not None:
        body = {**asdict(answer.address), "country_code": country, "customer_reference": reference}
        record = client.post("addresses", {name: value for name, value in body.items() if value})
    elif answer.content:
        document = {
            "file": base64.b64encode(answer.content).decode(),
            "filename": PurePosixPath(answer.filename).name,
            "customer_reference": reference,
        }
        record = client.post("documents", document)
    else:
        return answer.text
    if not isinstance(record, dict) or not record.get("id"):
        raise CarrierError("The carrier's response has no document ID.", reason="outcome_unknown")
    return str(record["id"])


def _requirement(row: Mapping[str, Any]) -> Requirement:
    criteria = row.get("acceptance_criteria") or {}
    return {
        "id": str(row["id"]),
        "name": str(row.get("name") or ""),
        "type": str(row.get("type") or "document"),
        "description": str(row.get("description") or ""),
        "example": str(row.get("example") or ""),
        "time_limit": str(criteria.get("time_limit") or "") or None,
    }
