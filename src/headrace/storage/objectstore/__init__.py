"""Jobs in a bucket, where nothing else lasts: one process works in memory, and keeps a journal there."""

from headrace.storage.objectstore.storage import object_storage

__all__ = ["object_storage"]
