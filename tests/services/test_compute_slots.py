"""Only a few requests compute at once. Requests that wait for something else do not count."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bubblyphone.server import compute_slots
from bubblyphone.server.compute_slots import ComputeSlots


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request keeps its slot until it ends, however slow the machine is."""
    monkeypatch.setattr(compute_slots, "CHECK_SECONDS", 3600.0)


@pytest.mark.usefixtures("unwatched")
async def test_requests_come_in_order_and_only_so_many_at_once() -> None:
    slots, began = ComputeSlots(2), list[int]()

    async def request(number: int) -> None:
        slot = await slots.take()
        began.append(number)
        await leaving[number].wait()
        slot.release()

    leaving = [asyncio.Event() for _ in range(4)]
    async with asyncio.TaskGroup() as requests:
        for number in range(4):
            requests.create_task(request(number))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert began == [0, 1]
        leaving[1].set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert began == [0, 1, 2]
        for event in leaving:
            event.set()
    assert began == [0, 1, 2, 3]


@pytest.mark.usefixtures("unwatched")
async def test_a_request_that_gives_up_leaves_its_turn_to_the_next() -> None:
    slots = ComputeSlots(1)
    first = await slots.take()
    leaving, staying = (asyncio.create_task(slots.take()) for _ in range(2))
    await asyncio.sleep(0)
    first.release()
    leaving.cancel()  # in the moment in which it gets the slot
    second = await staying
    assert leaving.cancelled()
    second.release()
    (await slots.take()).release()


async def test_a_request_that_waits_passes_its_slot_on(monkeypatch: pytest.MonkeyPatch) -> None:
    slots, may_end = ComputeSlots(1), threading.Event()
    with ThreadPoolExecutor() as threads:
        slot = await slots.take()

        def wait() -> None:
            slot.enter_thread()
            may_end.wait()

        waiting = asyncio.get_running_loop().run_in_executor(threads, wait)
        try:
            (await slots.take()).release()
            assert not waiting.done()
        finally:
            may_end.set()
        await waiting
    monkeypatch.setattr(compute_slots, "CHECK_SECONDS", 3600.0)
    slot.release()  # again: this gives nobody a second slot
    last = await slots.take()
    other = asyncio.create_task(slots.take())
    await asyncio.sleep(0)
    assert not other.done()
    last.release()
    (await other).release()


async def test_a_request_that_computes_keeps_its_slot_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_slots, "MAX_SECONDS", 0.2)
    slots, is_over = ComputeSlots(1), threading.Event()
    with ThreadPoolExecutor() as threads:
        slot = await slots.take()

        def compute() -> None:
            slot.enter_thread()
            while not is_over.is_set():
                pass

        loop = asyncio.get_running_loop()
        began, computing_thread = loop.time(), loop.run_in_executor(threads, compute)
        try:
            (await slots.take()).release()
            assert loop.time() - began > 0.2
        finally:
            is_over.set()
        await computing_thread
