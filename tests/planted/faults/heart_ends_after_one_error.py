from headrace.runtime.heart import Heart
from tests.planted.planting import Fault, instead

FAULT = Fault(
    wrong="A worker's heart stops beating after the first beat that fails.",
    disaster="Workers that were fine to look at took no job any more after one lost connection.",
    edits=[
        instead(Heart._tried, 'self._report("heart", error)', 'self._stopping = self._report("heart", error) is None'),
    ],
)
