"""A disk that keeps what was synced, and of the rest whatever it likes.

Of what a file was given since its last sync, any part may be there when the power is gone: nothing, all, the first
writes, or any of them; one of them torn between two sectors. Names in the folder are certain once the folder was
synced; until then each name may stand for what it stood for at any moment since. A sync that failed may have been the
end of what it was to bring to the disk: a later one that succeeds says nothing of that. What is outside a write is
never harmed, which is what SQLite relies on too.
"""

from collections.abc import Mapping, Sequence

import msgspec

from headrace.testing.dice import Dice
from headrace.testing.powercut.recording import Name, Operation, Resize, Say, Sync, SyncFolder, Write

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""


class File:
    """One file: what is certain, and what was asked for since, with its place among all operations."""

    def __init__(self) -> None:
        self.certain = bytearray()
        self.pending: list[tuple[int, Write | Resize]] = []
        self._doubtful: set[int] = set()
        """Places of those that a failed sync was to bring to the disk: the system may believe that it did."""

    @property
    def doubtful(self) -> Sequence[Write | Resize]:
        """What a sync failed for."""
        return [operation for place, operation in self.pending if place in self._doubtful]

    def fail(self, since: int) -> None:
        """A sync failed."""
        self._doubtful.update(place for place, _ in self.pending if place < since)

    def sync(self, since: int, dice: Dice) -> None:
        """What was asked for before is certain. Not what a sync failed for: that is there or it is not, for good."""
        while self.pending and self.pending[0][0] < since:
            place, operation = self.pending.pop(0)
            if place not in self._doubtful or dice.chance(0.5):
                do(self.certain, operation)
        self._doubtful = {place for place in self._doubtful if place >= since}


class Disk:
    """What is certain and what is not, while operations are done one after another."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._files: dict[int, File] = {}
        self._names: dict[str, int | None] = {}
        self._pending: list[tuple[int, Name]] = []
        self._count = 0

    @property
    def unsynced(self) -> int:
        """Operations of which nobody knows."""
        return len(self._pending) + sum(len(file.pending) for file in self._files.values())

    def take(self, operation: Operation) -> None:
        """The next operation was done."""
        place, self._count = self._count, self._count + 1
        match operation:
            case Write() | Resize():
                self._files[operation.file].pending.append((place, operation))
            case Sync(failed=True):
                self._files[operation.file].fail(operation.since)
            case Sync():
                self._files[operation.file].sync(operation.since, self._dice)
            case Name():
                if operation.file is not None:
                    self._files.setdefault(operation.file, File())
                self._pending.append((place, operation))
            case SyncFolder():
                while self._pending and self._pending[0][0] < operation.since:
                    _, name = self._pending.pop(0)
                    self._names[name.name] = name.file
            case Say():
                pass

    def cut(self, dice: Dice) -> Mapping[str, bytes]:
        """The files that may be there after a power cut now, by name."""
        names = dict(self._names)
        for name in dict.fromkeys(named.name for _, named in self._pending):
            moves = [named.file for _, named in self._pending if named.name == name]
            for file in moves[: dice.whole(0, len(moves))]:
                names[name] = file
        contents = {file: self._content(file, dice) for file in dict.fromkeys(names.values()) if file is not None}
        return {name: contents[file] for name, file in names.items() if file is not None}

    def _content(self, number: int, dice: Dice) -> bytes:
        file = self._files[number]
        content = bytearray(file.certain)
        if file.doubtful and dice.chance(0.5):  # it was all written, but for the answer
            for operation in file.doubtful:
                do(content, operation)
            return bytes(content)
        operations = _kept([operation for _, operation in file.pending], dice)
        torn = dice.whole(0, len(operations) - 1) if operations and dice.chance(0.7) else None
        for place, operation in enumerate(operations):
            if place == torn and isinstance(operation, Write):
                for part in _torn(operation, dice):
                    do(content, part)
            else:
                do(content, operation)
        return bytes(content)


def do(content: bytearray, operation: Write | Resize) -> None:
    """What the operation makes of a file."""
    end = operation.size if isinstance(operation, Resize) else operation.offset + len(operation.data)
    if end > len(content):
        content.extend(bytes(end - len(content)))
    if isinstance(operation, Resize):
        del content[operation.size :]
    else:
        content[operation.offset : end] = operation.data


def _kept(operations: Sequence[Write | Resize], dice: Dice) -> Sequence[Write | Resize]:
    match dice.whole(0, 4):
        case 0:
            return ()
        case 1:
            return operations
        case 2:
            return operations[: dice.whole(0, len(operations))]
        case 3:
            likely = dice.entropy()
            return [operation for operation in operations if dice.chance(likely)]
        case _:  # all but a few: what comes late may be there, and what came before it not
            missing = {dice.whole(0, len(operations)) for _ in range(3)}
            return [operation for place, operation in enumerate(operations) if place not in missing]


def _torn(write: Write, dice: Dice) -> Sequence[Write]:
    """The sectors of a write that got there: the first of them, or any."""
    first = SECTOR - write.offset % SECTOR
    starts = [0, *range(first, len(write.data), SECTOR)]
    parts = [
        msgspec.structs.replace(write, offset=write.offset + start, data=write.data[start:end])
        for start, end in zip(starts, [*starts[1:], len(write.data)], strict=True)
    ]
    if dice.chance(0.5):
        return parts[: dice.whole(0, len(parts))]
    return [part for part in parts if dice.chance(0.5)]
