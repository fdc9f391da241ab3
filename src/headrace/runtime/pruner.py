"""Sweeps final jobs that are kept long enough, in bounded batches."""

from headrace.runtime.settings import Settings
from headrace.storage.contract import Storage

_BATCH = 1_000


class Pruner:
    """Two at once do no harm: a leader does it, to save work."""

    def __init__(self, storage: Storage, settings: Settings) -> None:
        self._storage, self._settings = storage, settings

    async def prune_once(self) -> int:
        """One bounded sweep: how much was removed. As much as a sweep may: there may be more."""
        return await self._storage.prune(self._settings.keep, _BATCH)
