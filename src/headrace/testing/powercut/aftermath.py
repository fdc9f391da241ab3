"""Opens what a power cut left, and looks at it."""

import asyncio
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from headrace.model.errors import HeadraceError
from headrace.model.job import Job, NewJob
from headrace.model.record import KV
from headrace.storage.contract import Demand, Filter
from headrace.storage.sqlite import SqliteStorage
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids
from headrace.testing.powercut.promises import COUNT, Aftermath, Promises

STORE = "jobs.db"
"""The name of the store in its folder."""
_MEMORY = Path("/dev/shm")
_PAGE = 1_000


class Contradiction(Exception):
    """The file is sound to SQLite and not to us."""


def examine(files: Mapping[str, bytes], promises: Promises) -> Aftermath:
    """What is wrong with these files, opened after all that was promised."""
    where = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="headrace-powercut-", dir=where) as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        path = str(Path(folder, STORE))
        try:
            jobs, count = asyncio.run(_look(path))
            with closing(sqlite3.connect(path)) as connection:
                found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        except (HeadraceError, sqlite3.Error, Contradiction) as error:
            return msgspec.structs.replace(promises.compare({}, 0), damaged=f"{type(error).__name__}: {error}")
        aftermath = promises.compare(jobs, count)
        return aftermath if found == ["ok"] else msgspec.structs.replace(aftermath, damaged=f"integrity_check: {found}")


async def _look(path: str) -> tuple[Mapping[str, Job], int]:
    storage = SqliteStorage(path, filesystem_checked=False)
    await storage.open()
    try:
        jobs = await _all_jobs(storage)
        counted = Counter((job.queue, job.state) for job in jobs.values())
        if counted != dict(await storage.count()):
            raise Contradiction(f"it holds {counted} and says {await storage.count()}")
        record = await storage.records(KV, names=[COUNT])
        await _goes_on(storage)
        return jobs, int(record[0].value) if record else 0
    finally:
        await storage.close()


async def _all_jobs(storage: SqliteStorage) -> Mapping[str, Job]:
    jobs: dict[str, Job] = {}
    after: str | None = None
    while True:
        page = await storage.find(Filter(), limit=_PAGE, after=after)
        jobs |= {job.id: job for job in page.jobs}
        if page.next is None:
            return jobs
        after = page.next


async def _goes_on(storage: SqliteStorage) -> None:
    """A new job is taken in and given out."""
    new = NewJob(id=Ids(SystemClock()).new(), task="t", queue="afterwards", payload="{}")
    await storage.insert([new])
    await storage.beat("afterwards", (), 60)
    if [job.id for job in await storage.claim("afterwards", [Demand("afterwards", 1)])] != [new.id]:
        raise Contradiction("a new job can not be claimed")
