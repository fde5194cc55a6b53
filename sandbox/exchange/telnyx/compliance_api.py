"""REST: requirements of countries, requirement groups, documents and addresses."""

import asyncio
import base64
import hashlib
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.exchange import errors, regulation
from sandbox.exchange.http import data_response, filters, json_response, matches, paged, read_json, record_in
from sandbox.exchange.state import Record, State
from sandbox.exchange.tasks import Tasks
from sandbox.exchange.telnyx import schemas
from sandbox.exchange.validation import validate
from sandbox.exchange.webhooks import now_text

APPROVAL_SECONDS = 0.5
MAX_DOCUMENT_BYTES = 20 * 1024 * 1024


class ComplianceApi:
    """`on_approval` is called when a group is approved, because orders may be waiting for it."""

    def __init__(self, state: State, tasks: Tasks, on_approval: Callable[[], None]) -> None:
        self._state = state
        self._tasks = tasks
        self._on_approval = on_approval

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/requirements", self.list_requirements),
            web.get("/v2/requirement_groups", self.list_groups),
            web.post("/v2/requirement_groups", self.create_group),
            web.get("/v2/requirement_groups/{id}", self.get_group),
            web.patch("/v2/requirement_groups/{id}", self.update_group),
            web.delete("/v2/requirement_groups/{id}", self.delete_group),
            web.post("/v2/requirement_groups/{id}/submit_for_approval", self.submit_group),
            web.post("/v2/documents", self.upload_document),
            web.get("/v2/documents/{id}", self.get_document),
            web.post("/v2/addresses", self.create_address),
            web.get("/v2/addresses/{id}", self.get_address),
        ]

    async def list_requirements(self, request: web.Request) -> web.Response:
        wanted = filters(request, ("country_code", "phone_number_type", "action"))
        rows = [regulation.describe(*key) for key in regulation.REQUIREMENTS]
        return paged(request, [row for row in rows if matches(row, wanted)])

    # --- groups: not wrapped in `data`, unlike the rest of this API ----------------------------------------------

    async def list_groups(self, request: web.Request) -> web.Response:
        wanted = filters(request, ("country_code", "phone_number_type", "action", "status", "customer_reference"))
        return json_response([group for group in self._state.requirement_groups.values() if matches(group, wanted)])

    async def create_group(self, request: web.Request) -> web.Response:
        body = validate(await read_json(request), schemas.REQUIREMENT_GROUP)
        now = now_text()
        group: Record = {
            "id": str(uuid.uuid4()),
            "record_type": "requirement_group",
            "country_code": body["country_code"].upper(),
            "phone_number_type": body["phone_number_type"],
            "action": body["action"],
            "customer_reference": body.get("customer_reference") or "",
            "regulatory_requirements": [
                {"requirement_id": each.id, "field_type": each.kind, "field_value": "", "status": "unapproved"}
                | {"created_at": now, "updated_at": now}
                for each in regulation.requirements_of(body["country_code"].upper(), body["phone_number_type"])
            ],
            "status": "unapproved",
            "created_at": now,
            "updated_at": now,
        }
        self._fill(group, body)
        self._state.requirement_groups[group["id"]] = group
        self._state.save()
        return json_response(group)

    async def get_group(self, request: web.Request) -> web.Response:
        return json_response(self._group(request))

    async def update_group(self, request: web.Request) -> web.Response:
        group = self._group(request)
        self._fill(group, validate(await read_json(request), schemas.REQUIREMENT_GROUP_UPDATE))
        group["updated_at"] = now_text()
        self._state.save()
        return json_response(group)

    async def delete_group(self, request: web.Request) -> web.Response:
        group = self._state.requirement_groups.pop(self._group(request)["id"])
        self._state.save()
        return json_response(group)

    async def submit_group(self, request: web.Request) -> web.Response:
        group = self._group(request)
        if not all(each["field_value"] for each in group["regulatory_requirements"]):
            raise errors.invalid("/regulatory_requirements", "Every requirement must have a value.")
        self._set_status(group, "pending-approval")
        self._tasks.start(self._approve(group), "requirement group")
        return json_response(group)

    async def _approve(self, group: Record) -> None:
        await asyncio.sleep(APPROVAL_SECONDS)
        self._set_status(group, "approved")
        self._on_approval()

    def _set_status(self, group: Record, status: str) -> None:
        for record in (group, *group["regulatory_requirements"]):
            record |= {"status": status, "updated_at": now_text()}
        self._state.save()

    def _fill(self, group: Record, body: Record) -> None:
        """Set the values. Raises ApiError for a requirement or document that does not exist."""
        by_id = {each["requirement_id"]: each for each in group["regulatory_requirements"]}
        for index, given in enumerate(body.get("regulatory_requirements") or []):
            pointer = f"/regulatory_requirements/{index}"
            requirement: Record | None = by_id.get(given["requirement_id"])
            if requirement is None:
                raise errors.invalid(f"{pointer}/requirement_id", "This requirement is not in the group.")
            tables: dict[str, dict[str, Record]] = {"document": self._state.documents, "address": self._state.addresses}
            table = tables.get(requirement["field_type"])
            if table is not None and given["field_value"] not in table:
                raise errors.invalid(f"{pointer}/field_value", f"This {requirement['field_type']} does not exist.")
            requirement |= {"field_value": given["field_value"], "updated_at": now_text()}
        if body.get("customer_reference"):
            group["customer_reference"] = body["customer_reference"]

    def _group(self, request: web.Request) -> Record:
        return record_in(self._state.requirement_groups, request, "requirement group")

    # --- documents and addresses --------------------------------------------------------------------------------------

    async def upload_document(self, request: web.Request) -> web.Response:
        """JSON with the file in base64, or a multipart form. Only the file's metadata is stored."""
        if request.content_type == "multipart/form-data":
            content, fields = await _read_form(request)
        else:
            fields = validate(await read_json(request), schemas.DOCUMENT)
            content = base64.b64decode(fields.get("file") or "")
        if not content:
            raise errors.missing("/file")
        if len(content) > MAX_DOCUMENT_BYTES:
            raise errors.invalid("/file", "The file is larger than 20 MB.")
        now = now_text()
        document: Record = {
            "id": str(uuid.uuid4()),
            "record_type": "document",
            "filename": fields.get("filename") or "document",
            "customer_reference": fields.get("customer_reference") or "",
            "content_type": fields.get("content_type") or "application/octet-stream",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": {"amount": len(content), "unit": "bytes"},
            "status": "pending",
            "av_scan_status": "scanned",
            "created_at": now,
            "updated_at": now,
        }
        self._state.documents[document["id"]] = document
        self._state.save()
        return data_response(document)

    async def get_document(self, request: web.Request) -> web.Response:
        return data_response(record_in(self._state.documents, request, "document"))

    async def create_address(self, request: web.Request) -> web.Response:
        body: Any = await read_json(request)
        for name in ("business_name", "first_name", "last_name", "street_address", "locality", "country_code"):
            if not isinstance(body, dict) or not isinstance(body.get(name), str):
                raise errors.missing(f"/{name}")
        now = now_text()
        address = body | {"id": self._state.next_id(), "record_type": "address", "created_at": now, "updated_at": now}
        self._state.addresses[address["id"]] = address
        self._state.save()
        return data_response(address)

    async def get_address(self, request: web.Request) -> web.Response:
        return data_response(record_in(self._state.addresses, request, "address"))


async def _read_form(request: web.Request) -> tuple[bytes, dict[str, Any]]:
    form = await request.post()
    file = form.get("file")
    if not isinstance(file, web.FileField):
        raise errors.missing("/file")
    fields = {"filename": file.filename, "content_type": file.content_type}
    return file.file.read(), fields | {name: value for name, value in form.items() if isinstance(value, str)}
