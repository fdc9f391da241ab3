from headrace.storage.memory.leases import BootTime
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="Leases are counted by the wall clock.",
    disaster=(
        "A clock that was set forward ended all leases at once; one that was set back kept dead workers alive "
        "for an hour."
    ),
    edits=[
        instead(BootTime.of.__func__, "clock.boot()", "clock.wall()"),
    ],
    proof=Proof.MEMORY,
)
