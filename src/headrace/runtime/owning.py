"""A worker on a store that one process writes to: before all else its process becomes the owner."""

from headrace.model.errors import StoreOwned
from headrace.runtime.loop import Report
from headrace.storage.contract import Storage
from headrace.system.clock import Clock

_LOOK = 1.0
"""Seconds between two looks at whether the other is gone."""


class OwnerLives(RuntimeError):
    """Another process owns the store, and may be about to end."""

    def __init__(self, error: StoreOwned) -> None:
        super().__init__(
            f"{error}; this worker waits up to {error.lease:g} s for that process to end or to fall silent"
        )


async def become_owner(worker_id: str, storage: Storage, lease: float, clock: Clock, report: Report) -> None:
    """Returns once the process owns the store, where one must. An owner that lives is waited for as long as it may be
    silent, for one that was killed on another machine is known by that alone; then StoreOwned."""
    if storage.capabilities.processes != "one":
        return
    ends_at: float | None = None
    while True:
        try:
            await storage.beat(worker_id, (), lease)
        except StoreOwned as error:
            now = clock.monotonic()
            if ends_at is None:
                ends_at = now + error.lease
                report("worker", OwnerLives(error))
            if now >= ends_at:
                raise
            await clock.sleep(min(_LOOK, ends_at - now))
        else:
            return
