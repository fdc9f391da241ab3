"""What users choose."""

from headrace.storage.journal.house import Settings
from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.objectstore.place import Place
from headrace.storage.objectstore.shelf import BucketShelf
from headrace.system.clock import Clock, SystemClock
from headrace.system.machine import SystemSpawn
from headrace.system.spawn import Spawn


def object_storage(
    place: Place,
    *,
    lease: float = 30.0,
    takeover: bool = False,
    patience: float = 10.0,
    clock: Clock | None = None,
    spawn: Spawn | None = None,
) -> JournaledStorage:
    """Jobs in this process's memory, each change in the bucket before it is acknowledged.

    ``lease``: seconds after which an owner that says nothing counts as gone; ``takeover``: don't wait for that.
    ``patience``: seconds that a call waits for the bucket.
    """
    return JournaledStorage(
        lambda: BucketShelf(place, patience),
        Settings(None, lease, takeover, patience),
        clock or SystemClock(),
        spawn or SystemSpawn(),
    )
