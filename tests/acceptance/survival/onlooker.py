"""Only looks, until its stdin ends, and writes down what it saw: ``python -m survival.onlooker``."""

import asyncio
import sys

from survival.app import app, effects


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopping.set)
    while not stopping.is_set():
        page = await app.ajobs(limit=100)
        counts = {state: count for states in (await app.acounts()).values() for state, count in states.items()}
        newest = await app.ajob(page[0].id) if page else None
        effects.write("look", listed=len(page), counts=counts, found=newest is not None)
        await asyncio.sleep(0.05)
    await app.aclose()


if __name__ == "__main__":
    asyncio.run(main())
