"""Keeps house on schedules, and is killed by SIGKILL at its first tick: ``python -m survival.ticker``.

It dies before the insert is sent, while it is under way, or after it was answered.
"""

import asyncio
import os
import random
import signal
import sys
import threading
from typing import Any

from headrace import Headrace
from headrace.storage.sqlite import SqliteStorage
from survival.ledger import Ledger

INTERVALS = {"fast": 0.1, "slow": 0.7}
CRON = "* * * * * *"


def make_app() -> Headrace:
    """The app of every process of this test."""
    app = Headrace(lease="600ms", beat="100ms", reap="100ms", poll="1s")

    @app.task(name="tick")
    def tick() -> None: ...

    for name, every in INTERVALS.items():
        app.schedule(name, every=every, catch_up="all", job=tick.using(queue=name).call())
    app.schedule("cron", cron=CRON, tz="Europe/Paris", catch_up="all", job=tick.using(queue="cron").call())
    return app


def die_at_the_first_tick(ledger: Ledger) -> None:
    insert = SqliteStorage.insert

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def dying(self: SqliteStorage, jobs: Any, puts: Any = ()) -> Any:
        how = random.choice(["before", "during", "during", "after"])
        ledger.write("dies", how=how, pid=os.getpid(), jobs=len(jobs))
        if how == "before":
            die()
        if how == "during":
            timer = threading.Timer(random.uniform(0, 0.002), die)
            timer.start()
        await insert(self, jobs, puts)
        if how == "during":
            timer.join()
        die()

    SqliteStorage.insert = dying  # type: ignore[method-assign]


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopping.set)
    die_at_the_first_tick(Ledger(os.environ["SURVIVAL_EFFECTS"]))
    async with make_app() as app, app.housekeeping():
        await stopping.wait()


if __name__ == "__main__":
    asyncio.run(main())
