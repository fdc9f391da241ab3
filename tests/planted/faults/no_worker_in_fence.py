from headrace.model import change
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="The fence compares the generation and not the worker.",
    disaster="Two processes that agree on a number and on nothing else: a token without an owner.",
    edits=[
        instead(change.passes, " and job.worker == guard.worker", ""),
    ],
    proof=Proof.MEMORY,
)
