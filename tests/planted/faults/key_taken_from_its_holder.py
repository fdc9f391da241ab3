from headrace.storage.memory import applying
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A dead job that is sent back takes its key, whoever holds it by then.",
    disaster="Retrying from the dashboard went round the unique lock, and two of a kind ran.",
    edits=[
        instead(applying._apply, "if holder is not None and holder != job.id:", "if False:"),
    ],
    proof=Proof.MEMORY,
)
