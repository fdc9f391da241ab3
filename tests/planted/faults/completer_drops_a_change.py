from headrace.runtime.completer import Completer
from tests.planted.planting import LOSSES, Fault, instead

FAULT = Fault(
    wrong="A change that could not be written is given up after the first try.",
    disaster="A write at the end of a job failed, and the job stayed claimed for ever by a process that was well.",
    edits=[
        instead(Completer._apply, "if self._given_up:", "if True:"),
    ],
    under=LOSSES,
)
