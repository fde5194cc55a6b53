"""The model socket alone, with servers that close, stall, refuse, disappear or violate the protocol."""

import asyncio
import contextlib

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from agents.providers import connecting, model_socket
from agents.providers.connecting import open_socket
from agents.providers.model_socket import MAX_MESSAGE_BYTES, ModelSocket, ModelSocketClosed
from tests.agents.providers.socket_servers import TIMEOUT_SECONDS, connected, server

pytestmark = pytest.mark.virtual_time


async def end_of(socket: ModelSocket) -> tuple[list[bytes], ModelSocketClosed]:
    """All readable messages, and the error that ends them."""
    messages = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            try:
                messages.append(await socket.recv())
            except ModelSocketClosed as closed:
                return messages, closed


async def test_messages_go_both_ways_in_order() -> None:
    seen = []

    async def talk(peer: ServerConnection) -> None:
        seen.append((peer.request.path, peer.request.headers["x-key"]) if peer.request else None)
        async for message in peer:
            seen.append(message)
            await peer.send(message)
            await peer.send(b"binary " + str(message).encode())

    async with server(talk) as url, connected(url) as socket:
        socket.send("one")
        socket.send(b"two")
        received = [await socket.recv() for _ in range(4)]
    assert seen == [("/path", "secret"), "one", "two"]
    assert received == [b"one", b"binary one", b"two", b"binary two"]


async def test_messages_that_arrive_while_the_reader_waits_can_be_taken_immediately_and_others_stay_in_order() -> None:
    async def talk(peer: ServerConnection) -> None:
        await peer.recv()
        for message in ("audio 1", "audio 2", "text", "audio 3"):
            await peer.send(message)
        await peer.wait_closed()

    seen: list[tuple[str, bytes]] = []

    def take(message: bytes) -> bool:
        is_audio = message.startswith(b"audio")
        if is_audio:
            seen.append(("taken", message))
        return is_audio

    async with server(talk) as url, connected(url) as socket:
        socket.take = take
        socket.send("go")
        while len(seen) < 4:
            seen.append(("read", await asyncio.wait_for(socket.recv(), TIMEOUT_SECONDS)))
    assert [message for _, message in seen] == [b"audio 1", b"audio 2", b"text", b"audio 3"]
    assert [way for way, _ in seen][:3] == ["taken", "taken", "read"]


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "Going away."), (1008, "API key not valid."), (3000, "späť"), (4999, "x")]
)
async def test_a_close_reports_its_code_and_reason_after_earlier_messages(code: int, reason: str) -> None:
    answered: list[int | None] = []

    async def talk(peer: ServerConnection) -> None:
        await peer.send("last words")
        await peer.close(code, reason)
        answered.append(peer.protocol.close_rcvd.code if peer.protocol.close_rcvd else None)

    async with server(talk) as url, connected(url) as socket:
        messages, closed = await end_of(socket)
        assert (messages, closed.code, closed.reason) == ([b"last words"], code, reason)
        with pytest.raises(ModelSocketClosed) as refusal:
            socket.send("too late")
        assert refusal.value.code == code
    assert answered == [1000]


async def test_a_close_without_a_code_is_not_a_lost_connection() -> None:
    async def talk(peer: ServerConnection) -> None:
        peer.transport.write(b"\x88\x00")
        await peer.wait_closed()

    async with server(talk) as url, connected(url) as socket:
        assert (await end_of(socket))[1].code == 1005


async def test_a_broken_connection_has_no_code() -> None:
    async def talk(peer: ServerConnection) -> None:
        await peer.send("last words")
        await peer.recv()
        peer.transport.abort()

    async with server(talk) as url, connected(url) as socket:
        socket.send("x")
        messages, closed = await end_of(socket)
    assert (messages, closed.code) == ([b"last words"], None)


@pytest.mark.parametrize("is_half_open", [True, False])
async def test_pings_distinguish_a_silent_peer_from_a_lost_one(
    is_half_open: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "PING_SECONDS", 0.1)

    async def talk(peer: ServerConnection) -> None:
        if is_half_open:
            peer.transport.pause_reading()  # as if the machine had disappeared without closing
        await asyncio.sleep(1)
        peer.transport.resume_reading()
        with contextlib.suppress(ConnectionClosed):
            await peer.send("still here")
        await peer.wait_closed()

    async with server(talk) as url, connected(url) as socket:
        if is_half_open:
            messages, closed = await end_of(socket)
            assert (messages, closed.code) == ([], None)
        else:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                assert await socket.recv() == b"still here"


def is_sent(socket: ModelSocket, message: str) -> bool:
    try:
        socket.send(message)
    except ModelSocketClosed:
        return False
    return True


async def deaf(peer: ServerConnection) -> None:
    """A model that stops reading."""
    peer.transport.pause_reading()
    await peer.wait_closed()


