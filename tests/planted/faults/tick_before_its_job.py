from headrace.runtime.scheduler import Scheduler
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="The cursor of a schedule is written in one step and the job of the tick in the next.",
    disaster="A tick was noted before its job existed, and the schedule stood still.",
    edits=[
        instead(
            Scheduler._insert,
            "receipts = await self._storage.insert(jobs, [firing.put for firing in firings])",
            "oks = await self._storage.put([firing.put for firing in firings])\n"
            "        for firing, ok in zip(firings, oks):\n"
            "            if not ok:\n"
            "                raise PutLost(firing.put.kind, firing.put.name)\n"
            "        receipts = await self._storage.insert(jobs)",
        ),
    ],
)
