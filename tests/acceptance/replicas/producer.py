"""Enqueues until its stdin ends, and writes down what was acknowledged and what failed.

``python -m replicas.producer MODULE LEDGER``: by the app of this module.
"""

import asyncio
import importlib
import sys

from survival.ledger import Ledger

PAUSE, BATCH = 0.05, 5


async def main(module: str, path: str) -> None:
    app, ledger = importlib.import_module(module).app, Ledger(path)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopping.set)
    while not stopping.is_set():
        calls = [app.by_name("plain", {"number": number}, {"queue": "plain"}) for number in range(BATCH)]
        try:
            receipts = await app.aenqueue_many(calls)
        except Exception as error:
            ledger.write("failed", error=repr(error))
        else:
            ledger.write("ok", jobs=[receipt.id for receipt in receipts])
        try:
            await asyncio.wait_for(stopping.wait(), PAUSE)
        except TimeoutError:
            continue
    await app.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
