from headrace.storage.memory import pruning
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A running job can be deleted.",
    disaster="A clean-up by age removed jobs that were long at work, with their locks.",
    edits=[
        instead(pruning._delete, "job.state is State.RUNNING or ", ""),
    ],
    proof=Proof.MEMORY,
)
