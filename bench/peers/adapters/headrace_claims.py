"""headrace without a worker: claims by hand, as many at a time as the concurrency says."""

import asyncio

from bench.peers.adapters.headrace_worker import Producer, app, durability, setup
from bench.peers.setting import mark

__all__ = ["Producer", "durability", "setup", "work"]


def work(concurrency: int) -> None:
    asyncio.run(_take(concurrency))


async def _take(size: int) -> None:
    async with app:
        while True:
            claims = await app.aclaim("bench", limit=size)
            if not claims:
                await asyncio.sleep(0.005)
            for claim in claims:
                mark(claim.arguments["job"])
            await app.aack_many(claims)
