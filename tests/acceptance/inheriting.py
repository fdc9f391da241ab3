"""A child goes on with the app that its parent uses: ``python inheriting.py DATABASE``. It prints which locks it holds.

The parent enqueues in a thread without a pause while it forks; then it closes the app, and is gone.
"""

import os
import sys
import threading
from pathlib import Path

from headrace import Headrace


def locks(database: str) -> set[str]:
    """Of this process, by file: ``db`` and ``-shm``."""
    files = {os.stat(database + end).st_ino: end or "db" for end in ("", "-shm")}
    held = set()
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "POSIX" and int(fields[4]) == os.getpid():
            held.add(files.get(int(fields[5].split(":")[2]), ""))
    return held


def main(database: str) -> int:
    app = Headrace(f"sqlite:///{database}")

    @app.task(name="numbered")
    def numbered(number: int) -> None: ...

    stopping = threading.Event()

    def keep_enqueuing() -> None:
        while not stopping.is_set():
            numbered.enqueue(0)

    numbered.enqueue(0)
    beside = threading.Thread(target=keep_enqueuing)
    beside.start()
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(theirs)
        numbered.enqueue(1)
        print("held:", *sorted(locks(database)), flush=True)
        os.read(ours, 1)  # until the parent has closed its app: it was not the last to use the file
        numbered.enqueue(2)
        app.close()
        os._exit(0)
    os.close(ours)
    stopping.set()
    beside.join()
    app.close()
    os.close(theirs)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
