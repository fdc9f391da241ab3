"""Jobs in memory, and every so often in a file: as fast as the one, as lasting as the other up to an interval ago."""

from headrace.storage.hybrid.storage import hybrid_storage

__all__ = ["hybrid_storage"]
