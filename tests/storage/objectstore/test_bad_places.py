"""Places that are no stores, or can't be: refused by name, and left as they are."""

# ruff: noqa: ASYNC240 - a test's loop has nothing else to do while it looks at a file
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from lines import Line, insert
from slatedb import uniffi as slatedb

from headrace.model.errors import (
    CorruptStore,
    ForeignStore,
    HeadraceError,
    NotPermitted,
    SchemaTooNew,
    StoreUnreachable,
    UnsafeBucket,
)
from headrace.storage.contract import Storage
from headrace.storage.journal.shelf import Head
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.testing.proxy.http import CONDITIONS, Refusal
from headrace.testing.servers.s3 import S3Server

pytestmark = pytest.mark.anyio
SECRET = "headrace-secret"


def at(where: object) -> Storage:
    url = str(where) if "://" in str(where) else f"file://{where}"
    return open_url(url, clock=SystemClock(), patience=5.0)


async def fill(where: object, writes: int = 3) -> None:
    storage = at(where)
    await storage.open()
    for _ in range(writes):
        await insert(storage)
    await storage.close()


async def refused(storage: Storage, kind: type[HeadraceError], *words: str) -> None:
    """Whoever opens it, reads it or writes to it is told so in these words, and of no key."""
    with pytest.raises(HeadraceError) as caught:  # noqa: PT012 - at which of these is not the point
        await storage.open()
        await storage.count()
        await insert(storage)
    await storage.close()
    assert type(caught.value) is kind, caught.value
    for word in words:
        assert word in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- buckets ---------------------------------------------------------------------------------------------------------


async def test_a_bucket_that_is_not_there(line: Line) -> None:
    storage = at("s3://no-such-bucket/jobs")
    await refused(storage, StoreUnreachable, "it answered 404 Not Found, NoSuchBucket; there is no such bucket; create")


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"])
async def test_a_key_that_may_not(line: Line, code: str) -> None:
    line.faults.refuse(Refusal(403, "Forbidden", code, "no"), share=1.0)
    await refused(line.storage(), NotPermitted, line.url, f"answered 403 Forbidden, {code}", "AWS_ACCESS_KEY_ID")


