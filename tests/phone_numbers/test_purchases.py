"""Interrupted and concurrent purchases end bought and paid, or neither."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import Schedule

from accounts.models import Developer
from agents.services import delete_agent
from billing import ledger
from bubblyphone.core.errors import ApplicationError, Conflict, InsufficientFunds, UpstreamFailed
from phone_numbers.carriers.registry import carrier_named
from phone_numbers.charging import purchases
from phone_numbers.models import NumberPrice, NumberPurchase, PhoneNumber
from phone_numbers.services import buy_number, search_available
from tests.factories import make_agent, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import LossyProxy

NUMBER = "+14155550100"


def make_buyer(credit: str = "25") -> Developer:
    developer = make_developer()
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(credit), key=f"credit:{developer.pk}")
    return developer


def begin(developer: Developer) -> NumberPurchase:
    price = NumberPrice.objects.get(country_code="US", number_type="local")
    search_available(country="US", area_code="415")
    return purchases.begin(developer=developer, phone_number=NUMBER, price=price)


def later() -> None:
    purchases.reconcile_purchases(timezone.now() + timedelta(seconds=31))


def outcome(developer: Developer) -> tuple[str, int, Decimal, Decimal]:
    """Status of the purchase, numbers owned, balance, and available balance."""
    owned = PhoneNumber.objects.filter(developer=developer).count()
    found = ledger.balance_summary(developer.pk)
    return NumberPurchase.objects.get().status, owned, found.balance, found.available


@pytest.mark.django_db
def test_the_job_is_scheduled() -> None:
    schedule = Schedule.objects.get(name="reconcile number purchases")
    assert (schedule.func, schedule.schedule_type, schedule.minutes, schedule.repeats) == (
        "phone_numbers.charging.purchases.reconcile_purchases", "I", 1, -1,
    )  # fmt: skip


@pytest.mark.django_db
def test_a_lost_response_is_looked_up(lossy_proxy: LossyProxy, exchange: ExchangeThread) -> None:
    developer = make_buyer()
    lossy_proxy.lost.add("POST number_orders")
    number = buy_number(developer=developer, phone_number=NUMBER)
    assert number.carrier_ref == exchange.exchange.state.phone_numbers[NUMBER]["id"]
    assert outcome(developer) == ("bought", 1, 19, 19)
    assert len([request for request in lossy_proxy.requests if request.method == "POST"]) == 1


@pytest.mark.django_db
def test_lost_responses_are_looked_up_later(lossy_proxy: LossyProxy, exchange: ExchangeThread) -> None:
    developer = make_buyer()
    lossy_proxy.lost |= {"POST number_orders", "GET number_orders"}
    with pytest.raises(UpstreamFailed):
        buy_number(developer=developer, phone_number=NUMBER)
    assert outcome(developer) == ("pending", 0, 25, 19)
    later()
    assert outcome(developer) == ("pending", 0, 25, 19)
    lossy_proxy.lost.clear()
    for _ in range(2):
        later()
        assert outcome(developer) == ("bought", 1, 19, 19)


@pytest.mark.django_db
def test_the_selected_agent_answers_however_the_purchase_ends(lossy_proxy: LossyProxy) -> None:
    developer = make_buyer("50")
    agent = make_agent(developer=developer, model_slug="local-offline", system_prompt="You sell bread.")
    at_once = buy_number(developer=developer, phone_number=NUMBER, agent_id=agent.pk)
    assert (at_once.agent, at_once.mode) == (agent, "streaming")
    for number, is_gone, answered in (
        ("+14155550101", False, (agent.pk, "streaming")),
        ("+14155550102", True, (None, "webhook")),
    ):
        lossy_proxy.lost |= {"POST number_orders", "GET number_orders"}
        with pytest.raises(UpstreamFailed):
            buy_number(developer=developer, phone_number=number, agent_id=agent.pk)
        if is_gone:
            PhoneNumber.objects.update(agent=None)
            delete_agent(agent=agent)
        lossy_proxy.lost.clear()
        later()
        assert PhoneNumber.objects.values_list("agent_id", "mode").get(e164=number) == answered


@pytest.mark.django_db
def test_a_purchase_is_not_reconciled_while_its_request_may_be_running(exchange: ExchangeThread) -> None:
    developer = make_buyer()
    begin(developer)
    purchases.reconcile_purchases(timezone.now() + timedelta(seconds=29))
    assert outcome(developer) == ("pending", 0, 25, 19)


@pytest.mark.django_db
def test_a_process_that_crashed_before_ordering(exchange: ExchangeThread) -> None:
    developer = make_buyer()
    begin(developer)
    for _ in range(2):
        later()
        assert outcome(developer) == ("refused", 0, 25, 25)
    assert buy_number(developer=developer, phone_number=NUMBER).e164 == NUMBER


@pytest.mark.django_db
def test_a_process_that_crashed_after_ordering(exchange: ExchangeThread) -> None:
    developer = make_buyer()
    purchase = begin(developer)
    reference = str(purchase.reference)
    carrier_named("telnyx").order_number(e164=NUMBER, reference=reference)
    order = purchases.wait_for_outcome(purchase, carrier_named("telnyx").find_order(reference=reference))  # type: ignore[arg-type]
    assert order.status == "success"
    later()
    assert outcome(developer) == ("bought", 1, 19, 19)


@pytest.mark.django_db
def test_a_number_that_was_just_sold_to_someone_else(exchange: ExchangeThread) -> None:
    developer = make_buyer()
    purchase = begin(developer)
    carrier_named("telnyx").order_number(e164=NUMBER, reference="somebody else")
    with pytest.raises(Conflict):
        purchases.carry_out(purchase)
    assert outcome(developer) == ("refused", 0, 25, 25)


@pytest.mark.django_db(transaction=True)
def test_concurrent_purchases_of_one_number(exchange: ExchangeThread) -> None:
    buyers = [make_buyer() for _ in range(4)]
    barrier = Barrier(len(buyers))

    def buy(developer: Developer) -> ApplicationError | None:
        barrier.wait()
        try:
            buy_number(developer=developer, phone_number=NUMBER)
        except ApplicationError as error:
            return error
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(len(buyers)) as threads:
        refusals = list(threads.map(buy, buyers))
    assert sorted(type(refusal).__name__ for refusal in refusals) == ["Conflict", "Conflict", "Conflict", "NoneType"]
    assert PhoneNumber.objects.count() == 1
    for buyer, refusal in zip(buyers, refusals, strict=True):
        assert ledger.balance(buyer.pk) == (19 if refusal is None else 25)


@pytest.mark.django_db(transaction=True)
def test_concurrent_purchases_by_one_account(exchange: ExchangeThread) -> None:
    developer = make_buyer("13")
    offered, _ = search_available(country="US", area_code="415", limit=4)
    barrier = Barrier(4)

    def buy(phone_number: str) -> ApplicationError | None:
        barrier.wait()
        try:
            buy_number(developer=developer, phone_number=phone_number)
        except ApplicationError as error:
            return error
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(4) as threads:
        refusals = list(threads.map(buy, [number.phone_number for number in offered]))
    assert [type(refusal) for refusal in refusals if refusal] == [InsufficientFunds] * 2
    assert PhoneNumber.objects.count() == 2
    assert ledger.balance(developer.pk) == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_reconciliations(exchange: ExchangeThread) -> None:
    developer = make_buyer()
    begin(developer)
    barrier = Barrier(3)

    def run(_: int) -> None:
        barrier.wait()
        try:
            later()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(run, range(3)))
    assert outcome(developer) == ("refused", 0, 25, 25)
