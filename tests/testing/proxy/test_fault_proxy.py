"""What the proxy does to connections: each fault, on which of them, and that all is well again after it."""

import asyncio
from typing import Any

import pytest
from line_server import Client, LineServer

from headrace.model.errors import InvalidOption
from headrace.testing.proxy import Direction, FaultProxy, On
from headrace.testing.proxy.pair import reset

pytestmark = pytest.mark.anyio
NOW = 1e-3
"""Seconds: a turn of the virtual loop takes a little."""


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_it_passes_on_what_both_say(proxy: FaultProxy, server: LineServer) -> None:
    began = now()
    async with await Client.connect(proxy.port) as client:
        assert await client.ask(b"hello\n") == b"got hello\n"
        assert now() - began < NOW
    counts = proxy.counts
    assert (counts.accepted, counts.to_server, counts.to_client) == (1, 6, 10)
    assert began <= counts.attempts[0] <= now()


async def test_a_client_that_has_said_all_still_hears_the_rest(proxy: FaultProxy, server: LineServer) -> None:
    async with await Client.connect(proxy.port) as client:
        client.writer.write(b"last words\n")
        client.writer.write_eof()
        assert await client.rest() == b"got last words\n"
        assert await server.ends.get() == "eof"
        await proxy.until(lambda: proxy.connections == 0)


async def test_much_passes_unharmed(proxy: FaultProxy, server: LineServer) -> None:
    numbers = range(300_000)
    sent = b"".join(b"%d\n" % number for number in numbers)
    async with await Client.connect(proxy.port) as client:

        async def send() -> None:
            client.writer.write(sent)
            client.writer.write_eof()

        came, _ = await asyncio.gather(client.rest(), send())
    assert server.heard == sent
    assert came == b"".join(b"got %d\n" % number for number in numbers)


async def test_a_client_that_is_reset_resets_the_server(proxy: FaultProxy, server: LineServer) -> None:
    async with await Client.connect(proxy.port) as client:
        await client.ask(b"hello\n")
        reset(client.writer.transport)
    assert await server.ends.get() == "reset"
    await proxy.until(lambda: proxy.connections == 0)


async def test_latency_is_both_ways_and_ends(proxy: FaultProxy) -> None:
    async with await Client.connect(proxy.port) as client:
        proxy.latency(5)
        began = now()
        await client.ask(b"slow\n")
        assert 10 <= now() - began < 10 + NOW
        client.writer.write(b"held up\n")
        assert await client.hears_nothing_for(1)
        proxy.heal()
        began = now()
        assert await client.reader.readuntil(b"\n") == b"got held up\n"
        assert now() - began < NOW


async def test_jitter_comes_from_the_seed_and_nothing_overtakes(server: LineServer) -> None:
    async def times(seed: int) -> list[float]:
        async with FaultProxy("127.0.0.1", server.port, seed=seed) as proxy:
            proxy.latency(1, jitter=2)
            async with await Client.connect(proxy.port) as client:
                began = now()
                taken = []
                for number in range(5):
                    await client.ask(b"%d\n" % number)
                    taken.append(round(now() - began, 2))
                return taken

    first, again, other = await times(1), await times(1), await times(2)
    assert first == again != other
    assert 10 <= first[-1] <= 30


async def test_faults_may_be_for_new_or_existing_connections_alone(proxy: FaultProxy) -> None:
    async def takes(client: Client) -> float:
        began = now()
        await client.ask(b"x\n")
        return now() - began

    async with await Client.connect(proxy.port) as old:
        await old.ask(b"x\n")
        proxy.latency(1, on=On.NEW)
        async with await Client.connect(proxy.port) as new:
            assert await takes(old) < NOW
            assert 2 <= await takes(new) < 2 + NOW
            proxy.latency(3, on=On.EXISTING)
            async with await Client.connect(proxy.port) as newest:
                assert 6 <= await takes(old) < 6 + NOW
                assert 2 <= await takes(newest) < 2 + NOW


async def test_a_slow_line(proxy: FaultProxy) -> None:
    proxy.slow(1_000)
    async with await Client.connect(proxy.port) as client:
        began = now()
        client.writer.write(b"x" * 500)
        await proxy.until(lambda: proxy.counts.to_server == 500)
        assert 0.47 <= now() - began <= 0.51


async def test_a_cut_resets_both_sides_and_new_connections_are_well(proxy: FaultProxy, server: LineServer) -> None:
    async with await Client.connect(proxy.port) as client:
        await client.ask(b"hello\n")
        proxy.cut()
        assert await client.rest() == b"<reset>"
        assert await server.ends.get() == "reset"
    async with await Client.connect(proxy.port) as client:
        assert await client.ask(b"again\n") == b"got again\n"


