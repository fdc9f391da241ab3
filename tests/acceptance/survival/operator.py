"""Sends dead jobs back, again and again, until its stdin ends: ``python -m survival.operator``."""

import asyncio
import os
import sys

from survival.app import app, effects, ups


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopping.set)
    ups.write("up", pid=os.getpid(), parent=os.getppid())
    while not stopping.is_set():
        retried = await app.aretry_dead(reason="permanent", error="PermanentFailure", limit=150)
        if retried.count:
            effects.write("sent back", count=retried.count, held=retried.key_held, pid=os.getpid())
        await asyncio.sleep(0.005)
    await app.aclose()


if __name__ == "__main__":
    asyncio.run(main())
