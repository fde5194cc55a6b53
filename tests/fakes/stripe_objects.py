"""The objects of a Stripe account, in the shapes of Stripe's API, and the operations on them. No HTTP here."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

StripeObject = dict[str, Any]
GOOD, DECLINES_LATER, ASKS_FOR_AUTHENTICATION = "4242424242424242", "4000000000000341", "4000002760003184"
NO_FUNDS = "4000000000009995"
BRANDS = {"4": "visa", "5": "mastercard"}


class Refused(Exception):
    """An error response: its status and `error` object."""

    def __init__(self, status: int, kind: str, message: str, **detail: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "message": message, **detail}


def missing(what: str, name: str, param: str) -> Refused:
    text = f"No such {what}: '{name}'"
    return Refused(404 if param == "id" else 400, "invalid_request_error", text, code="resource_missing", param=param)


@dataclass
class StripeAccount:
    """Calls `tell(event)` for each event, right after the change that it reports."""

    tell: Callable[[StripeObject], None]
    objects: dict[str, StripeObject] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)  # payment method → card number
    events: list[StripeObject] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._count = itertools.count(1)

    # --- objects ------------------------------------------------------------------------------------------------------
    def make(self, prefix: str, kind: str, **content: Any) -> StripeObject:
        number = f"{next(self._count):04}"
        created = {
            "id": f"{prefix}_{number}fake{number}",
            "object": kind,
            "created": int(time.time()),
            "livemode": False,
            **content,
        }
        self.objects[created["id"]] = created
        return created

    def find(self, name: str, kind: str, param: str = "id") -> StripeObject:
        stored = self.objects.get(name)
        if stored is None or stored["object"] != kind:
            raise missing(kind.replace(".", "_"), name, param)
        return stored

    def of_kind(self, kind: str, **fields: Any) -> list[StripeObject]:
        """Newest first, as in Stripe's lists."""
        found = [stored for stored in self.objects.values() if stored["object"] == kind]
        return [
            stored for stored in reversed(found) if all(stored.get(name) == value for name, value in fields.items())
        ]

    def announce(self, kind: str, subject: StripeObject) -> StripeObject:
        event = {
            "id": f"evt_{next(self._count):06}fake",
            "object": "event",
            "api_version": "2026-08-26.dahlia",
            "created": int(time.time()),
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
            "data": {"object": dict(subject)},
        }
        self.events.append(event)
        self.tell(event)
        return event

    def add_card(self, number: str, customer: str | None = None) -> StripeObject:
        card = {"brand": BRANDS[number[0]], "last4": number[-4:], "exp_month": 3, "exp_year": 2031, "country": "US"}
        method = self.make("pm", "payment_method", type="card", card=card, customer=customer, metadata={})
        self.numbers[method["id"]] = number
        return method

    # --- Checkout -----------------------------------------------------------------------------------------------------
    def open_session(self, form: StripeObject, page: Callable[[str], str]) -> StripeObject:
        if customer := form.get("customer"):
            self.find(customer, "customer", "customer")
        lines = form["line_items"]
        total = sum(int(line["quantity"]) * int(line["price_data"]["unit_amount"]) for line in lines)
        if total < 50:
            raise Refused(400, "invalid_request_error", "The total is too small.", code="amount_too_small")
        session = self.make(
            "cs_test", "checkout.session", mode=form["mode"], customer=customer, amount_total=total, currency="usd",
            status="open", payment_status="unpaid", payment_intent=None, metadata=form.get("metadata", {}),
            client_reference_id=form.get("client_reference_id"), success_url=form["success_url"],
            cancel_url=form.get("cancel_url"), expires_at=int(time.time()) + 24 * 3600,
        )  # fmt: skip
        session["url"] = page(session["id"])
        self.objects[f"wanted:{session['id']}"] = {"object": "wanted", **form.get("payment_intent_data", {})}
        return session

    def pay_session(self, session_id: str, number: str = GOOD, *, later: bool = False) -> StripeObject:
        """Pay as the customer does on the page. `later`: by bank transfer, which `finish_session` completes."""
        session = self.find(session_id, "checkout.session")
        if session["status"] != "open":
            raise Refused(400, "invalid_request_error", "This Checkout Session is not open.")
        form = self.objects[f"wanted:{session_id}"]
        method = self.add_card(number)
        intent = self.make(
            "pi", "payment_intent", amount=session["amount_total"], amount_received=0, currency="usd",
            customer=session["customer"], payment_method=method["id"], status="processing", latest_charge=None,
            metadata=form.get("metadata", {}), setup_future_usage=form.get("setup_future_usage"),
            last_payment_error=None,
        )  # fmt: skip
        session |= {"status": "complete", "payment_intent": intent["id"]}
        if intent["setup_future_usage"]:
            method["customer"] = session["customer"]
            self.announce("payment_method.attached", method)
        if later:
            self.announce("checkout.session.completed", session)
            return session
        self._succeed(intent)
        session["payment_status"] = "paid"
        self.announce("checkout.session.completed", session)
        return session

    def finish_session(self, session_id: str, *, paid: bool) -> None:
        session = self.find(session_id, "checkout.session")
        if paid:
            self._succeed(self.objects[session["payment_intent"]])
            session["payment_status"] = "paid"
        self.announce(f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", session)

    def expire_session(self, session_id: str) -> None:
        session = self.find(session_id, "checkout.session")
        session["status"] = "expired"
        self.announce("checkout.session.expired", session)

    # --- payment intents ----------------------------------------------------------------------------------------------
    def charge_off_session(self, form: StripeObject) -> StripeObject:
        """Create and confirm a payment, as an automatic top-up does."""
        self.find(form["customer"], "customer", "customer")
        method = self.find(form["payment_method"], "payment_method", "payment_method")
        if method["customer"] != form["customer"]:
            raise missing("PaymentMethod", method["id"], "payment_method")
        intent = self.make(
            "pi", "payment_intent", amount=int(form["amount"]), amount_received=0, currency=form["currency"],
            customer=form["customer"], payment_method=method["id"], status="requires_payment_method",
            metadata=form.get("metadata", {}), latest_charge=None, last_payment_error=None, setup_future_usage=None,
        )  # fmt: skip
        refusal = {
            DECLINES_LATER: ("card_declined", "generic_decline"),
            NO_FUNDS: ("card_declined", "insufficient_funds"),
            ASKS_FOR_AUTHENTICATION: ("authentication_required", "authentication_required"),
        }.get(self.numbers[method["id"]])
        if refusal is None:
            self._succeed(intent)
            return intent
        code, decline = refusal
        error = {"code": code, "decline_code": decline, "payment_method": method}
        intent["last_payment_error"] = {"type": "card_error", **error}
        self.announce("payment_intent.payment_failed", intent)
        raise Refused(402, "card_error", "Your card was declined.", **error, payment_intent=intent)

    def _succeed(self, intent: StripeObject) -> None:
        charge = self.make(
            "ch", "charge", amount=intent["amount"], amount_refunded=0, refunded=False, paid=True, status="succeeded",
            currency=intent["currency"], customer=intent["customer"], payment_intent=intent["id"],
            metadata=dict(intent["metadata"]),
        )  # fmt: skip
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge["id"]}
        self.announce("charge.succeeded", charge)
        self.announce("payment_intent.succeeded", intent)

    # --- refunds and disputes -----------------------------------------------------------------------------------------
    def refund(self, intent_id: str, amount: int | None = None) -> StripeObject:
        intent = self.find(intent_id, "payment_intent", "payment_intent")
        charge = self.objects[intent["latest_charge"]]
        amount = amount or charge["amount"] - charge["amount_refunded"]
        if amount > charge["amount"] - charge["amount_refunded"]:
            raise Refused(400, "invalid_request_error", "Refund amount is greater than unrefunded amount on charge.")
        refund = self.make(
            "re", "refund", amount=amount, charge=charge["id"], payment_intent=intent_id, status="succeeded",
            currency="usd", reason=None, metadata={},
        )  # fmt: skip
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self.announce("refund.created", refund)
        self.announce("charge.refunded", charge)
        return refund

    def fail_refund(self, refund_id: str) -> None:
        refund = self.find(refund_id, "refund")
        refund["status"] = "failed"
        self.objects[refund["charge"]]["amount_refunded"] -= refund["amount"]
        self.announce("refund.failed", refund)

    def dispute(self, intent_id: str, status: str = "needs_response") -> StripeObject:
        intent = self.find(intent_id, "payment_intent")
        dispute = self.make(
            "dp", "dispute", amount=intent["amount"], charge=intent["latest_charge"], payment_intent=intent_id,
            currency="usd", status=status, reason="fraudulent", metadata={},
        )  # fmt: skip
        self.announce("charge.dispute.created", dispute)
        return dispute

    def close_dispute(self, dispute_id: str, status: str) -> None:
        dispute = self.find(dispute_id, "dispute")
        dispute["status"] = status
        self.announce("charge.dispute.closed", dispute)