@pytest.mark.parametrize("length", range(1, 9))
async def test_cut_after_so_many_bytes_to_the_server(proxy: FaultProxy, server: LineServer, length: int) -> None:
    proxy.cut_after(length, Direction.TO_SERVER)
    async with await Client.connect(proxy.port) as client:
        client.writer.write(b"12345678\n")
        assert (await client.rest()).endswith(b"<reset>")
        assert await server.ends.get() == "eof"
    assert server.heard == b"12345678\n"[:length]


@pytest.mark.parametrize("length", range(13))
async def test_cut_after_so_many_bytes_to_the_client(proxy: FaultProxy, server: LineServer, length: int) -> None:
    async with await Client.connect(proxy.port) as client:
        await client.ask(b"before\n")
        proxy.cut_after(length, Direction.TO_CLIENT)
        client.writer.write(b"12345678\n")
        assert await client.rest() == b"got 12345678\n"[:length]
        assert await server.ends.get() == "reset"
    assert proxy.counts.to_client == 11 + length


async def test_a_black_hole_swallows_and_stays_open_until_healed(proxy: FaultProxy, server: LineServer) -> None:
    async with await Client.connect(proxy.port) as client:
        await client.ask(b"hello\n")
        proxy.blackhole()
        client.writer.write(b"lost\n")
        assert await client.hears_nothing_for(3600)
        async with await Client.connect(proxy.port) as new:
            new.writer.write(b"lost too\n")
            assert await new.hears_nothing_for(3600)
            assert (server.accepted, server.heard, proxy.counts.swallowed) == (1, b"hello\n", 14)
            proxy.heal()
            assert (await client.rest(), await new.rest()) == (b"<reset>", b"<reset>")
            assert await server.ends.get() == "reset"
    async with await Client.connect(proxy.port) as client:
        assert await client.ask(b"again\n") == b"got again\n"


async def test_in_a_black_hole_the_server_never_hears_that_its_client_is_gone(
    proxy: FaultProxy, server: LineServer
) -> None:
    async with await Client.connect(proxy.port) as client:
        await client.ask(b"hello\n")
        proxy.blackhole()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server.ends.get(), 3600)
    assert proxy.connections == 1


async def test_a_black_hole_may_be_one_way(proxy: FaultProxy, server: LineServer) -> None:
    async with await Client.connect(proxy.port) as client:
        await client.ask(b"hello\n")
        proxy.blackhole(Direction.TO_CLIENT, on=On.EXISTING)
        client.writer.write(b"heard\n")
        assert await client.hears_nothing_for(3600)
        assert server.heard == b"hello\nheard\n"
        async with await Client.connect(proxy.port) as new:
            assert await new.ask(b"well\n") == b"got well\n"


async def test_refused_connections_are_reset_and_their_instants_noted(proxy: FaultProxy, server: LineServer) -> None:
    async with await Client.connect(proxy.port) as old:
        await old.ask(b"hello\n")
        proxy.refuse()
        for _ in range(3):
            async with await Client.connect(proxy.port) as client:
                assert await client.rest() == b"<reset>"
        assert await old.ask(b"still\n") == b"got still\n"
        assert (proxy.counts.accepted, proxy.counts.refused, len(proxy.counts.attempts)) == (1, 3, 4)
        proxy.heal()
        async with await Client.connect(proxy.port) as client:
            assert await client.ask(b"again\n") == b"got again\n"


async def test_a_server_that_is_not_there_resets_the_client() -> None:
    async with LineServer() as gone:
        port = gone.port
    async with FaultProxy("127.0.0.1", port) as proxy, await Client.connect(proxy.port) as client:
        assert await client.rest() == b"<reset>"
        assert proxy.counts.unreachable == 1


async def test_closing_ends_connections_in_every_state(server: LineServer) -> None:
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        well = await Client.connect(proxy.port)
        await well.ask(b"hello\n")
        proxy.latency(3600, on=On.NEW)
        late = await Client.connect(proxy.port)
        late.writer.write(b"under way\n")
        proxy.blackhole(on=On.NEW)
        swallowed = await Client.connect(proxy.port)
        await proxy.until(lambda: proxy.connections == 3)
    for client in (well, late, swallowed):
        async with client:
            assert await client.rest() == b"<reset>"
    with pytest.raises(OSError, match="Connect call failed"):
        await Client.connect(proxy.port)


@pytest.mark.parametrize(
    ("fault", "arguments"),
    [("latency", (-1,)), ("latency", (1, -1)), ("slow", (0,)), ("cut_after", (-1, Direction.TO_CLIENT))],
)
async def test_faults_that_make_no_sense_are_refused(proxy: FaultProxy, fault: str, arguments: Any) -> None:
    with pytest.raises(InvalidOption):
        getattr(proxy, fault)(*arguments)
    with pytest.raises(InvalidOption):
        proxy.drop_answers(times=0)
