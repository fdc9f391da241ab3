from headrace.storage.memory import pruning
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="Retention frees the dedup window of the job that it removes.",
    disaster="A promise of once a day that lasted as long as finished jobs were kept: an hour.",
    edits=[
        instead(pruning._remove, "store.keys.release(job)", "store.keys.free(job)"),
    ],
    proof=Proof.MEMORY,
)
