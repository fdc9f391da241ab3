"""Owns a store: ``python owning.py URL``. For each line that it reads it enqueues a job, and says its id."""

import sys

from headrace import Headrace


def main(url: str) -> None:
    with Headrace(url) as app:
        for _ in sys.stdin:
            print(app.enqueue("t").id, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
