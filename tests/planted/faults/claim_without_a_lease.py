from headrace.storage.memory import claiming
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A claim is granted to a worker whose lease has run out.",
    disaster="Workers that nobody took for alive went on fetching jobs, which were taken from them at once.",
    edits=[
        instead(claiming.claim, "if store.leases.live(worker, boot_now):", "if True:"),
    ],
    proof=Proof.MEMORY,
)
