"""Enqueues one job after the other, says what became of each, and kills itself: ``python acknowledging.py URL N``.

A line on stdout is written before the next job is asked for: ``ok 3``, ``refused 4``, ``unknown 5``.
"""

import os
import signal
import sys

from headrace import Headrace
from headrace.model.errors import EnqueueUnknown, StoreError


def main(url: str, number: int) -> None:
    app = Headrace(url, patience="1s")

    @app.task(name="numbered")
    def numbered(number: int) -> None: ...

    for each in range(number):
        try:
            numbered.enqueue(each)
            answer = "ok"
        except EnqueueUnknown:
            answer = "unknown"
        except StoreError:
            answer = "refused"
        os.write(1, f"{answer} {each}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
