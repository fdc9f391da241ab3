"""HTTP through the proxy: requests are counted, some refused, answers late or lost, conditions ignored."""

from collections.abc import AsyncIterator, Iterator
from http.client import HTTPConnection, HTTPException
from math import inf

import pytest
from http_server import HttpServer, ask, chunks, get, hear, put, read_head
from line_server import Client

from headrace.model.errors import InvalidOption
from headrace.testing.proxy import Direction, FaultProxy, HttpFaults, ProxyThread
from headrace.testing.proxy.http import CONDITIONS, Refusal
from headrace.testing.servers.s3 import S3Server

pytestmark = pytest.mark.anyio

ONLY_IF_NEW = "If-None-Match: *\r\n"
PATIENCE = 20.0


def is_put(asked: bytes) -> bool:
    return asked.startswith(b"PUT ")


@pytest.fixture
async def store() -> AsyncIterator[HttpServer]:
    async with HttpServer() as store:
        yield store


@pytest.fixture
def faults() -> HttpFaults:
    return HttpFaults(seed=1)


@pytest.fixture
async def proxy(store: HttpServer, faults: HttpFaults) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", store.port, speaks=faults.dialogue) as proxy:
        yield proxy
    assert proxy.connections == 0


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    async with await Client.connect(proxy.port) as client:
        yield client


async def test_one_connection_carries_all_kinds_of_messages(client: Client, proxy: FaultProxy) -> None:
    assert await ask(client, put("/a", b"body" * 100_000)) == (200, b"")
    assert await ask(client, get("/a")) == (200, b"body" * 100_000)
    assert await ask(client, b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"0123456789")) == (
        200,
        b"",
    )
    assert await ask(client, get("/c?chunked")) == (200, b"0123456789")
    assert await ask(client, get("/c", "HEAD")) == (200, b"")
    assert await ask(client, get("/c", "DELETE")) == (204, b"")
    assert (await ask(client, get("/c")))[0] == 404
    assert (proxy.counts.accepted, proxy.counts.unreadable) == (1, 0)