async def test_no_key_at_all(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{line.proxy.port}/latest/api/token")
    storage = line.storage(patience=90.0)  # ten tries are made, at random distances
    await refused(storage, NotPermitted, "there are no keys in the environment, as AWS_ACCESS_KEY_ID")


async def test_nobody_at_the_endpoint(monkeypatch: pytest.MonkeyPatch, s3_server: S3Server) -> None:
    for name, value in s3_server.environment(1).items():
        monkeypatch.setenv(name, value)
    storage = open_url("s3://bucket/jobs", clock=SystemClock(), patience=90.0)  # ten tries, at random distances
    await refused(storage, StoreUnreachable, "look at the endpoint in AWS_ENDPOINT, and at the network")


async def test_a_store_without_conditional_writes(line: Line) -> None:
    line.faults.take_out(*CONDITIONS)
    await refused(line.storage(), UnsafeBucket, line.url, "a PUT with If-None-Match", "use a store with conditional")


async def test_a_prefix_that_holds_something_else_is_left_alone(line: Line) -> None:
    """Names that SlateDB does not use are no harm to it, nor it to them."""
    line.server.write(line.bucket, f"{line.prefix}/photo.jpg", b"theirs")
    await fill(line.url)
    assert line.server.read(line.bucket, f"{line.prefix}/photo.jpg") == b"theirs"


@pytest.mark.parametrize("length", [0, 60])
async def test_an_object_that_was_cut(line: Line, length: int) -> None:
    await fill(line.url)
    newest = [stored.key for stored in line.server.objects(line.bucket, f"{line.prefix}/compacted")][-1]
    line.server.truncate(line.bucket, newest, length)
    await refused(line.storage(), CorruptStore, line.url, "it was left as it is")
    assert len(line.server.read(line.bucket, newest)) == length


# --- databases -------------------------------------------------------------------------------------------------------


async def database(folder: Path, rows: Mapping[bytes, bytes]) -> None:
    """A SlateDB database of anybody."""
    opened = await slatedb.DbBuilder(str(folder).strip("/"), slatedb.ObjectStore.resolve("file:///")).build()
    for key, value in rows.items():
        await (await opened.put(key, value)).await_durable()
    await opened.shutdown()


async def test_a_database_of_something_else(tmp_path: Path) -> None:
    await database(tmp_path / "jobs", {b"theirs": b"1"})
    await refused(at(tmp_path / "jobs"), ForeignStore, "a SlateDB database of something else, with a key b'theirs'")
    await refused(at(tmp_path / "jobs"), ForeignStore)


async def test_a_database_of_something_else_that_has_a_head_too(tmp_path: Path) -> None:
    await database(tmp_path / "jobs", {b"head": b"off"})
    await refused(at(tmp_path / "jobs"), ForeignStore, "a SlateDB database whose key 'head' is not ours")


async def test_a_newer_format(tmp_path: Path) -> None:
    await database(tmp_path / "jobs", {b"head": msgspec.msgpack.encode(Head(9, 1, 1, None))})
    await refused(at(tmp_path / "jobs"), SchemaTooNew, "has schema 9, this version knows up to 1; upgrade headrace")


async def test_an_entry_that_is_missing(tmp_path: Path) -> None:
    rows = {b"head": msgspec.msgpack.encode(Head(1, 1, 3, None)), b"e/" + (1).to_bytes(8): b"x"}
    await database(tmp_path / "jobs", rows)
    await refused(at(tmp_path / "jobs"), CorruptStore, "of its entries 1 to 2 not all are there")


async def test_an_entry_that_is_not_ours(tmp_path: Path) -> None:
    rows = {b"head": msgspec.msgpack.encode(Head(1, 1, 2, None)), b"e/" + (1).to_bytes(8): b"x"}
    await database(tmp_path / "jobs", rows)
    await refused(at(tmp_path / "jobs"), CorruptStore, "entry 1 of its journal is not what was written")


# --- folders ---------------------------------------------------------------------------------------------------------


async def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    await refused(at(tmp_path), ForeignStore, "the folder holds notes.txt, which is none of ours")
    assert contents(tmp_path) == {"notes.txt": b"mine"}


async def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_bytes(b"")
    await refused(at(tmp_path / "jobs"), StoreUnreachable, "Not a directory")
    assert (tmp_path / "jobs").read_bytes() == b""


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    await refused(at(tmp_path / "gone" / "jobs"), StoreUnreachable, f"the folder {tmp_path}/gone is not there; create")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["empty", "cut", "flipped"])
@pytest.mark.parametrize("kind", ["compacted", "manifest"])
async def test_a_file_that_was_damaged_is_refused_and_kept(tmp_path: Path, kind: str, how: str) -> None:
    await fill(tmp_path / "jobs", 20)
    newest = max(path for path in (tmp_path / "jobs" / kind).iterdir() if path.suffix != ".json")
    data = newest.read_bytes()
    # a manifest has no checksum: altered elsewhere than at its beginning it may be believed
    spot = len(data) // 3 if kind == "compacted" else 0
    damaged = {
        "empty": b"",
        "cut": data[: len(data) // 2],
        "flipped": data[:spot] + bytes([255 - data[spot]]) + data[spot + 1 :],
    }[how]
    newest.write_bytes(damaged)
    before = contents(tmp_path)
    await refused(at(tmp_path / "jobs"), CorruptStore, str(tmp_path / "jobs"), "it was left as it is")
    assert before.items() <= contents(tmp_path).items()


async def test_a_log_that_is_missing_in_the_middle(tmp_path: Path) -> None:
    storage = at(tmp_path / "jobs")
    await storage.open()
    for _ in range(20):
        await insert(storage)
    shutil.copytree(tmp_path / "jobs", tmp_path / "copy")  # as a machine that lost its power left it
    await storage.close()
    logs = sorted((tmp_path / "copy" / "wal").iterdir())
    logs[len(logs) // 2].unlink()
    await refused(at(tmp_path / "copy"), CorruptStore, "it was left as it is")
