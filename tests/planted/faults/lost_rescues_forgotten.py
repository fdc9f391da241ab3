from headrace.runtime.rescuer import Rescuer
from tests.planted.planting import LOSSES, Fault, instead

FAULT = Fault(
    wrong="Nobody looks for jobs of a rescue whose answer was lost.",
    disaster="A database restart in the middle of a recovery left its jobs stranded for good.",
    edits=[
        instead(Rescuer.rescue_once, "self._doubts = _LOOKS", "pass"),
    ],
    under=LOSSES,
)
