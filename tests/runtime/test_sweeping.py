"""Workers remove what was kept long enough, without being asked."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from stand import Stand

from headrace import RetryPolicy, State

pytestmark = pytest.mark.anyio

HOUR = 3600.0
MINUTE = 60.0


async def test_a_worker_removes_jobs_within_two_minutes_of_their_time(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(retention={"completed": "1h", "dead": "2h"})

    @stand.app.task
    async def fine() -> None: ...

    @stand.app.task(retry=RetryPolicy.none())
    async def fails() -> None:
        raise ValueError

    async with stand.app.worker():
        done, dead = await fine.aenqueue(), await fails.aenqueue()
        waits = await fine.using(delay="1d").aenqueue()
        for receipt in (done, dead):
            await stand.app.ajoin(receipt, 10)
        await stand.pass_time(HOUR - 1)
        assert (await stand.job(done)).state is State.COMPLETED
        await stand.pass_time(2 * MINUTE)
        assert await stand.app.ajob(done) is None
        assert (await stand.job(dead)).state is State.DEAD
        await stand.pass_time(HOUR)
        assert await stand.app.ajob(dead) is None
        assert (await stand.job(waits)).state is State.SCHEDULED


async def test_the_next_to_lead_goes_on(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(retention={"completed": "10m"})

    @stand.app.task
    async def fine() -> None: ...

    async with AsyncExitStack() as leading:
        leader = await leading.enter_async_context(stand.app.worker())
        await stand.pass_time(MINUTE)
        async with stand.app.worker():
            receipt = await fine.aenqueue()
            await stand.app.ajoin(receipt, 10)
            await leader.stop()
            await stand.pass_time(12 * MINUTE)
            assert await stand.app.ajob(receipt) is None
