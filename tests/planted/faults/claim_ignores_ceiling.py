from headrace.storage.memory import claiming
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A claim takes as many jobs as its worker has room for, whatever the queue's ceiling says.",
    disaster=(
        "A limit of jobs at once that each process counted by itself was passed as soon as there were two of them."
    ),
    edits=[
        instead(claiming._room, "min(demand.limit, control.concurrency - lane.counts[_RUNNING])", "demand.limit"),
    ],
)