async def test_a_body_that_is_expected_is_asked_for(client: Client, proxy: FaultProxy, store: HttpServer) -> None:
    proxy.drop_answers(is_put)
    client.writer.write(b"PUT /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert (await read_head(client.reader))[1] == "100"
    client.writer.write(b"body")
    assert await client.rest() == b"<reset>"
    assert store.kept == {"/e": b"body"}


async def test_an_applied_put_whose_answer_is_dropped_is_refused_when_it_is_repeated(
    client: Client, proxy: FaultProxy, store: HttpServer
) -> None:
    proxy.drop_answers(is_put)
    assert (await ask(client, get("/a")))[0] == 404
    client.writer.write(put("/a", b"body", ONLY_IF_NEW))
    assert await client.rest() == b"<reset>"
    assert (store.kept, proxy.counts.answers_dropped) == ({"/a": b"body"}, 1)
    async with await Client.connect(proxy.port) as again:
        assert (await ask(again, put("/a", b"body", ONLY_IF_NEW)))[0] == 412


async def test_an_answer_that_tells_of_a_failure_is_not_dropped(client: Client, proxy: FaultProxy) -> None:
    assert await ask(client, put("/a", b"1")) == (200, b"")
    proxy.drop_answers(is_put)
    assert (await ask(client, put("/a", b"2", ONLY_IF_NEW)))[0] == 412
    client.writer.write(put("/b", b"3"))
    assert await client.rest() == b"<reset>"


async def test_every_nth_request_is_refused_and_never_arrives(
    client: Client, faults: HttpFaults, store: HttpServer
) -> None:
    faults.refuse(every=3)
    statuses = [(await ask(client, put(f"/{number}", b"body")))[0] for number in range(7)]
    assert statuses == [200, 200, 503, 200, 200, 503, 200]
    assert store.applied == [f"PUT /{number}" for number in (0, 1, 3, 4, 6)]
    assert (faults.requests, faults.refused) == ({"PUT": 7}, 2)
    faults.heal()
    assert [(await ask(client, get("/0")))[0] for _ in range(3)] == [200] * 3


async def test_a_share_is_refused_by_chance_and_the_same_for_the_same_seed(client: Client, proxy: FaultProxy) -> None:
    def refused_of(faults: HttpFaults) -> list[bool]:
        faults.refuse(share=0.2)
        dialogue = faults.dialogue()
        return [bool(dialogue.meddle(get("/a")).to_client) for _ in range(1000)]

    first = refused_of(HttpFaults(seed=1))
    assert 150 < sum(first) < 250
    assert first == refused_of(HttpFaults(seed=1))
    assert first != refused_of(HttpFaults(seed=2))


async def test_only_what_matches_is_refused_and_as_one_likes(client: Client, faults: HttpFaults) -> None:
    faults.refuse(Refusal(403, "Forbidden", "AccessDenied", "Access Denied"), share=1.0, match=is_put)
    status, text = await ask(client, put("/a", b"body"))
    assert (status, b"<Code>AccessDenied</Code>" in text) == (403, True)
    assert (await ask(client, get("/a", "HEAD")))[0] == 404


async def test_a_store_that_ignores_conditions_overwrites(
    client: Client, faults: HttpFaults, store: HttpServer
) -> None:
    assert (await ask(client, put("/a", b"1", ONLY_IF_NEW)))[0] == 200
    faults.take_out(*CONDITIONS)
    assert (await ask(client, put("/a", b"2", ONLY_IF_NEW)))[0] == 200
    assert store.kept == {"/a": b"2"}
    faults.heal()
    assert (await ask(client, put("/a", b"3", ONLY_IF_NEW)))[0] == 412


async def test_an_answer_is_held_up_and_others_are_not(client: Client, proxy: FaultProxy, store: HttpServer) -> None:
    proxy.stall_answers(3.0, is_put)
    async with await Client.connect(proxy.port) as other:
        client.writer.write(put("/a", b"body"))
        assert await client.hears_nothing_for(2.9)
        assert store.kept == {"/a": b"body"}
        assert (await ask(other, get("/a")))[0] == 200
        assert (await hear(client))[0] == 200
    assert (await ask(client, put("/b", b"body")))[0] == 200


async def test_an_answer_is_held_up_until_all_is_well_again(client: Client, proxy: FaultProxy) -> None:
    proxy.stall_answers(inf, is_put, times=2)
    client.writer.write(put("/a", b"body"))
    assert await client.hears_nothing_for(3600)
    proxy.heal()
    assert (await hear(client))[0] == 200
    assert (await ask(client, put("/b", b"body")))[0] == 200


async def test_a_connection_that_ends_after_its_answer_is_held_up_too(proxy: FaultProxy, store: HttpServer) -> None:
    proxy.stall_answers(3.0)
    async with await Client.connect(proxy.port) as client:
        client.writer.write(get("/a"))
        client.writer.write_eof()
        assert await client.hears_nothing_for(2.9)
        assert b"404 Not Found" in await client.rest()


async def test_a_request_is_cut_off_after_so_many_bytes(client: Client, proxy: FaultProxy, store: HttpServer) -> None:
    proxy.cut_after(100, Direction.TO_SERVER)
    client.writer.write(put("/a", b"body" * 100))
    assert await client.rest() == b"<reset>"
    assert store.applied == []


@pytest.mark.parametrize("given", [{}, {"share": 1.1}, {"share": -1}, {"every": -1}, {"every": 2, "share": 0.5}])
def test_orders_that_make_no_sense_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(InvalidOption):
        HttpFaults().refuse(**given)
    with pytest.raises(InvalidOption):
        FaultProxy("127.0.0.1", 1).stall_answers(-1.0)


@pytest.fixture
def before_s3(s3_server: S3Server, faults: HttpFaults) -> Iterator[ProxyThread]:
    with ProxyThread("127.0.0.1", s3_server.port, speaks=faults.dialogue) as thread:
        yield thread


def say(port: int, method: str, path: str, body: bytes = b"", **fields: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.request(method, path, body, {"Authorization": SIGNED} | named)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


SIGNED = "AWS4-HMAC-SHA256 Credential=me/20000101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


def test_a_real_store_through_all_of_it(before_s3: ProxyThread, s3_server: S3Server, faults: HttpFaults) -> None:
    bucket, port = s3_server.create_bucket(), before_s3.port
    key = f"/{bucket}/key"
    before_s3.ask(lambda proxy: proxy.drop_answers(is_put))
    with pytest.raises((ConnectionError, HTTPException)):
        say(port, "PUT", key, b"mine", If_None_Match="*")
    assert s3_server.read(bucket, "key") == b"mine"
    assert say(port, "PUT", key, b"other", If_None_Match="*")[0] == 412
    before_s3.ask(lambda _: faults.take_out(*CONDITIONS))
    assert say(port, "PUT", key, b"other", If_None_Match="*")[0] == 200
    assert say(port, "GET", key) == (200, b"other")
    before_s3.ask(lambda _: faults.refuse(every=2))
    assert [say(port, "GET", f"/{bucket}?list-type=2")[0] for _ in range(4)] == [200, 503, 200, 503]
    assert (faults.requests, faults.refused) == ({"PUT": 3, "GET": 1, "LIST": 4}, 2)
    s3_server.drop_bucket(bucket)
