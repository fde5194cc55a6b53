"""Only a few requests compute at once. Requests that wait for something else do not count."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bubblyphone.server import computing
from bubblyphone.server.computing import Places


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request keeps its place until it ends, however slow the machine is."""
    monkeypatch.setattr(computing, "LOOK_SECONDS", 3600.0)


@pytest.mark.usefixtures("unwatched")
async def test_requests_come_in_order_and_only_so_many_at_once() -> None:
    places, began = Places(2), list[int]()

    async def request(number: int) -> None:
        place = await places.take()
        began.append(number)
        await leaving[number].wait()
        place.release()

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
    places = Places(1)
    first = await places.take()
    leaving, staying = (asyncio.create_task(places.take()) for _ in range(2))
    await asyncio.sleep(0)
    first.release()
    leaving.cancel()  # in the moment in which it gets the place
    second = await staying
    assert leaving.cancelled()
    second.release()
    (await places.take()).release()


async def test_a_request_that_waits_passes_its_place_on(monkeypatch: pytest.MonkeyPatch) -> None:
    places, may_end = Places(1), threading.Event()
    with ThreadPoolExecutor() as threads:
        place = await places.take()

        def wait() -> None:
            place.enter_thread()
            may_end.wait()

        waiting = asyncio.get_running_loop().run_in_executor(threads, wait)
        try:
            (await places.take()).release()
            assert not waiting.done()
        finally:
            may_end.set()
        await waiting
    monkeypatch.setattr(computing, "LOOK_SECONDS", 3600.0)
    place.release()  # again: this gives nobody a second place
    last = await places.take()
    other = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    assert not other.done()
    last.release()
    (await other).release()


async def test_a_request_that_computes_keeps_its_place_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "LONGEST_SECONDS", 0.2)
    places, is_over = Places(1), threading.Event()
    with ThreadPoolExecutor() as threads:
        place = await places.take()

        def compute() -> None:
            place.enter_thread()
            while not is_over.is_set():
                pass

        loop = asyncio.get_running_loop()
        began, computing_thread = loop.time(), loop.run_in_executor(threads, compute)
        try:
            (await places.take()).release()
            assert loop.time() - began > 0.2
        finally:
            is_over.set()
        await computing_thread
