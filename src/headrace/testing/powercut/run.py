"""Records a program, cuts its power again and again, and looks at what is left."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from headrace.testing.dice import Dice
from headrace.testing.powercut.aftermath import STORE, examine
from headrace.testing.powercut.disk import Disk
from headrace.testing.powercut.promises import Aftermath, Promises
from headrace.testing.powercut.recording import Operation, Say, Sync, SyncFolder, Write, record
from headrace.testing.powercut.verdict import Verdict, sum_up

ROUNDS = 25
"""Inserts of each producer in each session."""
_FAULT = "fdatasync:error=EIO"
_CUTS = 250
"""Of one recording, at most: then another is made."""


def cut_power(
    cuts: int,
    seed: int,
    durability: str = "full",
    rounds: int = ROUNDS,
    *,
    failing_syncs: bool = False,
    keep: Path | None = None,
) -> Verdict:
    """The verdict on so many power cuts. ``durability``: full, normal; or a planted fault, off or haunted. With
    ``failing_syncs`` now and then a sync of the program fails. In the folder ``keep`` the files of stores that were
    found damaged are left."""
    aftermaths: list[Aftermath] = []
    recordings = writes = syncs = failed = uncertain = 0
    while len(aftermaths) < cuts:
        recordings += 1
        dice = Dice(f"{seed}/{recordings}")
        fail = f"{_FAULT}:when={dice.whole(20, 40)}+{dice.whole(5, 11)}" if failing_syncs else None
        operations = record_workload(f"{seed}/{recordings}", durability, rounds, fail)
        writes += sum(isinstance(operation, Write) for operation in operations)
        syncs += sum(isinstance(operation, Sync | SyncFolder) for operation in operations)
        failed += sum(isinstance(operation, Sync) and operation.failed for operation in operations)
        for unsynced, files, aftermath in _cut(operations, min(_CUTS, cuts - len(aftermaths)), dice):
            uncertain += unsynced > 0
            aftermaths.append(aftermath)
            if keep is not None and (aftermath.damaged or (durability == "full" and aftermath.lost)):
                _leave(files, aftermath, keep / f"cut-{len(aftermaths)}")
    return sum_up(
        aftermaths,
        durability=durability,
        seed=seed,
        recordings=recordings,
        writes=writes,
        syncs=syncs,
        failed_syncs=failed,
        uncertain=uncertain,
    )


def record_workload(seed: str, durability: str, rounds: int, fail: str | None = None) -> Sequence[Operation]:
    """What the workload asked of its disk, on a store that it makes itself."""
    with tempfile.TemporaryDirectory(prefix="headrace-powercut-") as base:
        folder, channel = Path(base, "store"), Path(base, "said")
        folder.mkdir()
        program = ["-m", "headrace.testing.powercut.workload"]
        arguments = [*program, str(folder / STORE), str(channel), seed, str(rounds), durability]
        return record(arguments, folder, channel, Path(base, "trace"), fail)


def _leave(files: Mapping[str, bytes], aftermath: Aftermath, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "aftermath.json").write_bytes(msgspec.json.format(msgspec.json.encode(aftermath)))


def _cut(
    operations: Sequence[Operation], cuts: int, dice: Dice
) -> Iterator[tuple[int, Mapping[str, bytes], Aftermath]]:
    """At so many moments, in their order: how much was not synced, the files that were left, and what is wrong with
    them."""
    moments = _moments(operations, cuts, dice)
    disk, promises, done = Disk(dice.of("disk")), Promises(), 0
    for number, moment in enumerate(moments):
        for operation in operations[done:moment]:
            disk.take(operation)
            if isinstance(operation, Say):
                promises.hear(operation.text)
        done = moment
        files = disk.cut(dice.of(f"cut {number}"))
        yield disk.unsynced, files, examine(files, promises)


def _moments(operations: Sequence[Operation], cuts: int, dice: Dice) -> Sequence[int]:
    """After how many operations the power goes: a third of them just after somebody was told something, and where syncs
    failed a third before the next one that did not."""
    told = [place for place, operation in enumerate(operations, 1) if isinstance(operation, Say)]
    doubtful = list(_doubtful(operations))
    anywhere = range(len(operations) + 1)
    moments = []
    for cut in range(cuts):
        if cut % 3 == 0:
            moments.append(dice.pick(told))
        elif cut % 3 == 1 and doubtful:
            moments.append(dice.pick(doubtful))
        else:
            moments.append(dice.pick(anywhere))
    return sorted(moments)


def _doubtful(operations: Sequence[Operation]) -> Iterator[int]:
    """Moments after a sync that failed, up to the next one that did not."""
    failed = False
    for place, operation in enumerate(operations, 1):
        failed = operation.failed if isinstance(operation, Sync) else failed
        if failed:
            yield place
