"""What storages share that work in memory and keep a journal elsewhere: a file, a bucket.

A ``Store`` of ``storage.memory`` does all the work. Its tables note what changes. A ``Keeper``, in a thread of its own,
writes what has changed since it last looked to a ``Shelf``, in one atomic step; who asks for it waits until that is
done. One process owns the shelf; others read.

- ``changes``: what is noted, and how it is packed.
- ``ledger``: which entry of the journal holds the last word on a row, so that old entries can go.
- ``shelf``: the seam. A storage of this kind is a shelf and a URL.
- ``keeper``: the thread that writes.
- ``taking``: how a process becomes the owner.
- ``house``: what all handles of one process on one shelf share: who owns it, the keeper, a reader's image.
- ``standing``: what people are told of a shelf: its owner, its size.
- ``storage``: the handle.
"""
