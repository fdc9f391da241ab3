"""Claims by hand and acknowledges, until its stdin ends: ``python -m survival.claimer``."""

import asyncio
import os
import sys

from survival.app import app, effects, ups


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopping.set)
    ups.write("up", pid=os.getpid(), parent=os.getppid())
    while not stopping.is_set():
        claims = await app.aclaim(limit=7)
        for claim in claims:
            effects.write("claim", job=claim.id, fence=claim.fence, pid=os.getpid())
        for claim in claims:
            await app.aack(claim, claim.fence)
        if not claims:
            await asyncio.sleep(0.005)
    await app.aclose()


if __name__ == "__main__":
    asyncio.run(main())
