from headrace.storage.memory import applying
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="Records beside a change are written before the guard is looked at.",
    disaster="A counter in the user's own table that a run raised which did not count.",
    edits=[
        instead(
            applying._apply,
            "    if not passes(",
            "    store.put_all(change.puts)\n    if not passes(",
        ),
    ],
    proof=Proof.MEMORY,
)
