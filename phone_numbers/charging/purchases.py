"""Purchases: the price is held, the carrier is asked, and its order's outcome is written down with the charge in one transaction.

    begin ──▶ pending ──▶ bought      the carrier has carried out the order: the number is there, setup fee and first month are paid
                     └──▶ refused     it has refused, or does not know the order: nothing was charged

While a purchase is pending its price can be spent on nothing else (`held`). An answer that is lost leaves a purchase pending;
`reconcile_purchases` then asks the carrier by the purchase's reference. Each step out of pending is taken once, so that it does not
matter who takes it, or how often it is tried.
"""

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F, Sum
from django.utils import timezone

from accounts.models import Developer
from agents.models import Agent
from billing import ledger
from bubblyphone.core.errors import Conflict, UpstreamFailed
from bubblyphone.core.money import ZERO
from phone_numbers import carrier_accounts
from phone_numbers.carriers.base import CarrierError, NumberOrder
from phone_numbers.carriers.capabilities import NumberInventory
from phone_numbers.carriers.registry import default_carrier, get_carrier
from phone_numbers.charging import charges
from phone_numbers.models import CallMode, NumberPrice, NumberPurchase, PhoneNumber
from webhooks.sending.signing import make_signing_secret

logger = logging.getLogger(__name__)

# Carriers complete most orders within a second or two.
WAIT_SECONDS = 8.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
# Longer than a request in progress can take: order, lookup and waiting together.
RECONCILE_AFTER = timedelta(seconds=30)
# States in which a purchase may stay pending: the carrier is still working on it, or its response was lost.
OPEN_MESSAGE = "The carrier has not confirmed the order yet. If it does, the number appears in your list. If not, nothing is charged."


def held(developer_id: int) -> Decimal:
    """The price of numbers being bought, in USD (billing.extension_points.HOLDS)."""
    return held_by([developer_id]).get(developer_id, ZERO)


def held_by(developer_ids: Iterable[int]) -> dict[int, Decimal]:
    """The same for several accounts; accounts without purchases are omitted."""
    pending = NumberPurchase.objects.filter(developer_id__in=developer_ids, status=NumberPurchase.Status.PENDING)
    prices = pending.order_by().values_list("developer_id")
    return dict(prices.annotate(price=Sum(F("setup_cost") + F("monthly_cost"))))


def refuse_if_taken(phone_number: str) -> None:
    """Raises Conflict if someone here owns the number or is buying it."""
    owned = PhoneNumber.objects.unreleased().filter(e164=phone_number)
    pending = NumberPurchase.objects.filter(e164=phone_number, status=NumberPurchase.Status.PENDING)
    if owned.exists() or pending.exists():
        raise Conflict(f"{phone_number} is not available.", code="number_taken")


@transaction.atomic
def begin(
    *,
    developer: Developer,
    phone_number: str,
    price: NumberPrice,
    carrier: str = "",
    label: str = "",
    webhook_url: str = "",
    agent: Agent | None = None,
) -> NumberPurchase:
    """Hold setup fee and first month. Raises InsufficientFunds and Conflict, without holding anything."""
    ledger.lock_developer(developer.pk)
    ledger.require_balance(developer.pk, price.setup_cost + price.monthly_cost)
    carrier_accounts.hold(carrier)
    try:
        with transaction.atomic():
            purchase = NumberPurchase.objects.create(
                developer=developer,
                carrier=carrier or default_carrier(),
                e164=phone_number,
                country_code=price.country_code,
                number_type=price.number_type,
                label=label,
                webhook_url=webhook_url,
                agent=agent,
                setup_cost=price.setup_cost,
                monthly_cost=price.monthly_cost,
            )
    except IntegrityError as error:
        raise Conflict(f"{phone_number} is not available.", code="number_taken") from error
    # Only now: since our row is inserted, no other purchase of the number can be pending.
    if PhoneNumber.objects.unreleased().filter(e164=phone_number).exists():
        raise Conflict(f"{phone_number} is not available.", code="number_taken")
    return purchase


def carry_out(purchase: NumberPurchase, *, requirement_group_id: str = "") -> PhoneNumber:
    """Order from the carrier and wait a few seconds for the outcome. Raises Conflict and UpstreamFailed."""
    try:
        order = _place_order(purchase, requirement_group_id)
        order = wait_for_outcome(purchase, order)
    except CarrierError as error:
        if error.reason == "outcome_unknown":
            raise UpstreamFailed(OPEN_MESSAGE, code="order_pending") from error
        refuse(purchase.pk)
        if error.reason == "number_unavailable":
            raise Conflict(f"{purchase.e164} is no longer available.", code="number_taken") from error
        raise UpstreamFailed(f"The carrier rejected the order: {error}") from error
    if order.status == "pending":
        raise UpstreamFailed(OPEN_MESSAGE, code="order_pending")
    number = _settle(purchase, order)
    if number is None:
        raise Conflict(f"{purchase.e164} is no longer available.", code="number_taken")
    return number


