"""An S3 of one's own: it answers as a store has to, forgets all when it is stopped, and leaves nothing behind."""

import asyncio
import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headrace.testing.servers import owned, s3, s3_program
from headrace.testing.servers.daemon import ServerFailed
from headrace.testing.servers.s3 import S3Server, Stored

SOON = 20.0
SIGNED = {"Authorization": s3._SIGNATURE}


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def ask(
    server: S3Server, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=SOON)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, SIGNED | named)
    answer = connection.getresponse()
    said = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return said


def test_objects_are_written_listed_read_cut_and_removed(s3_server: S3Server) -> None:
    bucket = s3_server.create_bucket()
    assert s3_server.objects(bucket) == []
    s3_server.write(bucket, "b/one", b"12345")
    s3_server.write(bucket, "a/odd name+&ä", b"")
    assert s3_server.objects(bucket) == [Stored("a/odd name+&ä", 0), Stored("b/one", 5)]
    assert s3_server.objects(bucket, "b/") == [Stored("b/one", 5)]
    assert s3_server.read(bucket, "b/one") == b"12345"
    s3_server.truncate(bucket, "b/one", 2)
    assert s3_server.read(bucket, "b/one") == b"12"
    s3_server.write(bucket, "b/one", b"other")
    assert s3_server.read(bucket, "b/one") == b"other"
    s3_server.delete(bucket, "b/one")
    s3_server.delete(bucket, "b/one")
    with pytest.raises(ServerFailed, match=r"(?s)refused GET /.*/b/one: 404 .*NoSuchKey"):
        s3_server.read(bucket, "b/one")
    s3_server.drop_bucket(bucket)
    with pytest.raises(ServerFailed, match=r"(?s)404 .*NoSuchBucket"):
        s3_server.objects(bucket)


def test_a_list_of_many_pages_is_read_to_its_end(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3_server.create_bucket()
    for number in range(5):
        s3_server.write(bucket, f"key-{number}", b"")
    real = s3.urlencode
    monkeypatch.setattr(s3, "urlencode", lambda page: real({**page, "max-keys": "2"}))
    monkeypatch.setattr(s3, "_MOST_AT_ONCE", 2)
    assert [stored.key for stored in s3_server.objects(bucket)] == [f"key-{number}" for number in range(5)]
    s3_server.drop_bucket(bucket)


def test_conditions_are_kept_and_metadata_too(s3_server: S3Server) -> None:
    bucket = s3_server.create_bucket()
    first, said, _ = ask(s3_server, "PUT", f"/{bucket}/key", b"1", If_None_Match="*", x_amz_meta_slatedbputid="mine")
    assert first == 200
    status, _, text = ask(s3_server, "PUT", f"/{bucket}/key", b"2", If_None_Match="*")
    assert (status, b"<Code>PreconditionFailed</Code>" in text) == (412, True)
    assert ask(s3_server, "PUT", f"/{bucket}/key", b"2", If_Match='"0"')[0] == 412
    assert ask(s3_server, "HEAD", f"/{bucket}/key")[1]["x-amz-meta-slatedbputid"] == "mine"
    assert ask(s3_server, "PUT", f"/{bucket}/key", b"3", If_Match=said["etag"])[0] == 200
    assert s3_server.read(bucket, "key") == b"3"
    s3_server.drop_bucket(bucket)


def test_of_many_that_race_for_a_key_one_wins() -> None:
    looked = threading.Barrier(8, timeout=0.2)
    written: list[int] = []

    def look_then_write(environ: object, start: object) -> list[bytes]:
        is_free = not written
        try:
            looked.wait()
        except threading.BrokenBarrierError:
            pass
        if is_free:
            written.append(1)
        return [b"won" if is_free else b"lost"]

    application = s3_program.OneAtATime(look_then_write)
    heard: list[bytes] = []

    def race() -> None:
        heard.extend(application({"wsgi.input": io.BytesIO()}, lambda *_: lambda _: None))

    racers = [threading.Thread(target=race) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(heard) == [b"lost"] * 7 + [b"won"]


def test_stopped_it_forgets_all_and_keeps_its_port() -> None:
    with S3Server.start() as server:
        bucket, port, pid = server.create_bucket(), server.port, server.pid
        server.stop()
        assert server.pid is None
        with pytest.raises(ServerFailed, match="did not answer GET"):
            server.objects(bucket)
        server.resume()
        assert (server.port, server.pid != pid) == (port, True)
        with pytest.raises(ServerFailed, match="NoSuchBucket"):
            server.objects(bucket)
        folder, pid = server.folder, server.pid
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()
    server.close()


def test_a_port_that_is_taken_is_not_insisted_on(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ports = owned.free_port, [s3_server.port]
    monkeypatch.setattr(owned, "free_port", lambda: ports.pop() if ports else real())
    with S3Server.start() as server:
        assert server.port != s3_server.port


OWNER = """
from headrace.testing.servers.s3 import S3Server

server = S3Server.start()
print(server.pid, server.folder, flush=True)
input()
"""


def test_it_dies_with_a_process_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().decode().split()
        assert Path(f"/proc/{pid}").exists()
        owner.kill()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert eventually(lambda: not Path(folder).exists())


def test_a_fresh_store_is_found_by_its_environment(fresh_s3: str, s3_server: S3Server) -> None:
    slatedb = pytest.importorskip("slatedb.uniffi")
    url = urlsplit(fresh_s3)

    async def write() -> None:
        store = slatedb.ObjectStore.resolve(f"s3://{url.netloc}")
        database = await slatedb.DbBuilder(url.path.strip("/"), store).build()
        await database.put(b"key", b"value")
        await database.shutdown()

    asyncio.run(write())
    kinds = {stored.key.split("/")[1] for stored in s3_server.objects(url.netloc, f"{url.path.strip('/')}/")}
    assert {"manifest", "wal"} <= kinds
