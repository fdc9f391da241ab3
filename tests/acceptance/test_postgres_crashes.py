"""The server crashes, ends connections, or has no space left: what was acknowledged is there, and work goes on."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from traffic import Traffic, new_job, opened

from headrace.model.errors import StoreFull
from headrace.model.state import State
from headrace.storage.contract import Demand, Filter
from headrace.system.threads import start_thread
from headrace.testing.servers.daemon import ordinary_user
from headrace.testing.servers.postgres import PostgresServer

pytestmark = pytest.mark.anyio
CRASHES = 3
BETWEEN = 150
"""Jobs that are acknowledged from one blow to the next."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _under_blows(url: str, strike: Callable[[], object]) -> Traffic:
    async with opened(url) as storage, opened(url) as truth, asyncio.timeout(90):
        traffic = Traffic(storage, "w")
        tasks = [asyncio.ensure_future(traffic.insert()) for _ in range(3)]
        working = asyncio.ensure_future(traffic.work())
        for blow in range(1, CRASHES + 1):
            await traffic.until(blow * BETWEEN)
            await _apart(strike)
        await traffic.until((CRASHES + 1) * BETWEEN)
        traffic.inserted = True
        await asyncio.gather(*tasks)
        while (await truth.count()).keys() != {("q", State.COMPLETED)}:
            assert not working.done(), working
        traffic.ends = True
        await working
        there = {job.id for job in (await truth.find(Filter(), limit=100_000)).jobs}
    assert there >= set(traffic.acknowledged)
    assert there <= {*traffic.acknowledged, *traffic.unknown}
    assert len(traffic.completed) == len(set(traffic.completed))
    return traffic


async def _apart(strike: Callable[[], object]) -> None:
    """In a thread: the loop goes on meanwhile."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        try:
            strike()
        finally:
            loop.call_soon_threadsafe(done.set)

    start_thread("strike", run)
    await done.wait()


async def test_a_server_that_crashes_again_and_again_costs_no_insert(own_postgres: PostgresServer) -> None:
    traffic = await _under_blows(own_postgres.create_database(), lambda: own_postgres.restart("immediate"))
    assert traffic.errors
    assert traffic.unknown == []


async def test_connections_that_are_ended_cost_no_insert(own_postgres: PostgresServer) -> None:
    url = own_postgres.create_database()
    name = url.rpartition("/")[2]
    traffic = await _under_blows(url, lambda: own_postgres.kill_backends(name))
    assert traffic.unknown == []


# --- no space left ---------------------------------------------------------------------------------------------------


@pytest.fixture
def small(own_postgres: PostgresServer, missing: Callable[[str, str], None]) -> Iterator["SmallDisk"]:
    """A database on a disk of its own, beside the log of what is to be written."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        missing("a disk that may be filled", "only root can mount one")
    disk = SmallDisk(own_postgres)
    try:
        yield disk
    finally:
        disk.close()


class SmallDisk:
    def __init__(self, server: PostgresServer) -> None:
        self._server, self._folder = server, Path(f"/tmp/headrace-small-{os.getpid()}")
        self._folder.mkdir()
        self._mount("size=24m")
        user = ordinary_user()
        assert user is not None
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        server.run_sql(f"CREATE TABLESPACE small LOCATION '{self._folder}'")
        server.run_sql("CREATE DATABASE small TABLESPACE small")
        self.url = server.url("small")

    def grow(self) -> None:
        self._mount("remount,size=200m")

    def _mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self._folder], check=True)

    def close(self) -> None:
        self._server.drop_database("small")
        self._server.run_sql("DROP TABLESPACE IF EXISTS small")
        self._server.run_sql("CHECKPOINT")
        subprocess.run(["umount", "-l", self._folder], check=True)
        self._folder.rmdir()


async def test_a_full_disk_is_told_as_that_and_work_goes_on_when_there_is_space(small: "SmallDisk") -> None:
    async with opened(small.url, patience=5.0) as storage:
        await storage.beat("w", (), 60.0)
        bulky = f'{{"a":"{os.urandom(6000).hex()}"}}'
        acknowledged: list[str] = []
        full: StoreFull | None = None
        while full is None:
            news = [new_job(payload=bulky) for _ in range(20)]
            try:
                await storage.insert(news)
                acknowledged += [new.id for new in news]
            except StoreFull as error:
                full = error
        assert "is full; nothing was changed" in str(full)
        assert acknowledged
        assert sum((await storage.count()).values()) == len(acknowledged)
        small.grow()
        more = [new_job(payload=bulky) for _ in range(100)]
        await storage.insert(more)
        (*claimed,) = await storage.claim("w", [Demand("q", len(acknowledged) + 100)])
        assert {job.id for job in claimed} == {*acknowledged, *(new.id for new in more)}
