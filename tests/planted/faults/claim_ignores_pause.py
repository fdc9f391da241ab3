from headrace.storage.memory import claiming
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A claim takes jobs of a paused queue.",
    disaster="An operator stopped a queue to save a database, and the jobs went on.",
    edits=[
        instead(claiming._room, "if control.rests(now):", "if False:"),
    ],
    proof=Proof.MEMORY,
)
