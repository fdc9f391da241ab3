from headrace.model import lifecycle
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A job is dead after three crashes, whoever ran beside it.",
    disaster="Neighbours of a job that ran out of memory were blamed for it, and went to the dead letters with it.",
    edits=[
        instead(lifecycle._crashed, "if alone and crashes >= budget:", "if crashes >= budget:"),
    ],
    proof=Proof.LIFECYCLE,
)
