from headrace.model import change
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="The fence compares the worker and not the generation.",
    disaster=(
        "A worker that stood still for longer than its lease wrote into the second run of a job, which it had "
        "claimed itself."
    ),
    edits=[
        instead(change.passes, "and job.generation == guard.generation ", ""),
    ],
    proof=Proof.MEMORY,
)
