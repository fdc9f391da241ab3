"""What is read of an opened database: the head, and the entries that it speaks of."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from headrace.model.errors import CorruptStore, ForeignStore
from headrace.storage.journal.shelf import Head
from headrace.storage.objectstore.driver import Opened

HEAD = b"head"
_ENTRIES, _BEHIND = b"e/", b"e0"
_decode = msgspec.msgpack.Decoder(Head).decode


def entry_key(number: int) -> bytes:
    """Keys are in the order of numbers."""
    return _ENTRIES + number.to_bytes(8)


async def read_head(opened: Opened, where: str) -> Head | None:
    """None where there is nothing of ours yet."""
    data = await opened.get(HEAD)
    if data is None:
        return None
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise ForeignStore(where, f"it is a SlateDB database whose key 'head' is not ours: {error}") from None


async def read_entries(opened: Opened, where: str, patience: float) -> list[tuple[int, bytes]]:
    """Between two looks at the head that agree: an owner may be at work."""
    while True:
        before = await read_head(opened, where)
        rows = _steadily(opened.scan(_ENTRIES, _BEHIND), patience)
        found = [(int.from_bytes(key[len(_ENTRIES) :]), data) async for key, data in rows]
        after = await read_head(opened, where)
        if before is None or after is None:
            return []
        if (before.first, before.next) == (after.first, after.next):
            break
    if [number for number, _ in found] != list(range(after.first, after.next)):
        raise CorruptStore(where, f"of its entries {after.first} to {after.next - 1} not all are there")
    return found


async def _steadily(rows: AsyncIterator[tuple[bytes, bytes]], patience: float) -> AsyncIterator[tuple[bytes, bytes]]:
    """Reading all may take long; none of it may."""
    while True:
        async with asyncio.timeout(patience):
            row = await anext(rows, None)
        if row is None:
            return
        yield row
