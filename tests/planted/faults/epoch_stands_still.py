from headrace.runtime.leader import Leader
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="A new leader takes over under the epoch of the old one.",
    disaster="Whoever was asked which of the two had been elected later could not tell.",
    edits=[
        instead(Leader._take_over, "self.epoch + 1", "self.epoch"),
    ],
    proof=Proof.LEADER,
)