def reconcile_purchases(now: datetime | None = None) -> None:
    """Settle purchases that have been pending too long for anyone to be waiting. Runs every minute; can be repeated."""
    before = (now or timezone.now()) - RECONCILE_AFTER
    for purchase in NumberPurchase.objects.filter(status=NumberPurchase.Status.PENDING, created_at__lt=before).order_by(
        "pk"
    ):
        try:
            order = get_carrier(purchase, NumberInventory).find_order(reference=str(purchase.reference))
        except CarrierError as error:
            logger.warning(
                "Looking up a number purchase failed", extra={"purchase_id": purchase.pk, "reason": error.reason}
            )
            continue
        if order is None:
            refuse(purchase.pk)
        elif order.status != "pending":
            _settle(purchase, order)


# --- at the carrier ---------------------------------------------------------------------------------------------------
def _place_order(purchase: NumberPurchase, requirement_group_id: str) -> NumberOrder:
    """Raises CarrierError: "outcome_unknown" if there may be an order, anything else if there is none."""
    try:
        return get_carrier(purchase, NumberInventory).order_number(
            e164=purchase.e164, reference=str(purchase.reference), requirement_group_id=requirement_group_id
        )
    except CarrierError as error:
        if error.reason != "outcome_unknown":
            raise
        order = _look_up(purchase)
        if order is None:
            # The order may still be on its way, so this is not a refusal yet.
            raise
        return order


def wait_for_outcome(purchase: NumberPurchase, order: NumberOrder) -> NumberOrder:
    deadline = time.monotonic() + WAIT_SECONDS
    pause = FIRST_PAUSE_SECONDS
    while order.status == "pending" and time.monotonic() + pause < deadline:
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        order = _look_up(purchase) or order
    return order


def _look_up(purchase: NumberPurchase) -> NumberOrder | None:
    """The order; None if there is none or the carrier cannot tell."""
    try:
        return get_carrier(purchase, NumberInventory).find_order(reference=str(purchase.reference))
    except CarrierError:
        return None


def _settle(purchase: NumberPurchase, order: NumberOrder) -> PhoneNumber | None:
    """Complete a purchase by its order's outcome; returns the number, or None if it was refused."""
    if order.status != "success":
        refuse(purchase.pk)
        return None
    try:
        carrier_ref = get_carrier(purchase, NumberInventory).find_owned_number(e164=purchase.e164) or ""
    except CarrierError:
        carrier_ref = ""  # looked up again when needed
    return complete(purchase.pk, carrier_ref)


# --- the two ways out of pending --------------------------------------------------------------------------------------
@transaction.atomic
def complete(purchase_id: int, carrier_ref: str) -> PhoneNumber | None:
    agent = _locked_agent(purchase_id)
    purchase = _locked(purchase_id)
    if purchase.status != NumberPurchase.Status.PENDING:
        return purchase.phone_number
    secret, _ = make_signing_secret(developer=purchase.developer)
    number = PhoneNumber.objects.create(
        developer=purchase.developer,
        carrier=purchase.carrier,
        e164=purchase.e164,
        country_code=purchase.country_code,
        number_type=purchase.number_type,
        label=purchase.label,
        webhook_url=purchase.webhook_url,
        agent=agent,
        mode=CallMode.STREAMING if agent else CallMode.WEBHOOK,
        signing_secret=secret,
        monthly_cost=purchase.monthly_cost,
        carrier_ref=carrier_ref,
    )
    purchase.phone_number, purchase.status = number, NumberPurchase.Status.BOUGHT
    purchase.save(update_fields=["status", "phone_number"])
    charges.charge_setup(number, purchase.setup_cost)
    charges.charge_month(number, number.created_at, at=number.created_at)
    return number


def refuse(purchase_id: int) -> None:
    pending = NumberPurchase.objects.filter(pk=purchase_id, status=NumberPurchase.Status.PENDING)
    pending.update(status=NumberPurchase.Status.REFUSED)


def _locked_agent(purchase_id: int) -> Agent | None:
    """The agent that should answer, locked before the purchase, like when an agent is deleted; None if it is gone."""
    chosen = NumberPurchase.objects.filter(pk=purchase_id).values("agent_id")
    return Agent.objects.select_for_update(of=("self",)).filter(pk__in=chosen).first()


def _locked(purchase_id: int) -> NumberPurchase:
    purchases = NumberPurchase.objects.select_for_update(of=("self",)).select_related("developer", "phone_number")
    return purchases.get(pk=purchase_id)