async def test_messages_that_a_stalled_peer_does_not_read_are_not_buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_socket, "MOST_UNSENT_BYTES", 1_000_000)
    message = "x" * 10_000
    async with server(deaf) as url:
        socket = await open_socket(url, {})
        # 100 MB. The kernel buffers on both sides take some of it.
        sizes = [socket.below.get_write_buffer_size() for _ in range(10_000) if is_sent(socket, message)]
        assert len(sizes) < 10_000
        assert max(sizes) <= 1_100_000
        assert (await end_of(socket))[1].code is None
        await socket.close()


async def test_a_peer_that_reads_nothing_for_a_while_has_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_socket, "STALLED_SECONDS", 0.2)
    async with server(deaf) as url:
        socket = await open_socket(url, {})
        while socket.stalled is None:
            socket.send("x" * 100_000)
        assert (await end_of(socket))[1].code is None  # the reader gets the error, even though nobody sends
        await socket.close()


async def test_a_peer_that_catches_up_has_not_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_socket, "STALLED_SECONDS", 5)
    sizes = []
    go_on = asyncio.Event()

    async def talk(peer: ServerConnection) -> None:
        peer.transport.pause_reading()
        await go_on.wait()
        peer.transport.resume_reading()
        async for message in peer:
            sizes.append(len(message))
            if message == "end":
                await peer.send("all")

    async with server(talk) as url, connected(url) as socket:
        count = 0
        while socket.stalled is None:
            socket.send("x" * 100_000)
            count += 1
        socket.send("end")
        go_on.set()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await socket.recv() == b"all"
        assert socket.stalled is None
    assert sizes == [100_000] * count + [3]


async def test_a_slow_reader_slows_down_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_socket, "MOST_UNREAD_BYTES", 100_000)
    sent = 0

    async def talk(peer: ServerConnection) -> None:
        nonlocal sent
        for _ in range(300):
            await peer.send("x" * 100_000)
            sent += 1
        await peer.close()

    async with server(talk) as url, connected(url) as socket:
        before = -1
        while sent != before:  # until the peer cannot send more
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 300
        assert socket.unread_bytes <= 1_000_000
        messages, closed = await end_of(socket)
    assert ([len(message) for message in messages], closed.code) == ([100_000] * 300, 1000)


async def test_messages_in_several_frames_are_joined() -> None:
    async def talk(peer: ServerConnection) -> None:
        await peer.send(["in ", "three ", "frames"])
        await peer.ping()
        await peer.send("whole")
        await peer.wait_closed()

    async with server(talk) as url, connected(url) as socket:
        assert [await socket.recv() for _ in range(2)] == [b"in three frames", b"whole"]


def frame(opcode: Opcode, size: int, *, fin: bool = True, rsv1: bool = False) -> bytes:
    return Frame(opcode, b"x" * size, fin=fin, rsv1=rsv1).serialize(mask=False)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(Opcode.TEXT, MAX_MESSAGE_BYTES + 1)], 1009),
        ([frame(Opcode.TEXT, MAX_MESSAGE_BYTES, fin=False), frame(Opcode.CONT, 1)], 1009),
        ([frame(Opcode.CONT, 1)], 1002),
        ([frame(Opcode.TEXT, 1, fin=False), frame(Opcode.TEXT, 1)], 1002),
        ([b"\x83\x00"], 1002),
    ],
    ids=["too big", "too big in pieces", "no beginning", "no end", "unknown kind"],
)
async def test_protocol_violations_end_the_connection(frames: list[bytes], code: int) -> None:
    answers: list[int | None] = []

    async def talk(peer: ServerConnection) -> None:
        for each in frames:
            peer.transport.write(each)
        await peer.wait_closed()
        answers.append(peer.protocol.close_rcvd.code if peer.protocol.close_rcvd else None)

    async with server(talk) as url, connected(url) as socket:
        messages, closed = await end_of(socket)
        assert (messages, closed.code) == ([], None)
    assert answers == [code]


async def test_the_largest_allowed_message_passes() -> None:
    async def talk(peer: ServerConnection) -> None:
        await peer.send("x" * MAX_MESSAGE_BYTES)
        await peer.wait_closed()

    async with server(talk) as url, connected(url) as socket:
        assert len(await socket.recv()) == MAX_MESSAGE_BYTES


async def test_a_peer_that_ignores_our_close_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_socket, "CLOSE_SECONDS", 0.2)
    async with server(deaf) as url:
        socket = await open_socket(url, {})
        began = asyncio.get_running_loop().time()
        await socket.close()
        assert 0.1 < asyncio.get_running_loop().time() - began < TIMEOUT_SECONDS / 2
        await socket.close()
        with pytest.raises(ModelSocketClosed):
            socket.send("x")
