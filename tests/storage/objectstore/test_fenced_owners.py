"""An owner that was fenced is told so, whatever its writes do."""

import asyncio
from collections.abc import Sequence

import pytest
from lines import Line, insert
from msgspec.structs import replace

from headrace.model.errors import EnqueueUnknown, StoreOwned
from headrace.storage.objectstore import driver
from headrace.storage.objectstore.place import read_place
from headrace.storage.objectstore.shelf import BucketShelf

pytestmark = pytest.mark.anyio


async def test_one_whose_write_never_ends_is_told_all_the_same(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """SlateDB has waits that a fence does not end."""

    async def never(_: driver.Writer, __: Sequence[tuple[bytes, bytes]], ___: Sequence[bytes] = ()) -> None:
        await asyncio.Event().wait()

    other = BucketShelf(read_place(line.url), 5.0)
    async with line.owner() as storage:
        await insert(storage)
        seen = await other.look()
        assert seen is not None
        assert seen.owner is not None
        theirs = replace(seen.owner, token="theirs", host="elsewhere", pid=77)
        assert await other.take(seen, replace(seen, owner=theirs))
        monkeypatch.setattr(driver.Writer, "write", never)
        with pytest.raises(EnqueueUnknown, match="owned by process 77 on elsewhere"):
            await insert(storage)
        with pytest.raises(StoreOwned, match="owned by process 77 on elsewhere"):
            await insert(storage)
    await other.close()
