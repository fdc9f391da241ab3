from headrace.model import change
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A claim does not raise the generation.",
    disaster=(
        "Locks without a token that rises: a client that paused came back and wrote under the lock of its successor."
    ),
    edits=[
        instead(change.claimed, "job.generation + 1", "job.generation"),
    ],
)
