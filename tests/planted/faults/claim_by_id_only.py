from headrace.storage.memory import claiming
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="Jobs are claimed in the order of their ids, whatever their priority and due time.",
    disaster="Urgent mails waited for a night behind an import, for the index that was used had another order.",
    edits=[
        instead(
            claiming._take,
            "for _, _, job_id in lane.pending.take(room):",
            "waiting = sorted(lane.pending.take(1_000_000), key=lambda entry: entry[2])\n"
            "    for entry in sorted(waiting[room:]):\n        lane.pending.push(entry)\n"
            "    for _, _, job_id in waiting[:room]:",
        ),
    ],
)
