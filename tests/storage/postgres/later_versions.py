"""A store in Postgres that this version opens, and one with the migrations of a version that is still to come."""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from headrace.model.job import NewJob
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.driver import Connection, connect
from headrace.storage.postgres.schema import MIGRATIONS, load_migrations
from headrace.storage.postgres.settings import read_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

T = TypeVar("T")
NEXT = {**MIGRATIONS, **load_migrations(Path(__file__).with_name("next_version"))}
"""0002 adds a column, 0003 an index beside others, and what comes after it takes an old index away."""
MIGRATE = [sys.executable, "-m", "later_versions"]
"""A process that brings the store at the URL, its last argument, to the next version."""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
_ids = Ids(SystemClock())


def storage(url: str, **options: Any) -> PostgresStorage:
    """A handle of this version."""
    return PostgresStorage(read_url(url, url), **options)


def next_storage(url: str, **options: Any) -> PostgresStorage:
    """A handle of the next one."""
    return storage(url, migrations=NEXT, **options)


@asynccontextmanager
async def opened(handle: PostgresStorage) -> AsyncIterator[PostgresStorage]:
    """Open for a while."""
    await handle.open()
    try:
        yield handle
    finally:
        await handle.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection of somebody else."""
    connection = await connect(url, timeout=10, settings={}, statements=0)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows that the server answers."""
    async with connected(url) as connection:
        return [tuple(row) for row in await connection.fetch(sql)]


async def until(look: Callable[[], Awaitable[T]]) -> T:
    """The first true answer; the test's own time limit ends it."""
    while not (found := await look()):
        await SystemClock().sleep(0.02)
    return found


def new_job(queue: str = "default") -> NewJob:
    """A plain one."""
    return NewJob(_ids.new(), "task", queue, "{}")


async def steps(url: str, schema: str = "headrace") -> list[tuple[int, bool]]:
    """What has been run there."""
    return [
        (number, post)
        for number, post in await ask(url, f"SELECT number, post FROM {schema}.migrations ORDER BY number, post")
    ]


async def index_of(url: str) -> bool | None:
    """Whether the index of the next version is of use; None where there is none."""
    found = await ask(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('headrace.jobs_colour')")
    return found[0][0] if found else None


if __name__ == "__main__":
    import asyncio

    async def main() -> None:
        async with opened(next_storage(sys.argv[1], auto_migrate=True)):
            pass

    asyncio.run(main())
