from headrace.runtime.leader import Leader
from tests.planted.planting import Fault, Proof, instead

FAULT = Fault(
    wrong="Who leads once believes so until it is told otherwise.",
    disaster="A leader that was cut off went on for nineteen days beside the one that was elected after it.",
    edits=[
        instead(Leader.leads.fget, " and self._clock.monotonic() < self._until", ""),
    ],
    proof=Proof.LEADER,
)
