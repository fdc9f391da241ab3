"""What a move relies on is kept before it is acknowledged, however long the interval."""

import pytest
from doors import ids, opened
from shelves import Vault, new_job

from headrace.model.mark import Mark, Role
from headrace.storage.memory import MemoryStorage
from headrace.storage.moving import Rows

pytestmark = pytest.mark.anyio


async def rows_of_one_job() -> Rows:
    memory = MemoryStorage()
    await memory.open()
    await memory.insert([new_job(id="1")])
    return await memory.dump(limit=10)


async def test_a_mark_and_what_is_loaded_are_kept_at_once(vault: Vault) -> None:
    mark = Mark(role=Role.TARGET, other="sqlite:///other.db", move="m")
    async with opened(vault, interval=3600.0) as storage:
        await storage.mark(mark)
        async with opened(vault, where="another process") as onlooker:
            assert await onlooker.marked() == mark
        await storage.load((await rows_of_one_job()).rows, "cursor")
        async with opened(vault, where="another process") as onlooker:
            assert await ids(onlooker) == {"1"}
        await storage.mark(None)
        async with opened(vault, where="another process") as onlooker:
            assert await onlooker.marked() is None
