"""How many jobs wait and run."""

import asyncio

import pytest

from headrace import Headrace, RetryPolicy

pytestmark = pytest.mark.anyio


async def test_what_waits_is_pending_and_what_runs_is_in_flight(app: Headrace) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    @app.task(name="holds", queue="one")
    async def holds() -> None:
        entered.set()
        await leave.wait()

    @app.task(name="fails", queue="two", retry=RetryPolicy.fixed(2, "1h"))
    async def fails() -> None:
        raise ValueError

    await fails.aenqueue()
    async with app.worker({"two": 1}) as worker:
        await worker.idle()
    async with app.worker({"one": 1}):
        await holds.aenqueue()
        await entered.wait()
        await holds.aenqueue()  # due, and the only slot is taken
        await holds.using(delay="1h").aenqueue()
        assert await app.apending_count() == 3
        assert [await app.apending_count(queue) for queue in ("one", "two", "three")] == [2, 1, 0]
        assert await app.ainflight_count() == 1
        assert [await app.ainflight_count(queue) for queue in ("one", "two", "three")] == [1, 0, 0]
        leave.set()
    await app.aclose()
