from headrace.storage.memory import leasing
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A rescue takes running jobs whether or not their worker's lease has run out.",
    disaster="Rescuers that went by time alone put long jobs back that were well, and ran them twice.",
    edits=[
        instead(leasing.reclaim, "if not store.leases.live(holder, now)", ""),
    ],
)
