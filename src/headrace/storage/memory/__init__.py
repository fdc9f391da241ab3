"""Jobs in this process's memory: the executable specification of the storage contract."""

from headrace.storage.memory.storage import MemoryStorage

__all__ = ["MemoryStorage"]
