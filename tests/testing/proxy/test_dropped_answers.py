"""Answers that get lost: what was asked is done, its answer never arrives, and the connection is gone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Self

import pytest
from line_server import Client, LineServer
from postgres_frames import FAILED, OPENED, SSL_REQUEST, START_UP, PostgresServer, done, frame, prepare, query, run

from headrace.testing.proxy import Direction, FaultProxy, PostgresDialogue

pytestmark = pytest.mark.anyio
INSERT = b"INSERT INTO jobs VALUES ($1)"
RAN = frame(b"2") + done(b"INSERT")


def is_insert(text: bytes) -> bool:
    return b"INSERT INTO" in text


class Session(Client):
    """A client of Postgres."""

    @classmethod
    async def connect(cls, port: int) -> Self:
        client = await super().connect(port)
        client.writer.write(SSL_REQUEST)
        assert await client.reader.readexactly(1) == b"N"
        client.writer.write(START_UP)
        assert await client.reader.readexactly(len(OPENED)) == OPENED
        client.writer.write(prepare(b"s1", INSERT))
        assert await client.reader.readexactly(10) == frame(b"1") + frame(b"n")
        return client

    async def gets(self, sent: bytes, answer: bytes) -> bool:
        self.writer.write(sent)
        return await self.reader.readexactly(len(answer)) == answer

    async def loses(self, sent: bytes) -> bool:
        self.writer.write(sent)
        return await self.rest() == b"<reset>"


@pytest.fixture
async def postgres() -> AsyncIterator[PostgresServer]:
    async with PostgresServer() as postgres:
        yield postgres


@pytest.fixture
async def wire(postgres: PostgresServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", postgres.port, speaks=PostgresDialogue) as wire:
        yield wire


async def test_a_statement_prepared_before_is_applied_and_its_answer_lost(
    wire: FaultProxy, postgres: PostgresServer
) -> None:
    async with await Session.connect(wire.port) as session:
        wire.drop_answers(is_insert)
        assert await session.gets(query(b"SELECT 1"), done(b"SELECT"))
        assert await session.loses(run(b"s1"))
    assert postgres.applied == [b"SELECT 1", INSERT]
    async with await Session.connect(wire.port) as session:  # once only
        assert await session.gets(run(b"s1"), RAN)
    assert (wire.counts.answers_dropped, wire.counts.unreadable) == (1, 0)


async def test_in_a_transaction_it_is_the_answer_to_the_commit_that_is_lost(
    wire: FaultProxy, postgres: PostgresServer
) -> None:
    async with await Session.connect(wire.port) as session:
        wire.drop_answers(is_insert)
        assert await session.gets(query(b"BEGIN"), done(b"BEGIN", b"T"))
        assert await session.gets(run(b"s1"), frame(b"2") + done(b"INSERT", b"T"))
        assert await session.gets(query(b"UPDATE"), done(b"UPDATE", b"T"))
        assert postgres.applied == []
        assert await session.loses(query(b"COMMIT"))
    assert postgres.applied == [INSERT, b"UPDATE"]


async def test_what_is_not_applied_is_answered_and_does_not_count(wire: FaultProxy, postgres: PostgresServer) -> None:
    async with await Session.connect(wire.port) as session:
        wire.drop_answers(lambda text: b"INSERT" in text)
        assert await session.gets(query(b"FAIL INSERT"), FAILED + frame(b"Z", b"I"))
        for end in (b"ROLLBACK", b"COMMIT"):
            assert await session.gets(query(b"BEGIN"), done(b"BEGIN", b"T"))
            assert await session.gets(run(b"s1"), frame(b"2") + done(b"INSERT", b"T"))
            if end == b"COMMIT":
                assert await session.gets(query(b"FAIL"), FAILED + frame(b"Z", b"E"))
            assert await session.gets(query(end), done(b"ROLLBACK"))
        assert (postgres.applied, wire.counts.answers_dropped) == ([], 0)
        assert await session.loses(run(b"s1"))
    assert postgres.applied == [INSERT]


async def test_answers_before_it_arrive(wire: FaultProxy, postgres: PostgresServer) -> None:
    async with await Session.connect(wire.port) as session:
        wire.drop_answers(is_insert)
        wire.latency(1)
        session.writer.write(query(b"SELECT 1") + run(b"s1") + query(b"SELECT 2"))
        assert await session.rest() == done(b"SELECT") + b"<reset>"
    assert postgres.applied[:2] == [b"SELECT 1", INSERT]


async def test_so_many_times_over_all_connections(wire: FaultProxy, postgres: PostgresServer) -> None:
    wire.drop_answers(times=2)
    sessions = [await Session.connect(wire.port) for _ in range(3)]
    lost = await asyncio.gather(*(_is_lost(session) for session in sessions))
    assert (sorted(lost), len(postgres.applied), wire.counts.answers_dropped) == ([False, True, True], 3, 2)


async def _is_lost(session: Session) -> bool:
    async with session:
        session.writer.write(run(b"s1"))
        try:
            return await session.reader.readexactly(len(RAN)) != RAN
        except ConnectionError:
            return True


async def test_an_order_on_a_connection_that_is_cut_first_is_still_open(
    wire: FaultProxy, postgres: PostgresServer
) -> None:
    wire.drop_answers(is_insert)
    async with await Session.connect(wire.port) as session:
        assert await session.gets(query(b"BEGIN"), done(b"BEGIN", b"T"))
        assert await session.gets(run(b"s1"), frame(b"2") + done(b"INSERT", b"T"))
        wire.cut()
        assert await session.rest() == b"<reset>"
    async with await Session.connect(wire.port) as session:
        assert await session.loses(run(b"s1"))


async def test_healed_no_answer_is_dropped(wire: FaultProxy) -> None:
    wire.drop_answers()
    async with await Session.connect(wire.port) as session:
        assert await session.gets(query(b"BEGIN"), done(b"BEGIN", b"T"))
        wire.heal()
        assert await session.gets(query(b"COMMIT"), done(b"COMMIT"))
        assert await session.gets(run(b"s1"), RAN)


async def test_of_any_protocol_silence_ends_an_answer(proxy: FaultProxy, server: LineServer) -> None:
    proxy.drop_answers(lambda text: b"two\n" in text)
    async with await Client.connect(proxy.port) as client:
        assert await client.ask(b"one\n") == b"got one\n"
        client.writer.write(b"tw")
        await proxy.until(lambda: proxy.counts.to_server == 6)
        client.writer.write(b"o\n")
        assert await client.rest() == b"<reset>"
    assert server.heard == b"one\ntwo\n"


async def test_of_any_protocol_the_end_of_the_connection_ends_an_answer(proxy: FaultProxy, server: LineServer) -> None:
    proxy.drop_answers()
    async with await Client.connect(proxy.port) as client:
        client.writer.write(b"one\n")
        client.writer.write_eof()
        assert await client.rest() == b"<reset>"
    assert (server.heard, proxy.counts.answers_dropped) == (b"one\n", 1)


async def test_what_never_reaches_the_server_takes_no_order(proxy: FaultProxy, server: LineServer) -> None:
    async with await Client.connect(proxy.port) as client:
        await client.ask(b"one\n")
        proxy.blackhole(Direction.TO_SERVER)
        proxy.drop_answers()
        client.writer.write(b"swallowed\n")
        assert await client.hears_nothing_for(60)
        assert proxy.counts.answers_dropped == 0


async def test_preparing_goes_on_in_a_transaction_whose_commit_will_be_lost(
    wire: FaultProxy, postgres: PostgresServer
) -> None:
    """A client prepares, and waits for that, before it runs: held back, neither side would ever say another word."""
    async with await Session.connect(wire.port) as session:
        wire.drop_answers(is_insert)
        assert await session.gets(query(b"BEGIN"), done(b"BEGIN", b"T"))
        assert await session.gets(run(b"s1"), frame(b"2") + done(b"INSERT", b"T"))
        assert await session.gets(prepare(b"s2", b"SELECT 1"), frame(b"1") + frame(b"n"))
        assert await session.gets(run(b"s2"), frame(b"2") + done(b"SELECT", b"T"))
        assert await session.loses(query(b"COMMIT"))
    assert postgres.applied
