"""Logs that are in no table yet are what a start has to read: there are few, and they are read once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lines import Line, insert, is_put

from headrace.storage.objectstore import driver

pytestmark = pytest.mark.anyio
LOGS = 40


def is_table(text: bytes) -> bool:
    """Whether a request writes a table."""
    return is_put(text) and b"/compacted/" in text.partition(b"\r\n")[0]


@pytest.fixture
async def left(line: Line) -> AsyncIterator[driver.Writer]:
    """Opened for a moment after somebody was killed and has left so many logs."""
    store = driver.bucket(f"s3://{line.bucket}")
    killed = await driver.Writer.open(store, line.prefix, brief=True)
    killed._logs = -LOGS
    for number in range(LOGS):
        await killed.write([(b"%d" % number, b"x")])
    opened = await driver.Writer.open(store, line.prefix, brief=True)
    yield opened
    line.heal()
    for writer in (killed, opened):
        await writer.close()


async def reads_of_next(line: Line) -> int:
    """Requests of whoever opens it then, who finds all."""
    before = line.faults.requests["HEAD"]
    writer = await driver.Writer.open(driver.bucket(f"s3://{line.bucket}"), line.prefix)
    asked = line.faults.requests["HEAD"] - before
    assert len([key async for key, _ in writer.scan(b"0", b"~")]) == LOGS
    await writer.close()
    return asked


async def test_logs_that_were_put_into_a_table_are_not_read_again(line: Line, left: driver.Writer) -> None:
    await left.tidy()
    assert await reads_of_next(line) < LOGS


async def test_where_that_takes_long_it_goes_on_without(
    line: Line, left: driver.Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_CLOSING", 0.1)
    line.proxy.stall_answers(match=is_table, times=100)
    await left.tidy()
    assert await reads_of_next(line) >= LOGS


async def test_an_owner_that_writes_on_and_on_leaves_few_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tables than one look of the compactor puts together."""
    monkeypatch.setattr(driver, "_LOGS", 2)
    writer = await driver.Writer.open(driver.bucket("file:///"), str(tmp_path).strip("/"))
    async with asyncio.timeout(8):  # before the compactor looks for the first time
        for number in range(40):
            await writer.write([(b"%d" % number, b"x")])
            if writer._tidying is not None:
                await writer._tidying
    await writer.close()


async def test_an_owner_takes_a_store_whose_logs_no_table_takes(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_CLOSING", 0.1)
    async with line.owner() as storage:
        kept = await insert(storage)
    line.proxy.stall_answers(match=is_table, times=100)
    async with line.owner() as storage:
        kept += await insert(storage)
    assert await line.kept() == set(kept)
