from headrace.model import lifecycle
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A job whose cancel was requested goes back to wait like any other when its attempt fails.",
    disaster="Users cancelled a run, and saw it start again with the next retry.",
    edits=[
        instead(lifecycle._unless_cancelled, "if job.cancel_requested:", "if False:"),
    ],
    proof=Proof.LIFECYCLE,
)
