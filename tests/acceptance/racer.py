"""Threads that race for keys: ``python racer.py URL THREADS KEYS NAME``. They begin when it is given the word."""

import json
import sys
import threading

from headrace import Headrace
from headrace.model.errors import PayloadDiffers


def main(url: str, threads: int, keys: int, name: str) -> None:
    """All threads enqueue under the same keys in the same order, once the word is given."""
    lines: list[str] = []
    go = threading.Event()
    with Headrace(url) as app:
        app.counts()  # the handle is open: the race is not about that

        def race(number: int) -> None:
            go.wait()
            for key in range(keys):
                mine = app.enqueue("race", {"same": key}, key=f"same {key}")
                other = app.enqueue("race", {"by": [name, number]}, key=f"other {key}")
                try:
                    held = [app.enqueue("race", {"by": [name, number]}, key=f"strict {key}", strict=True).id]
                except PayloadDiffers as error:
                    held = [error.holder, "refused"]
                lines.append(json.dumps({"key": key, "same": told(mine), "other": told(other), "strict": held}))

        racers = [threading.Thread(target=race, args=(number,)) for number in range(threads)]
        for racer in racers:
            racer.start()
        print("ready", flush=True)
        sys.stdin.readline()
        go.set()
        for racer in racers:
            racer.join()
    print("\n".join(lines), flush=True)


def told(receipt: object) -> tuple[str, bool, bool]:
    """What a producer learns."""
    return receipt.id, receipt.duplicate, receipt.payload_differs  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
