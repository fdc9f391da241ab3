"""Crash recovery: kill a worker in the middle of a job and watch the next one complete it, as in RustQueue's guide.

    python examples/crash_recovery.py worker     # in one terminal; it prints its pid
    python examples/crash_recovery.py push       # in another
    kill -9 PID                                  # while it counts its steps
    python examples/crash_recovery.py worker     # after some 3 seconds it begins the job again

Nothing of the killed process ran any more: its lease ended, and whoever is there takes the job over. The lease is short
here, so that you don't wait long; by default it is 30 seconds. Under ``headrace worker`` a supervisor sees the death
and frees the job at once.
"""

import asyncio
import os
import sys

from headrace import Headrace, current

app = Headrace("sqlite:///crash_recovery.db", lease="3s", beat="1s", reap="1s")
STEPS = 5


@app.task
async def process_order(order: int) -> str:
    job = current().job
    print(f"order {order}: attempt {job.attempt}, after {job.crashes} crashes", flush=True)
    for step in range(1, STEPS + 1):
        await asyncio.sleep(1)
        print(f"order {order}: step {step} of {STEPS}", flush=True)
    return f"order {order} is complete"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["worker"]:
            print(f"worker with pid {os.getpid()}; Ctrl-C ends it", flush=True)
            app.run()
        case ["push"]:
            print("pushed", process_order.enqueue(42).id)
        case _:
            sys.exit("usage: crash_recovery.py worker|push")
