"""Queue controls: written by what an app declares, by operators, whose word stands, and by workers that were told to
rest. Each change is a compare-and-set on one record, and leaves all else in it as it is."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from headrace.model.record import QUEUE, Expect, Put, QueueControl, Record, amend, completed
from headrace.storage.contract import Storage

_control = msgspec.json.Decoder(QueueControl)

Edit = Callable[[QueueControl], QueueControl]


async def declare_controls(storage: Storage, declared: Mapping[str, QueueControl]) -> None:
    """Writes what is said of these queues where nothing is said yet."""

    def completing(control: QueueControl) -> Edit:
        return lambda there: completed(there, control)

    await edit_controls(storage, {queue: completing(control) for queue, control in declared.items()})


async def cool_down(storage: Storage, queue: str, rest: float) -> None:
    """The queue gives no job within ``rest`` seconds. A longer rest that was ordered before stands."""
    until = await storage.now() + round(rest * 1000)
    await edit_controls(storage, {queue: lambda there: replace(there, cools_until=max(there.cools_until or 0, until))})


async def edit_controls(storage: Storage, edits: Mapping[str, Edit]) -> None:
    """Changes the controls of these queues, each against what others make of it at the same moment."""
    left = dict(edits)
    while left:
        found = {record.name: record for record in await storage.records(QUEUE, names=list(left))}
        puts = [put for queue, edit in left.items() for put in _changed(queue, edit, found.get(queue))]
        done = await storage.put(puts) if puts else ()
        lost = {put.name for put, ok in zip(puts, done, strict=True) if not ok}
        left = {queue: edit for queue, edit in left.items() if queue in lost}


def _changed(queue: str, edit: Edit, there: Record | None) -> Sequence[Put]:
    before = QueueControl() if there is None else _control.decode(there.value)
    after = edit(before)
    if after == before:
        return ()
    text = amend(None if there is None else there.value, before, after)
    return [Put(QUEUE, queue, text, Expect.ABSENT if there is None else there.version)]
