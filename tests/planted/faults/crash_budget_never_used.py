from headrace.model import lifecycle
from tests.planted.planting import POISON, Fault, instead

FAULT = Fault(
    wrong="No number of crashes makes a job dead.",
    disaster="A poison pill that went round the workers for ever, and took each of them down.",
    edits=[
        instead(lifecycle._crashed, "if alone and crashes >= budget:", "if False:"),
    ],
    under=POISON,
)
