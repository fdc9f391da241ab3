"""What users choose."""

import os

from headrace.storage.hybrid.shelf import FileShelf
from headrace.storage.journal.house import Settings
from headrace.storage.journal.storage import JournaledStorage
from headrace.system.clock import Clock, SystemClock
from headrace.system.machine import SystemSpawn
from headrace.system.spawn import Spawn


def hybrid_storage(
    path: str | os.PathLike[str],
    *,
    interval: float = 1.0,
    lease: float = 30.0,
    takeover: bool = False,
    patience: float = 10.0,
    filesystem_checked: bool = True,
    clock: Clock | None = None,
    spawn: Spawn | None = None,
) -> JournaledStorage:
    """Jobs in this process's memory; what has changed is in the file at most ``interval`` seconds later.

    ``lease``: seconds after which an owner that says nothing counts as gone; ``takeover``: don't wait for that.
    ``patience``: seconds that a call waits for the disk, where it must wait at all.
    """
    absolute = os.path.realpath(os.path.abspath(os.fspath(path)))
    return JournaledStorage(
        lambda: FileShelf(absolute, interval, filesystem_checked=filesystem_checked),
        Settings(interval, lease, takeover, patience),
        clock or SystemClock(),
        spawn or SystemSpawn(),
    )
