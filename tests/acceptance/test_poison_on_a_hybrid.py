"""A job that kills its process at once is known for what it is, though a hybrid writes down a little later."""

import subprocess
import sys
from pathlib import Path

KILLER = """
import os, signal, sys
from headrace import Headrace

app = Headrace(sys.argv[1], lease="3s", beat="1s", reap="100ms", poll="100ms")

@app.task(name="poison")
async def poison() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "enqueue":
    poison.enqueue()
else:
    for job in app.jobs():
        print(job.state, job.reason, job.crashes, flush=True)
        if job.state == "retrying":
            app.run_now(job)
    app.run({"default": 2}, until_idle=True)
app.close()
"""
MOST = 12
"""Starts. Three crashes make it dead; the first may not be known, and a start may end while none is due."""


def program(url: str, what: str) -> str:
    """What it printed."""
    command = [sys.executable, "-c", KILLER, url, what]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def test_its_crashes_are_counted_until_it_is_dead(tmp_path: Path) -> None:
    url = f"hybrid:///{tmp_path}/jobs.snap?interval=5s"
    program(url, "enqueue")
    seen = [""]
    while not seen[-1].startswith("dead") and len(seen) < MOST:
        seen.append(program(url, "work"))
    assert seen[-1] == "dead poison 3\n", seen
