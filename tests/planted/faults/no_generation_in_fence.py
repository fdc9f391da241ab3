from tests.planted.planting import ZOMBIES, Fault, instead

from headrace.model import change

FAULT = Fault(
    wrong="The fence compares the worker and not the generation.",
    disaster=(
        "A worker that stood still for longer than its lease wrote into the second run of a job, which it had "
        "claimed itself."
    ),
    edits=[
        instead(change.passes, "and job.generation == guard.generation ", ""),
    ],
    under=ZOMBIES,
)
