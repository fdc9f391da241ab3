"""Enqueues one job after another, and writes down each that was acknowledged.

``python promised.py URL FILE SECONDS HOW``. A line of the file is written before the next job is asked for: its id, and
the seconds on the machine's own clock. Then it is killed at once (HOW is ``kill``), or comes to its end without closing
anything (``end``).
"""

import os
import signal
import sys
import time

from headrace import Headrace


def main(url: str, file: str, seconds: float, how: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    app = Headrace(url)
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        job_id = app.enqueue("t").id
        os.write(descriptor, f"{job_id} {time.monotonic()}\n".encode())
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
